//! Work from push to report, against the real server: dispatches, fences, retries, restarts.
#![allow(clippy::unwrap_used)]

mod house;

use std::time::{Duration, Instant};

use cofferdam_bundle::{sign, statement::ReportState};
use cofferdam_ids::{ByteCount, Code, Fence, ReleaseSeq, Sha256Digest};
use cofferdam_protocol::api::{
    Digests, HeldLease, LeaseAnswer, Renew, ReportAnswer, Reports, RunState, RunView, StartRun, TaskState,
};
use house::{House, PATIENCE_MS, code, states};

#[tokio::test]
async fn a_run_goes_from_poll_to_report_in_the_order_of_its_graph() {
    let house = House::new().await;
    let sha256 = house.push(&house.release(&[("seed.a", &[]), ("model.b", &["seed.a"])])).await;
    let mut executor = house.executor(10).await;
    let run = house.start_all().await;
    assert_eq!(states(&run), [("seed.a", TaskState::Ready), ("model.b", TaskState::Waiting)]);

    let first = executor.poll(4, 0).await;
    assert_eq!(first.len(), 1, "only what is ready");
    assert_eq!((first[0].task.as_str(), first[0].attempt.0, first[0].release_sha256), ("seed.a", 1, sha256));
    assert_eq!((&first[0].run_id, first[0].lease_ttl_s), (&run.run, 60));
    executor.succeed(&first[0]).await;
    let second = executor.poll(4, 0).await;
    assert_eq!(second[0].task.as_str(), "model.b");
    assert!(second[0].fence > first[0].fence);
    executor.succeed(&second[0]).await;

    let run = house.person().run(&run.run).await.unwrap();
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(run.requested_by, "claimed:alice");
    let task = &run.tasks[1];
    assert_eq!((task.duration_s, task.rows_affected, &task.code), (Some(2), Some(10), &None));
    assert_eq!(task.executor.as_ref(), Some(&executor.id));
    assert!(run.ended_at.is_some());
}

#[tokio::test]
async fn a_waiting_poll_and_a_watch_wake_at_once() {
    let house = House::new().await;
    house.push(&house.release(&[("model.a", &[])])).await;
    let mut executor = house.executor(10).await;
    let person = house.person();
    let begun = Instant::now();
    let polling = tokio::spawn(async move {
        let dispatches = executor.poll(1, PATIENCE_MS).await;
        (executor, dispatches)
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let run = house.start_all().await;
    let (executor, dispatches) = polling.await.unwrap();
    assert_eq!(dispatches.len(), 1);
    let watching = tokio::spawn({
        let (person, run) = (person.clone(), person.run(&run.run).await.unwrap());
        async move { person.watch_run(&run.run, run.version, PATIENCE_MS).await.unwrap() }
    });
    executor.succeed(&dispatches[0]).await;
    assert_eq!(watching.await.unwrap().state, RunState::Succeeded);
    assert!(begun.elapsed() < Duration::from_millis(u64::from(PATIENCE_MS)), "neither waited to its end");
}

#[tokio::test]
async fn a_watch_is_told_the_tasks_that_changed_and_their_sum_is_the_whole_run() {
    let house = House::new().await;
    house.push(&house.release(&[("model.a", &[]), ("model.b", &["model.a"]), ("model.c", &[])])).await;
    let mut executor = house.executor(10).await;
    let begun = house.start_all().await;
    let person = house.person();
    let names = |view: &RunView| view.tasks.iter().map(|t| t.task.to_string()).collect::<Vec<_>>();

    let dispatch = executor.poll(1, 0).await.remove(0);
    let changes = person.watch_run(&begun.run, begun.version, 0).await.unwrap();
    assert_eq!(names(&changes), ["model.a"]);
    assert_eq!(changes.counts.iter().map(|(_, n)| n).sum::<u32>(), 3, "counts are of all");
    let view = begun.with(changes);

    executor.succeed(&dispatch).await;
    let changes = person.watch_run(&view.run, view.version, 0).await.unwrap();
    assert_eq!(names(&changes), ["model.a", "model.b"], "what ended and what became ready");
    let view = view.with(changes);
    assert_eq!(view, person.run(&view.run).await.unwrap());

    let nothing = person.watch_run(&view.run, view.version, 0).await.unwrap();
    assert_eq!(names(&nothing), Vec::<String>::new());
    assert_eq!(view.clone().with(nothing), view);
}

#[tokio::test]
async fn what_is_leased_to_one_executor_is_not_reported_or_renewed_by_another() {
    let house = House::new().await;
    house.push(&house.release(&[("model.a", &[])])).await;
    let run = house.start_all().await.run;
    let (mut a, b) = (house.executor(10).await, house.executor(11).await);
    let dispatch = a.poll(1, 0).await.remove(0);

    assert_eq!(b.send_report(&b.report(&dispatch, ReportState::Succeeded)).await, ReportAnswer::Stale);
    let stolen =
        serde_json::from_slice(&sign(&a.report(&dispatch, ReportState::Succeeded), &[&a.key])).unwrap();
    let answers = b.client.report(&Reports { reports: vec![stolen] }).await.unwrap().answers;
    assert_eq!(answers, [ReportAnswer::Invalid], "signed by a key of another client");
    let held =
        Renew { leases: vec![HeldLease { lease_id: dispatch.lease_id.clone(), fence: dispatch.fence }] };
    assert_eq!(b.client.renew(&held).await.unwrap().leases, [LeaseAnswer::Lost]);

    assert_eq!(a.client.renew(&held).await.unwrap().leases, [LeaseAnswer::Renewed]);
    let state = house.person().run(&run).await.unwrap().tasks[0].state;
    assert_eq!(state, TaskState::Leased);
    a.succeed(&dispatch).await;
}

#[tokio::test]
async fn an_old_fence_is_refused_and_a_repeated_report_is_taken_once() {
    let house = House::new().await;
    house.push(&house.release(&[("model.a", &[])])).await;
    let run = house.start_all().await.run;
    let mut executor = house.executor(10).await;
    let dispatch = executor.poll(1, 0).await.remove(0);
    let mut old = executor.report(&dispatch, ReportState::Succeeded);
    old.fence = Fence(dispatch.fence.0 - 1);
    assert_eq!(executor.send_report(&old).await, ReportAnswer::Stale);
    executor.succeed(&dispatch).await;
    executor.succeed(&dispatch).await; // The answer was lost; the run is over by now.
    let view = house.person().run(&run).await.unwrap();
    assert_eq!((view.state, view.tasks[0].attempt.0), (RunState::Succeeded, 1));
}

#[tokio::test]
async fn an_expired_lease_is_offered_again_with_a_higher_fence() {
    let house = House::with_lease_term(Duration::from_secs(2)).await;
    house.push(&house.release(&[("model.a", &[])])).await;
    let run = house.start_all().await.run;
    let (mut a, mut b) = (house.executor(10).await, house.executor(11).await);
    let first = a.poll(1, 0).await.remove(0);

    let second = b.poll(1, PATIENCE_MS).await.remove(0);
    assert!(second.fence > first.fence);
    assert_eq!(second.attempt.0, 2, "the lost lease counted");
    assert_eq!(a.send_report(&a.report(&first, ReportState::Succeeded)).await, ReportAnswer::Stale);
    let held = Renew { leases: vec![HeldLease { lease_id: first.lease_id, fence: first.fence }] };
    assert_eq!(a.client.renew(&held).await.unwrap().leases, [LeaseAnswer::Lost]);
    b.succeed(&second).await;
    assert_eq!(house.person().run(&run).await.unwrap().state, RunState::Succeeded);
}

#[tokio::test]
async fn dependants_of_a_failed_task_are_skipped_and_say_why_and_the_rest_goes_on() {
    let house = House::new().await;
    let tasks: &[(&str, &[&str])] =
        &[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("lone", &[]), ("d", &["lone", "c"])];
    house.push(&house.release(tasks)).await;
    let run = house.start_all().await.run;
    let mut executor = house.executor(10).await;
    for dispatch in executor.poll(4, 0).await {
        let state = if dispatch.task.as_str() == "a" { ReportState::Failed } else { ReportState::Succeeded };
        assert_eq!(executor.send_report(&executor.report(&dispatch, state)).await, ReportAnswer::Taken);
    }
    let view = house.person().run(&run).await.unwrap();
    assert_eq!(view.state, RunState::Failed);
    let expected = [
        ("a", TaskState::Failed),
        ("b", TaskState::Skipped),
        ("c", TaskState::Skipped),
        ("lone", TaskState::Succeeded),
        ("d", TaskState::Skipped),
    ];
    assert_eq!(states(&view), expected);
    assert_eq!(view.tasks[0].code, Some(Code(401)));
    for skipped in [1, 2, 4] {
        assert_eq!(view.tasks[skipped].because.as_ref().unwrap().as_str(), "a");
    }
}

#[tokio::test]
async fn a_retryable_failure_is_tried_again_after_its_pause() {
    let house = House::new().await;
    let mut release = house.release(&[("model.a", &[])]);
    release.tasks[0].retry.attempts = 2;
    house.push(&release).await;
    let run = house.start_all().await.run;
    let mut executor = house.executor(10).await;
    let first = executor.poll(1, 0).await.remove(0);
    let mut failed = executor.report(&first, ReportState::Failed);
    failed.retryable = true;
    assert_eq!(executor.send_report(&failed).await, ReportAnswer::Taken);
    assert!(executor.poll(1, 0).await.is_empty(), "not before the pause");
    let second = executor.poll(1, PATIENCE_MS).await.remove(0);
    assert_eq!(second.attempt.0, 2);
    let mut failed = executor.report(&second, ReportState::Failed);
    failed.retryable = true;
    assert_eq!(executor.send_report(&failed).await, ReportAnswer::Taken);
    let view = house.person().run(&run).await.unwrap();
    assert_eq!(
        (view.state, view.tasks[0].state),
        (RunState::Failed, TaskState::Failed),
        "attempts are used up"
    );
}

#[tokio::test]
async fn a_cancelled_run_gives_no_more_work_and_tells_its_executor() {
    let house = House::new().await;
    house.push(&house.release(&[("a", &[]), ("b", &["a"])])).await;
    let run = house.start_all().await.run;
    let mut executor = house.executor(10).await;
    let dispatch = executor.poll(1, 0).await.remove(0);
    house.person().cancel_run(&run).await.unwrap();

    let held =
        Renew { leases: vec![HeldLease { lease_id: dispatch.lease_id.clone(), fence: dispatch.fence }] };
    assert_eq!(executor.client.renew(&held).await.unwrap().leases, [LeaseAnswer::Cancel]);
    let report = executor.report(&dispatch, ReportState::Cancelled);
    assert_eq!(executor.send_report(&report).await, ReportAnswer::Taken);
    assert!(executor.poll(1, 0).await.is_empty());
    let view = house.person().run(&run).await.unwrap();
    assert_eq!(view.state, RunState::Cancelled);
    assert_eq!(states(&view), [("a", TaskState::Cancelled), ("b", TaskState::Cancelled)]);
    assert!(house.person().cancel_run(&run).await.is_ok(), "safe to repeat");
}

#[tokio::test]
async fn a_restart_keeps_runs_leases_fences_and_replay_protection() {
    let mut house = House::new().await;
    house.push(&house.release(&[("a", &[]), ("b", &["a"]), ("c", &[])])).await;
    let run = house.start_all().await.run;
    let mut executor = house.executor(10).await;
    let mut dispatches = executor.poll(2, 0).await;
    let c = dispatches.remove(1);
    executor.succeed(&c).await;
    let poll = executor.next_poll(1, 0);
    executor.send(&poll).await.unwrap();

    house.stop().await;
    house.start().await;
    executor.client = house.client(&executor.credentials);

    assert_eq!(code(executor.send(&poll).await), "CD0609", "the replay is still one");
    executor.succeed(&c).await; // A repeat.
    let held = HeldLease { lease_id: dispatches[0].lease_id.clone(), fence: dispatches[0].fence };
    let renewed = executor.client.renew(&Renew { leases: vec![held] }).await.unwrap();
    assert_eq!(renewed.leases, [LeaseAnswer::Renewed]);
    executor.succeed(&dispatches[0]).await;
    let b = executor.poll(1, 0).await.remove(0);
    assert!(b.fence > c.fence && b.fence > dispatches[0].fence);
    executor.succeed(&b).await;
    assert_eq!(house.person().run(&run).await.unwrap().state, RunState::Succeeded);
}

#[tokio::test]
async fn a_run_started_twice_with_one_key_is_one_run() {
    let house = House::new().await;
    house.push(&house.release(&[("a", &[])])).await;
    let person = house.person();
    let start = StartRun { idempotency_key: Some("nightly-2026-11-21".into()), ..StartRun::default() };
    let first = person.start_run(&start).await.unwrap();
    assert_eq!(person.start_run(&start).await.unwrap().run, first.run);
    let other = StartRun { idempotency_key: Some("nightly-2026-11-22".into()), ..StartRun::default() };
    assert_ne!(person.start_run(&other).await.unwrap().run, first.run);
    assert_eq!(person.runs().await.unwrap().runs.len(), 2);
}

#[tokio::test]
async fn one_task_in_two_runs_is_held_by_one_of_them_at_a_time() {
    let house = House::new().await;
    house.push(&house.release(&[("a", &[])])).await;
    house.start_all().await;
    house.start_all().await;
    let mut executor = house.executor(10).await;
    let first = executor.poll(4, 0).await;
    assert_eq!(first.len(), 1);
    executor.succeed(&first[0]).await;
    assert_eq!(executor.poll(4, 0).await.len(), 1);
}

#[tokio::test]
async fn jobs_selectors_and_parameters_are_checked_before_a_run_starts() {
    let house = House::new().await;
    house.push(&house.release(&[("model.a", &[]), ("model.b", &["model.a"])])).await;
    let person = house.person();
    let select = |text: &str| StartRun { select: vec![text.into()], ..StartRun::default() };
    assert_eq!(person.start_run(&select("model.b")).await.unwrap().tasks.len(), 1);
    assert_eq!(person.start_run(&select("+model.b")).await.unwrap().tasks.len(), 2);
    let nightly = StartRun { job: Some("nightly".parse().unwrap()), ..StartRun::default() };
    assert!(person.start_run(&nightly).await.is_ok());

    assert_eq!(code(person.start_run(&select("model.z")).await), "CD0614");
    let unknown = StartRun { job: Some("weekly".parse().unwrap()), ..StartRun::default() };
    assert_eq!(code(person.start_run(&unknown).await), "CD0606");
    let params = vec![cofferdam_bundle::statement::Argument { name: "day".into(), json: "1".into() }];
    assert_eq!(code(person.start_run(&StartRun { params, ..StartRun::default() }).await), "CD0615");
    let release = Some(Sha256Digest::of(b"none"));
    assert_eq!(code(person.start_run(&StartRun { release, ..StartRun::default() }).await), "CD0606");
}

#[tokio::test]
async fn a_release_needs_its_root_its_blobs_its_signature_and_a_higher_number() {
    let house = House::new().await;
    let person = house.person();
    let release = house.release(&[("a", &[])]);
    let envelope = house.fixture.sign_release(&release);
    assert_eq!(code(person.push_release(envelope.clone()).await), "CD0606", "no project yet");
    person.push_project(house.fixture.root_envelope()).await.unwrap();
    assert_eq!(code(person.push_release(envelope.clone()).await), "CD0612", "no blobs yet");
    let needed = Digests { digests: vec![Sha256Digest::of(b"task-dbt"), Sha256Digest::of(b"none")] };
    assert_eq!(person.missing_blobs(&needed).await.unwrap().digests.len(), 2);
    house.put_blobs(&person).await;
    assert_eq!(person.missing_blobs(&needed).await.unwrap().digests, [Sha256Digest::of(b"none")]);

    let forged = sign(&release, &[&house.fixture.dispatch_key]);
    assert_eq!(code(person.push_release(forged).await), "CD0105", "signed by a key of another role");
    let view = person.push_release(envelope.clone()).await.unwrap();
    assert_eq!(view.release_seq, ReleaseSeq(41));
    assert_eq!(person.push_release(envelope.clone()).await.unwrap(), view, "safe to repeat");

    let mut older = release.clone();
    older.release_seq = ReleaseSeq(40);
    assert_eq!(code(person.push_release(house.fixture.sign_release(&older)).await), "CD0611");
    let mut same = release;
    same.min_executor = "0.0.1".into();
    assert_eq!(
        code(person.push_release(house.fixture.sign_release(&same)).await),
        "CD0611",
        "one number, two releases"
    );
    assert_eq!(person.releases().await.unwrap().releases, std::slice::from_ref(&view));
    assert_eq!(person.release(&view.sha256).await.unwrap(), envelope);
}

#[tokio::test]
async fn a_project_keeps_its_first_root_and_the_root_must_name_this_scheduler() {
    let house = House::new().await;
    let person = house.person();
    assert!(person.push_project(house.fixture.root_envelope()).await.is_ok());
    let mut other = house.fixture.root_body();
    other.keys[0].owner = "mallory".into();
    let other = sign(&other, &[&house.fixture.root_key]);
    assert_eq!(code(person.push_project(other).await), "CD0610");

    let mut foreign = house.fixture.root_body();
    foreign.project = "prj_other".parse().unwrap();
    let stranger = cofferdam_bundle::SigningKey::from_seed([99; 32]);
    foreign.keys[2].public = stranger.public().to_base64();
    foreign.roles.dispatch.keyids = vec![stranger.key_id().clone()];
    let foreign = sign(&foreign, &[&house.fixture.root_key]);
    assert_eq!(code(person.push_project(foreign).await), "CD0619");
}

#[tokio::test]
async fn blobs_come_back_whole_and_wrong_or_huge_ones_are_refused() {
    let house = House::new().await;
    let person = house.person();
    let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).take(1_500_000).collect();
    let digest = Sha256Digest::of(&bytes);
    person.put_blob(&digest, bytes.clone()).await.unwrap();
    assert_eq!(person.blob(&digest, ByteCount::mib(2)).await.unwrap(), bytes);
    assert_eq!(code(person.blob(&digest, ByteCount::mib(1)).await), "CD0605", "above the caller's limit");
    assert_eq!(code(person.blob(&Sha256Digest::of(b"none"), ByteCount(9)).await), "CD0606");
    assert_eq!(code(person.put_blob(&Sha256Digest::of(b"other"), b"bytes".to_vec()).await), "CD0613");
    assert_eq!(
        code(person.blob(&Sha256Digest::of(b"other"), ByteCount(9)).await),
        "CD0606",
        "nothing was kept"
    );
}

#[tokio::test]
async fn executors_are_listed_with_what_they_hold_and_last_did() {
    let house = House::new().await;
    house.push(&house.release(&[("a", &[]), ("b", &[])])).await;
    house.start_all().await;
    let mut executor = house.executor(10).await;
    let dispatches = executor.poll(2, 0).await;
    executor.succeed(&dispatches[0]).await;
    let listed = house.person().executors().await.unwrap().executors.remove(0);
    assert_eq!((listed.executor, listed.held, listed.slots), (executor.id.clone(), 1, 4));
    assert_eq!(listed.last_report.unwrap().task, dispatches[0].task);
    assert_eq!(listed.ledger.unwrap().size, 3);
    assert!(listed.last_poll_at.is_some());
}
