//! `get executors|runs|releases|run`: what the scheduler knows, as tables.
//!
//! In: answers of the scheduler, the caller's clock. Out: text. Never: asks the scheduler itself.
//! Fails: not at all. Source: `docs/guides/command-line.md`.

use cofferdam_bundle::statement::ReportState;
use cofferdam_ids::{Role, Timestamp};
use cofferdam_protocol::api::{ExecutorView, ReleaseView, RunView, TaskView};

use crate::{
    run::view,
    text::{self, Colour, Paint},
};

/// An executor that was heard of less than this long ago is polling.
const HEARD_MAX_S: u64 = 60;

/// Executors and what they last did.
pub fn executors(executors: &[ExecutorView], now: Timestamp, paint: Paint) -> String {
    if executors.is_empty() {
        return "no executor has made itself known yet\n".to_owned();
    }
    let rows: Vec<Vec<String>> = executors
        .iter()
        .map(|executor| {
            let heard = executor.last_poll_at.map_or_else(|| "never".to_owned(), |at| text::ago(at, now));
            let fresh = executor.last_poll_at.is_some_and(|at| now.since(at).as_secs() < HEARD_MAX_S);
            let colour = if fresh { Colour::Green } else { Colour::Red };
            let last = executor.last_report.as_ref().map_or_else(
                || "nothing yet".to_owned(),
                |last| format!("{} {}, {}", last.task, report_state(last.state), text::ago(last.at, now)),
            );
            let ledger = executor.ledger.map_or_else(String::new, |head| head.size.to_string());
            vec![
                text::tame(&executor.name),
                executor.executor.short().to_owned(),
                format!("{} {}/{}", role(executor.role), executor.cluster, executor.pool),
                text::tame(&executor.version),
                format!("{}/{}", executor.held, executor.slots),
                paint.paint(colour, heard),
                ledger,
                last,
            ]
        })
        .collect();
    let head = ["NAME", "EXECUTOR", "ROLE AND POOL", "VERSION", "BUSY", "HEARD OF", "LEDGER", "LAST DID"];
    text::table(&head, &rows, paint)
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Run => "run",
        Role::Apply => "apply",
    }
}

fn report_state(state: ReportState) -> &'static str {
    match state {
        ReportState::Succeeded => "ok",
        ReportState::Failed => "failed",
        ReportState::Refused => "refused",
        ReportState::Cancelled => "cancelled",
    }
}

/// Runs, newest first.
pub fn runs(runs: &[RunView], now: Timestamp, paint: Paint) -> String {
    if runs.is_empty() {
        return "nothing was run yet: cofferdam run\n".to_owned();
    }
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let (word, colour) = view::run_state(run.state);
            let took = text::duration(run.ended_at.unwrap_or(now).since(run.started_at));
            let job = run.job.as_ref().map_or_else(String::new, ToString::to_string);
            vec![
                run.run.to_string(),
                paint.paint(colour, word),
                job,
                run.release_seq.to_string(),
                text::ago(run.started_at, now),
                took,
                view::counts(run, paint),
            ]
        })
        .collect();
    text::table(&["RUN", "STATE", "JOB", "RELEASE", "STARTED", "TOOK", "TASKS"], &rows, paint)
}

/// One run with every task.
pub fn run(run: &RunView, now: Timestamp, paint: Paint) -> String {
    let (word, colour) = view::run_state(run.state);
    let took = text::duration(run.ended_at.unwrap_or(now).since(run.started_at));
    let mut out = format!(
        "run       {}\nstate     {} after {took}: {}\nrelease   {} of {} (sha256:{})\nstarted   {} by {} in {}\n",
        run.run,
        paint.paint(colour, word),
        view::counts(run, paint),
        run.release_seq,
        run.project,
        run.release_sha256.short(),
        run.started_at,
        text::tame(&run.requested_by),
        run.environment,
    );
    if let Some(job) = &run.job {
        out.push_str(&format!("job       {job}\n"));
    }
    out.push('\n');
    let rows: Vec<Vec<String>> = run.tasks.iter().map(|task| task_row(task, paint)).collect();
    out.push_str(&text::table(
        &["TASK", "STATE", "ATTEMPT", "TOOK", "ROWS", "EXECUTOR", "WHY"],
        &rows,
        paint,
    ));
    out
}

fn task_row(task: &TaskView, paint: Paint) -> Vec<String> {
    let (word, colour) = view::state(task.state);
    let number = |n: Option<u64>, unit: &str| n.map_or_else(String::new, |n| format!("{n}{unit}"));
    let why = if task.state.is_final() { view::why(task) } else { String::new() };
    vec![
        task.task.to_string(),
        paint.paint(colour, word),
        if task.attempt.0 == 0 { String::new() } else { task.attempt.to_string() },
        number(task.duration_s, " s"),
        number(task.rows_affected, ""),
        task.executor.as_ref().map_or_else(String::new, |e| e.short().to_owned()),
        why,
    ]
}

/// Releases, newest first.
pub fn releases(releases: &[ReleaseView], now: Timestamp, paint: Paint) -> String {
    if releases.is_empty() {
        return "no release was pushed yet: cofferdam release build --sign --push\n".to_owned();
    }
    let rows: Vec<Vec<String>> = releases
        .iter()
        .map(|release| {
            let jobs: Vec<String> = release.jobs.iter().map(ToString::to_string).collect();
            vec![
                release.project.to_string(),
                release.release_seq.to_string(),
                release.sha256.short(),
                text::ago(release.issued_at, now),
                release.tasks.to_string(),
                jobs.join(", "),
            ]
        })
        .collect();
    text::table(&["PROJECT", "RELEASE", "DIGEST", "BUILT", "TASKS", "JOBS"], &rows, paint)
}

#[cfg(test)]
mod tests {
    use cofferdam_bundle::statement::LedgerHead;
    use cofferdam_ids::{
        ClusterName, Code, ExecutorId, JobName, PoolName, ProjectId, ReleaseSeq, RunId, Sha256Digest, TaskId,
    };
    use cofferdam_protocol::api::{LastReport, RunState, TaskState};

    use super::*;
    use crate::run::view::tests as sample;

    #[test]
    fn executors_are_shown_with_what_they_last_did() {
        let executor = ExecutorView {
            executor: ExecutorId::new("exec_0123456789abcdef").unwrap(),
            name: "run".into(),
            cluster: ClusterName::new("main").unwrap(),
            pool: PoolName::new("default").unwrap(),
            role: Role::Run,
            version: "0.1.0".into(),
            slots: 4,
            held: 1,
            last_poll_at: Some(sample::at(5)),
            last_report: Some(LastReport {
                task: TaskId::new("model.flights.delays").unwrap(),
                run: RunId::new("run_1").unwrap(),
                state: ReportState::Succeeded,
                at: sample::at(3),
            }),
            ledger: Some(LedgerHead { size: 812, head: Sha256Digest::of(b"") }),
        };
        let quiet = ExecutorView {
            name: "apply".into(),
            role: Role::Apply,
            last_poll_at: None,
            last_report: None,
            ledger: None,
            held: 0,
            ..executor.clone()
        };
        insta::assert_snapshot!(executors(&[executor, quiet], sample::at(8), Paint::off()), @r"
        NAME   EXECUTOR           ROLE AND POOL       VERSION  BUSY  HEARD OF  LEDGER  LAST DID
        run    exec_0123456789ab  run main/default    0.1.0    1/4   3 s ago   812     model.flights.delays ok, 5 s ago
        apply  exec_0123456789ab  apply main/default  0.1.0    0/4   never             nothing yet
        ");
        assert_eq!(executors(&[], sample::at(8), Paint::off()), "no executor has made itself known yet\n");
    }

    #[test]
    fn runs_and_one_run_are_shown() {
        let failed =
            TaskView { code: Some(Code(410)), ..sample::task("model.flights.stg", TaskState::Failed, 3) };
        let run_view =
            sample::run(RunState::Failed, vec![sample::task("seed.a", TaskState::Succeeded, 1), failed]);
        insta::assert_snapshot!(runs(std::slice::from_ref(&run_view), sample::at(100), Paint::off()), @r"
        RUN                                       STATE   JOB  RELEASE  STARTED    TOOK  TASKS
        run_0192f3a0-0000-7000-8000-000000000000  failed       7        100 s ago  12 s  1 ok, 1 failed
        ");
        insta::assert_snapshot!(run(&run_view, sample::at(100), Paint::off()), @r"
        run       run_0192f3a0-0000-7000-8000-000000000000
        state     failed after 12 s: 1 ok, 1 failed
        release   7 of prj_flights (sha256:a4d451ec2346)
        started   2026-09-21T14:13:20Z by me in prod

        TASK               STATE   ATTEMPT  TOOK  ROWS  EXECUTOR           WHY
        seed.a             ok      1                    exec_0123456789ab
        model.flights.stg  failed  3                    exec_0123456789ab  CD0410 after 3 attempts
        ");
    }

    #[test]
    fn releases_are_shown() {
        let release = ReleaseView {
            project: ProjectId::new("prj_flights").unwrap(),
            sha256: Sha256Digest::of(b"release"),
            release_seq: ReleaseSeq(7),
            issued_at: sample::at(0),
            tasks: 31,
            jobs: vec![JobName::new("nightly").unwrap()],
        };
        insta::assert_snapshot!(releases(&[release], sample::at(100), Paint::off()), @r"
        PROJECT      RELEASE  DIGEST        BUILT      TASKS  JOBS
        prj_flights  7        a4d451ec2346  100 s ago  31     nightly
        ");
    }
}
