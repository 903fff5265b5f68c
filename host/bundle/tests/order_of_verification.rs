//! Every step of the order of verification refuses by its own code, all else being right.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use cofferdam_bundle::{
    DispatchContext, KeySet, OutstandingNonce, Refused, ReleaseContext, SigningKey, Verified, check_params,
    check_policy, open, pin_root, recheck_release, sign,
    statement::{
        Argument, Dispatch, Parameter, ParameterSource, ParameterType, Release, RunReason, StatementKind,
        TrustRoot,
    },
    testing::{self, Fixture},
    unverified_body_sha256, verify_dispatch, verify_release,
};
use cofferdam_ids::{AttemptNo, Fence, Nonce, ReleaseSeq, Role, Sha256Digest};

fn code<T: std::fmt::Debug>(result: Result<T, Refused>) -> u16 {
    result.unwrap_err().code().0
}

/// Breaks one thing.
type Change<S> = fn(&mut S);
/// Breaks one thing, with something from outside.
type ChangeWith<'a, S> = &'a dyn Fn(&mut S);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Verifies a changed dispatch in a changed context.
fn dispatch_after(
    fixture: &Fixture,
    change: impl FnOnce(&mut Dispatch),
    context: impl FnOnce(&mut DispatchContext<'_>),
) -> Result<Verified<Dispatch>, Refused> {
    let mut dispatch = fixture.dispatch();
    change(&mut dispatch);
    let mut seen = fixture.dispatch_context();
    context(&mut seen);
    verify_dispatch(&fixture.sign_dispatch(&dispatch), &seen)
}

fn refused_dispatch(
    change: impl FnOnce(&mut Dispatch),
    context: impl FnOnce(&mut DispatchContext<'_>),
) -> u16 {
    code(dispatch_after(&Fixture::new(), change, context))
}

/// Verifies a changed release, named by a right dispatch, in a changed context.
fn release_after(
    fixture: &Fixture,
    change: impl FnOnce(&mut Release),
    context: impl FnOnce(&mut ReleaseContext<'_>),
) -> Result<Verified<Release>, Refused> {
    let mut release = fixture.release();
    change(&mut release);
    let dispatch = sign(&fixture.dispatch_of(&release), &[&fixture.dispatch_key]);
    let dispatch = open::<Dispatch>(&dispatch, fixture.root().dispatch_keys())?;
    let mut seen = fixture.release_context();
    context(&mut seen);
    verify_release(&fixture.sign_release(&release), &dispatch, &seen)
}

fn refused_release(change: impl FnOnce(&mut Release), context: impl FnOnce(&mut ReleaseContext<'_>)) -> u16 {
    code(release_after(&Fixture::new(), change, context))
}

#[test]
fn the_fixture_is_accepted_whole() {
    let fixture = Fixture::new();
    let dispatch = dispatch_after(&fixture, |_| {}, |_| {}).unwrap();
    let release = release_after(&fixture, |_| {}, |_| {}).unwrap();
    check_policy(dispatch.statement(), release.statement(), &fixture.journal, fixture.now).unwrap();
    assert_eq!(check_params(dispatch.statement(), &release.statement().tasks[0]), Ok(vec![]));
    recheck_release(&release, &dispatch, &fixture.release_context()).unwrap();
}

#[test]
fn a_dispatch_by_the_release_key_or_a_stranger_is_refused() {
    let fixture = Fixture::new();
    let by =
        |key: &SigningKey| verify_dispatch(&sign(&fixture.dispatch(), &[key]), &fixture.dispatch_context());
    assert_eq!(code(by(&fixture.release_key)), 105);
    assert_eq!(code(by(&fixture.root_key)), 105);
    assert_eq!(code(by(&SigningKey::from_seed([99; 32]))), 104);
}

#[test]
fn a_dispatch_for_others_is_refused() {
    assert_eq!(refused_dispatch(|d| d.project = "prj_other".parse().unwrap(), |_| {}), 110);
    let other = cofferdam_ids::ExecutorId::of_key(SigningKey::from_seed([5; 32]).key_id());
    assert_eq!(refused_dispatch(|d| d.audience = other, |_| {}), 111);
    assert_eq!(refused_dispatch(|d| d.cluster = "other".parse().unwrap(), |_| {}), 111);
    assert_eq!(refused_dispatch(|d| d.pool = "other".parse().unwrap(), |_| {}), 111);
    assert_eq!(refused_dispatch(|d| d.role = Role::Apply, |_| {}), 118);
}

#[test]
fn a_dispatch_without_its_poll_is_refused() {
    assert_eq!(refused_dispatch(|_| {}, |c| c.nonce = None), 112);
    assert_eq!(refused_dispatch(|d| d.poll_nonce = Nonce::from_bytes([1; 32]), |_| {}), 112);
    let nonce = Fixture::new().nonce;
    let aged =
        |s| move |c: &mut DispatchContext<'_>| c.nonce = Some(OutstandingNonce { nonce, age: secs(s) });
    assert_eq!(refused_dispatch(|_| {}, aged(121)), 113);
    assert!(dispatch_after(&Fixture::new(), |_| {}, aged(120)).is_ok());
}

#[test]
fn a_dispatch_at_another_time_is_refused() {
    let now = Fixture::new().now;
    assert_eq!(refused_dispatch(|_| {}, |c| c.now = now.plus(secs(61))), 114);
    assert_eq!(refused_dispatch(|_| {}, |c| c.now = now.minus(secs(61))), 114);
    assert_eq!(refused_dispatch(|d| d.not_after = now, |_| {}), 114);
    assert_eq!(refused_dispatch(|d| d.not_after = now.plus(secs(601)), |_| {}), 114);
    assert_eq!(refused_dispatch(|d| d.lease_ttl_s = 0, |_| {}), 114);
    assert!(dispatch_after(&Fixture::new(), |_| {}, |c| c.now = now.plus(secs(60))).is_ok());
    let mut fixture = Fixture::new();
    fixture.journal.clock_floor = now.plus(secs(1));
    assert_eq!(code(dispatch_after(&fixture, |_| {}, |_| {})), 134);
}

#[test]
fn a_dispatch_is_consumed_once_and_fences_only_rise() {
    let mut fixture = Fixture::new();
    let (dispatch, now) = (fixture.dispatch(), fixture.now);
    fixture.journal.consume(&dispatch, now);
    assert_eq!(code(dispatch_after(&fixture, |_| {}, |_| {})), 115);
    let fresh = |d: &mut Dispatch| d.dispatch_id = "0199f3a0-0000-7000-8000-00000000d002".parse().unwrap();
    assert_eq!(code(dispatch_after(&fixture, fresh, |_| {})), 116);
    let raised = |d: &mut Dispatch| {
        fresh(d);
        d.fence = Fence(2);
    };
    assert!(dispatch_after(&fixture, raised, |_| {}).is_ok());
}

#[test]
fn an_attempt_past_every_policy_is_refused_before_the_release_is_known() {
    assert_eq!(refused_dispatch(|d| d.attempt = AttemptNo(0), |_| {}), 117);
    assert_eq!(refused_dispatch(|d| d.attempt = AttemptNo(21), |_| {}), 117);
}

#[test]
fn a_release_other_than_the_one_named_is_refused() {
    let fixture = Fixture::new();
    let dispatch = dispatch_after(&fixture, |_| {}, |_| {}).unwrap();
    let mut release = fixture.release();
    release.min_executor = "0.0.1".into();
    assert_eq!(
        code(verify_release(&fixture.sign_release(&release), &dispatch, &fixture.release_context())),
        120
    );
}

#[test]
fn a_release_by_the_dispatch_key_or_a_stranger_is_refused() {
    let fixture = Fixture::new();
    let dispatch = dispatch_after(&fixture, |_| {}, |_| {}).unwrap();
    let by = |key: &SigningKey| {
        verify_release(&sign(&fixture.release(), &[key]), &dispatch, &fixture.release_context())
    };
    assert_eq!(code(by(&fixture.dispatch_key)), 105);
    assert_eq!(code(by(&SigningKey::from_seed([99; 32]))), 104);
}

#[test]
fn a_release_that_disagrees_with_its_dispatch_is_refused() {
    let fixture = Fixture::new();
    let release = fixture.release();
    let mut dispatch = fixture.dispatch_of(&release);
    dispatch.release_seq = ReleaseSeq(42);
    let dispatch = verify_dispatch(&fixture.sign_dispatch(&dispatch), &fixture.dispatch_context()).unwrap();
    let envelope = fixture.sign_release(&release);
    assert_eq!(code(verify_release(&envelope, &dispatch, &fixture.release_context())), 121);
    assert_eq!(refused_release(|r| r.project = "prj_other".parse().unwrap(), |_| {}), 121);
}

#[test]
fn a_release_outside_its_time_place_or_version_is_refused() {
    let now = Fixture::new().now;
    assert_eq!(refused_release(|r| r.not_before = now.plus(secs(1)), |_| {}), 122);
    assert_eq!(refused_release(|r| r.not_after = now, |_| {}), 122);
    assert_eq!(refused_release(|r| r.min_executor = "0.2.0".into(), |_| {}), 125);
    assert_eq!(refused_release(|_| {}, |c| c.executor_version = "0.0.9"), 125);
    assert_eq!(refused_release(|_| {}, |c| c.executor_version = "what"), 125);
    assert_eq!(refused_release(|r| r.audience.clusters.clear(), |_| {}), 126);
    assert_eq!(refused_release(|r| r.audience.pools = vec!["other".parse().unwrap()], |_| {}), 126);
}

#[test]
fn an_older_release_and_a_second_of_the_same_number_are_refused() {
    let mut fixture = Fixture::new();
    let project = fixture.root().project().clone();
    let mark = |seq, body: &[u8]| (ReleaseSeq(seq), Sha256Digest::of(body));
    fixture.journal.releases.insert(project.clone(), mark(42, b"newer"));
    assert_eq!(code(release_after(&fixture, |_| {}, |_| {})), 123);
    fixture.journal.releases.insert(project.clone(), mark(41, b"another"));
    assert_eq!(code(release_after(&fixture, |_| {}, |_| {})), 124);
    fixture.journal.releases.insert(project.clone(), (ReleaseSeq(41), fixture.dispatch().release_sha256));
    assert!(release_after(&fixture, |_| {}, |_| {}).is_ok());
    fixture.journal.releases.insert(project, mark(40, b"older"));
    assert!(release_after(&fixture, |_| {}, |_| {}).is_ok());
}

#[test]
fn a_task_that_is_not_there_or_not_for_this_role_is_refused() {
    let fixture = Fixture::new();
    let mut dispatch = fixture.dispatch();
    dispatch.task = "model.shop.other".parse().unwrap();
    let dispatch = verify_dispatch(&fixture.sign_dispatch(&dispatch), &fixture.dispatch_context()).unwrap();
    let envelope = fixture.sign_release(&fixture.release());
    assert_eq!(code(verify_release(&envelope, &dispatch, &fixture.release_context())), 127);
    assert_eq!(refused_release(|r| r.tasks[0].roles = vec![Role::Apply], |_| {}), 129);
}

#[test]
fn a_release_that_contradicts_itself_is_refused() {
    let broken: [(&str, Change<Release>); 16] = [
        ("a path that climbs", |r| r.files[0].path = "models/../../etc".into()),
        ("an absolute path", |r| r.files[0].path = "/etc/passwd".into()),
        ("a path twice", |r| r.files.push(r.files[0].clone())),
        ("a task twice", |r| r.tasks.push(r.tasks[0].clone())),
        ("a plugin twice", |r| r.plugins.push(r.plugins[0].clone())),
        ("an unknown need", |r| r.tasks[0].needs = vec!["x".parse().unwrap()]),
        ("a need of itself", |r| r.tasks[0].needs = vec![r.tasks[0].id.clone()]),
        ("a circle", |r| {
            let (mut a, mut b) = (testing::task("a"), testing::task("b"));
            (a.needs, b.needs) = (vec![b.id.clone()], vec![a.id.clone()]);
            r.tasks.extend([a, b]);
        }),
        ("an unknown plugin", |r| r.tasks[0].plugin = "x".parse().unwrap()),
        ("an adapter run as a task", |r| r.tasks[0].plugin = "adapter-sqlite".parse().unwrap()),
        ("a task plugin as an adapter", |r| r.gateways[0].adapter = "task-dbt".parse().unwrap()),
        ("an unknown gateway", |r| r.tasks[0].gateway = Some("x".parse().unwrap())),
        ("too much memory", |r| r.tasks[0].limits.mem_bytes = u64::MAX),
        ("a window of no time", |r| r.schedule_policy.windows = vec!["25:00-26:00".into()]),
        ("settings that are no JSON", |r| {
            r.tasks[0].settings = vec![Argument { name: "x".into(), json: "{".into() }];
        }),
        ("an empty job", |r| r.jobs[0].select.clear()),
    ];
    for (what, change) in broken {
        assert_eq!(refused_release(change, |_| {}), 128, "{what}");
    }
}

#[test]
fn a_release_checked_before_is_checked_again_for_what_may_have_changed() {
    let fixture = Fixture::new();
    let dispatch = dispatch_after(&fixture, |_| {}, |_| {}).unwrap();
    let release = release_after(&fixture, |_| {}, |_| {}).unwrap();
    let late = ReleaseContext { now: fixture.now.plus(secs(31 * 86_400)), ..fixture.release_context() };
    assert_eq!(code(recheck_release(&release, &dispatch, &late)), 122);
    let mut other = fixture.release();
    other.release_seq = ReleaseSeq(42);
    let other = sign(&fixture.dispatch_of(&other), &[&fixture.dispatch_key]);
    let other = open::<Dispatch>(&other, fixture.root().dispatch_keys()).unwrap();
    assert_eq!(code(recheck_release(&release, &other, &fixture.release_context())), 120);
}

fn policy(fixture: &Fixture, release: &Release, dispatch: &Dispatch, after_s: u64) -> Result<(), Refused> {
    check_policy(dispatch, release, &fixture.journal, fixture.now.plus(secs(after_s)))
}

#[test]
fn a_run_by_hand_or_outside_the_windows_is_refused() {
    let fixture = Fixture::new();
    let (mut release, mut dispatch) = (fixture.release(), fixture.dispatch());
    release.schedule_policy.manual = false;
    assert_eq!(code(policy(&fixture, &release, &dispatch, 0)), 132);
    dispatch.reason = RunReason::Schedule;
    assert!(policy(&fixture, &release, &dispatch, 0).is_ok());
    release.schedule_policy.windows = vec!["22:00-06:00".into()];
    assert_eq!(code(policy(&fixture, &release, &dispatch, 0)), 131);
    release.schedule_policy.windows = vec!["22:00-06:01".into()];
    assert!(policy(&fixture, &release, &dispatch, 0).is_ok());
}

#[test]
fn the_interval_holds_other_runs_and_the_attempts_hold_the_same_run() {
    let mut fixture = Fixture::new();
    let (release, mut dispatch, now) = (fixture.release(), fixture.dispatch(), fixture.now);
    fixture.journal.consume(&dispatch, now);
    // Retries of the same run at once, until the attempts are used up.
    for attempt in 2..=3 {
        dispatch.attempt = AttemptNo(attempt);
        assert!(policy(&fixture, &release, &dispatch, 1).is_ok(), "{attempt}");
        fixture.journal.consume(&dispatch, now);
    }
    dispatch.attempt = AttemptNo(4);
    assert_eq!(code(policy(&fixture, &release, &dispatch, 1)), 117);
    // A scheduler that counts from 1 again changes nothing: the journal counts too.
    dispatch.attempt = AttemptNo(1);
    assert_eq!(code(policy(&fixture, &release, &dispatch, 1)), 117);
    // Another run waits for the interval.
    dispatch.run_id = "run_0199f3a0-0000-7000-8000-000000000002".parse().unwrap();
    assert_eq!(code(policy(&fixture, &release, &dispatch, 3599)), 130);
    assert!(policy(&fixture, &release, &dispatch, 3600).is_ok());
}

#[test]
fn a_hundred_valid_dispatches_in_a_second_are_one_run() {
    let mut fixture = Fixture::new();
    let (release, mut dispatch, now) = (fixture.release(), fixture.dispatch(), fixture.now);
    let mut let_through = 0;
    for i in 0..100 {
        dispatch.run_id = format!("run_0199f3a0-0000-7000-8000-{i:012}").parse().unwrap();
        match policy(&fixture, &release, &dispatch, 0) {
            Ok(()) => let_through += 1,
            Err(refused) => assert_eq!(refused.code().0, 130),
        }
        if let_through == 1 && fixture.journal.attempts.is_empty() {
            fixture.journal.consume(&dispatch, now);
        }
    }
    assert_eq!(let_through, 1);
}

fn parameter(kind: ParameterType, min: Option<&str>, max: Option<&str>) -> Parameter {
    Parameter {
        name: "p".into(),
        kind,
        source: ParameterSource::Dispatch,
        min: min.map(Into::into),
        max: max.map(Into::into),
        one_of: Vec::new(),
        required: false,
    }
}

fn given(schema: &Parameter, json: &str) -> Result<Vec<Argument>, Refused> {
    let fixture = Fixture::new();
    let (mut dispatch, mut task) = (fixture.dispatch(), testing::task("t"));
    dispatch.params = vec![Argument { name: "p".into(), json: json.into() }];
    task.params_schema = vec![schema.clone()];
    check_params(&dispatch, &task)
}

#[test]
fn parameters_pass_only_as_their_schema_says() {
    use ParameterType::{Boolean, Date, Integer, Runs, Text};
    let day = parameter(Date, Some("2020-01-01"), Some("2026-12-31"));
    let number = parameter(Integer, Some("0"), Some("10"));
    let text = parameter(Text, None, None);
    let flag = parameter(Boolean, None, None);
    let runs = parameter(Runs, None, None);
    for (schema, json) in [
        (&day, "\"2024-02-29\""),
        (&number, "10"),
        (&text, "\"a/b@c 1\""),
        (&flag, " true "),
        (&runs, "\"\""),
        (&runs, "\"run_a run_b\""),
    ] {
        assert_eq!(given(schema, json).unwrap()[0].json, json.trim());
    }
    for (schema, json) in [
        (&day, "\"2019-12-31\""),
        (&day, "\"2027-01-01\""),
        (&day, "\"2025-02-29\""),
        (&day, "\"2024-2-9\""),
        (&day, "20240229"),
        (&day, "\"2024-02-29T00\""),
        (&number, "11"),
        (&number, "-1"),
        (&number, "1.0"),
        (&number, "1e0"),
        (&number, "\"1\""),
        (&number, "99999999999999999999"),
        (&text, "\"a\\nb\""),
        (&text, "\"a\\u0000\""),
        (&text, "\"\\u202e\""),
        (&text, "\"x' or '1\""),
        (&text, "\"x;\""),
        (&text, "7"),
        (&text, &format!("\"{}\"", "a".repeat(257))),
        (&flag, "1"),
        (&flag, "\"true\""),
        (&flag, ""),
        (&flag, "true false"),
        (&flag, "null"),
        (&runs, "\"run_a  run_b\""),
        (&runs, "\"../run_a\""),
        (&runs, "\"model.shop.a\""),
        (&runs, "[\"run_a\"]"),
    ] {
        assert_eq!(code(given(schema, json)), 133, "{json}");
    }
}

#[test]
fn unknown_doubled_and_missing_parameters_are_refused() {
    let fixture = Fixture::new();
    let (mut dispatch, mut task) = (fixture.dispatch(), testing::task("t"));
    let mut schema = parameter(ParameterType::Boolean, None, None);
    schema.required = true;
    task.params_schema = vec![schema];
    assert_eq!(code(check_params(&dispatch, &task)), 133);
    let argument = |name: &str| Argument { name: name.into(), json: "true".into() };
    dispatch.params = vec![argument("p")];
    assert!(check_params(&dispatch, &task).is_ok());
    dispatch.params = vec![argument("p"), argument("p")];
    assert_eq!(code(check_params(&dispatch, &task)), 133);
    dispatch.params = vec![argument("p"), argument("q")];
    assert_eq!(code(check_params(&dispatch, &task)), 133);
}

fn pinned(fixture: &Fixture, change: impl FnOnce(&mut TrustRoot)) -> Result<(), Refused> {
    let mut body = fixture.root_body();
    change(&mut body);
    let envelope = sign(&body, &[&fixture.root_key]);
    let digest = unverified_body_sha256(&envelope, StatementKind::Root)?;
    pin_root(&envelope, digest, fixture.now).map(|_| ())
}

#[test]
fn a_root_is_taken_only_as_pinned_signed_sound_and_in_time() {
    let fixture = Fixture::new();
    assert!(pinned(&fixture, |_| {}).is_ok());
    let envelope = fixture.root_envelope();
    assert_eq!(code(pin_root(&envelope, Sha256Digest::of(b"another"), fixture.now).map(|_| ())), 140);
    let forged = sign(&fixture.root_body(), &[&fixture.release_key]);
    assert_eq!(code(pin_root(&forged, fixture.root().digest(), fixture.now).map(|_| ())), 105);
    let now = fixture.now;
    let broken: [(u16, ChangeWith<'_, TrustRoot>); 11] = [
        (144, &|r| r.expires = now),
        (141, &|r| r.version = 2),
        (141, &|r| r.keys[0].alg = "rsa".into()),
        (141, &|r| r.keys.push(r.keys[0].clone())),
        (141, &|r| r.roles.release.threshold = 0),
        (141, &|r| r.roles.release.threshold = 2),
        (141, &|r| r.roles.release.keyids.clear()),
        (141, &|r| r.keys.retain(|k| k.owner != "ci")),
        (142, &|r| r.keys[0].public = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into()),
        (142, &|r| r.keys[0].public = "x".into()),
        (143, &|r| r.roles.release.keyids.push(r.roles.dispatch.keyids[0].clone())),
    ];
    for (i, (expected, change)) in broken.into_iter().enumerate() {
        assert_eq!(code(pinned(&fixture, change)), expected, "case {i}");
    }
}

#[test]
fn an_expired_root_stops_everything_under_it() {
    let fixture = Fixture::new();
    let late = fixture.root().root().expires;
    assert_eq!(refused_dispatch(|_| {}, |c| c.now = late), 144);
    assert_eq!(refused_release(|_| {}, |c| c.now = late), 144);
}

#[test]
fn a_refusal_says_what_happened_whose_it_is_and_what_to_do() {
    let refused = refused_message();
    insta::assert_snapshot!(cofferdam_ids::render(&refused), @r"
    error[CD0123]: release 41 is older than release 42, which has run here
      fix: release the older content again under a new, higher number
    ");
}

fn refused_message() -> Refused {
    let mut fixture = Fixture::new();
    let project = fixture.root().project().clone();
    fixture.journal.releases.insert(project, (ReleaseSeq(42), Sha256Digest::of(b"newer")));
    release_after(&fixture, |_| {}, |_| {}).unwrap_err()
}

#[test]
fn keys_of_a_set_count_once_and_at_least_one_must_sign() {
    assert_eq!(KeySet::new(Vec::new(), 0).threshold(), 1);
}
