//! A run as text: the live view, one line per change, the summary at the end.
//!
//! In: what the scheduler says of a run, the caller's clock. Out: lines.
//! Never: touches a terminal or a network; all of it is a function of its arguments.
//! Fails: not at all. Source: `docs/guides/command-line.md`.

use std::collections::HashMap;

use cofferdam_ids::{TaskId, Timestamp};
use cofferdam_protocol::api::{RunState, RunView, TaskState, TaskView};

use crate::text::{self, Colour, Paint};

/// Active tasks shown at once.
const ACTIVE_MAX: usize = 16;

/// How a task's state is called and coloured.
pub(crate) fn state(state: TaskState) -> (&'static str, Colour) {
    match state {
        TaskState::Waiting => ("waiting", Colour::Dim),
        TaskState::Ready => ("ready", Colour::Dim),
        TaskState::Leased => ("running", Colour::Cyan),
        TaskState::Succeeded => ("ok", Colour::Green),
        TaskState::Failed => ("failed", Colour::Red),
        TaskState::Refused => ("refused", Colour::Red),
        TaskState::Skipped => ("skipped", Colour::Yellow),
        TaskState::Cancelled => ("cancelled", Colour::Yellow),
    }
}

/// How a run's state is called and coloured.
pub(crate) fn run_state(state: RunState) -> (&'static str, Colour) {
    match state {
        RunState::Running => ("running", Colour::Cyan),
        RunState::Succeeded => ("succeeded", Colour::Green),
        RunState::Failed => ("failed", Colour::Red),
        RunState::Cancelled => ("cancelled", Colour::Yellow),
    }
}

/// Tasks by state, in words: `12 ok, 1 failed, 3 waiting`.
pub(crate) fn counts(run: &RunView, paint: Paint) -> String {
    const ORDER: [TaskState; 8] = [
        TaskState::Succeeded,
        TaskState::Failed,
        TaskState::Refused,
        TaskState::Skipped,
        TaskState::Cancelled,
        TaskState::Leased,
        TaskState::Ready,
        TaskState::Waiting,
    ];
    let mut number: HashMap<TaskState, u32> = HashMap::new();
    if run.tasks.is_empty() {
        number.extend(run.counts.iter().copied());
    } else {
        run.tasks.iter().for_each(|task| *number.entry(task.state).or_default() += 1);
    }
    let parts: Vec<String> = ORDER
        .iter()
        .filter_map(|s| number.get(s).filter(|n| **n > 0).map(|n| (*s, n)))
        .map(|(s, n)| {
            let (word, colour) = state(s);
            paint.paint(colour, format!("{n} {word}"))
        })
        .collect();
    if parts.is_empty() { "no tasks".to_owned() } else { parts.join(", ") }
}

/// The live view: one line per active task, then one with the counts. No line is wider than
/// `width`.
pub(crate) fn live(run: &RunView, now: Timestamp, width: usize, paint: Paint) -> Vec<String> {
    let active: Vec<&TaskView> = run.tasks.iter().filter(|task| task.state == TaskState::Leased).collect();
    let retried = run.tasks.iter().filter(|task| task.state == TaskState::Ready && task.attempt.0 > 0);
    let shown: Vec<&TaskView> = active.iter().copied().chain(retried).take(ACTIVE_MAX).collect();
    let names = shown
        .iter()
        .map(|task| task.task.as_str().len())
        .max()
        .unwrap_or(0)
        .min(width / 2)
        .min(width.saturating_sub(14));
    let mut lines: Vec<String> = shown
        .iter()
        .map(|task| {
            let (word, colour) = match task.state {
                TaskState::Ready => ("again soon", Colour::Yellow),
                other => state(other),
            };
            let name = cut(task.task.as_str(), names);
            let mut line = format!("  {name:<names$}  {}", paint.paint(colour, format!("{word:<10}")));
            let mut room = width.saturating_sub(names + 14);
            for part in details(task, now) {
                let part = format!("  {part}");
                room = match room.checked_sub(part.chars().count()) {
                    Some(rest) => rest,
                    None => break,
                };
                line.push_str(&part);
            }
            line
        })
        .collect();
    if active.len() > ACTIVE_MAX {
        lines.push(format!("  … and {} more running", active.len() - ACTIVE_MAX));
    }
    let elapsed = text::duration(now.since(run.started_at));
    lines.push(format!("{}  {}", paint.paint(Colour::Bold, elapsed), counts(run, paint)));
    lines
}

fn details(task: &TaskView, now: Timestamp) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(since) = task.started_at.filter(|_| task.state == TaskState::Leased) {
        parts.push(format!("{:>8}", text::duration(now.since(since))));
    }
    if task.attempt.0 > 1 || task.state == TaskState::Ready {
        parts.push(format!("attempt {}", task.attempt));
    }
    if let Some(executor) = &task.executor {
        parts.push(executor.short().to_owned());
    }
    parts
}

fn cut(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    let tail: String = name.chars().skip(name.chars().count() + 1 - width.max(1)).collect();
    format!("…{tail}")
}

/// Tasks whose state or attempt differs from what was seen before.
pub(crate) fn changed<'a>(before: Option<&RunView>, after: &'a RunView) -> Vec<&'a TaskView> {
    let known: HashMap<&TaskId, (TaskState, u32)> = before
        .map(|run| run.tasks.iter().map(|task| (&task.task, (task.state, task.attempt.0))).collect())
        .unwrap_or_default();
    after
        .tasks
        .iter()
        .filter(|task| {
            known.get(&task.task).copied().unwrap_or((TaskState::Waiting, 0)) != (task.state, task.attempt.0)
        })
        .collect()
}

/// One change as a line for a log file. Nothing for a task that merely became ready.
pub(crate) fn change(task: &TaskView, now: Timestamp, paint: Paint) -> Option<String> {
    let (word, colour) = match task.state {
        TaskState::Waiting => return None,
        TaskState::Ready if task.attempt.0 == 0 => return None,
        TaskState::Ready => ("again", Colour::Yellow),
        other => state(other),
    };
    let mut line = format!("{}  {}  {}", clock(now), paint.paint(colour, format!("{word:<9}")), task.task);
    let mut add = |part: String| line.push_str(&format!("  {part}"));
    match task.state {
        TaskState::Leased => {
            if task.attempt.0 > 1 {
                add(format!("attempt {}", task.attempt));
            }
            task.executor.iter().for_each(|executor| add(format!("on {}", executor.short())));
        }
        TaskState::Succeeded => {
            task.duration_s.iter().for_each(|s| add(format!("{s} s")));
            task.rows_affected.iter().for_each(|rows| add(text::count(*rows, "row")));
        }
        TaskState::Ready => add(format!("after attempt {}{}", task.attempt, code(task))),
        _ => add(why(task)),
    }
    Some(line.trim_end().to_owned())
}

fn code(task: &TaskView) -> String {
    task.code.map(|code| format!(": {code}")).unwrap_or_default()
}

/// `12:03:01`, in UTC, from an RFC 3339 time.
fn clock(now: Timestamp) -> String {
    now.to_string().get(11..19).unwrap_or_default().to_owned()
}

/// Why a task did not succeed, as far as the scheduler knows.
pub(crate) fn why(task: &TaskView) -> String {
    match (task.state, &task.because, task.code) {
        (TaskState::Skipped, Some(because), _) => format!("needs {because}"),
        (TaskState::Failed | TaskState::Refused, _, Some(code)) if task.attempt.0 > 1 => {
            format!("{code} after {} attempts", task.attempt)
        }
        (_, _, Some(code)) => code.to_string(),
        (TaskState::Failed, _, None) => "the task itself says so; its log has the reason".to_owned(),
        _ => String::new(),
    }
}

/// What came of a run that has ended.
pub(crate) fn summary(run: &RunView, paint: Paint) -> String {
    let (word, colour) = run_state(run.state);
    let took = run
        .ended_at
        .map(|end| format!(" in {}", text::duration(end.since(run.started_at))))
        .unwrap_or_default();
    let mut out = format!("run {} {}{took}: {}", run.run, paint.paint(colour, word), counts(run, paint));
    let rows: u64 = run.tasks.iter().filter_map(|task| task.rows_affected).sum();
    if rows > 0 {
        out.push_str(&format!(", {}", text::count(rows, "row")));
    }
    out.push('\n');
    let bad: Vec<&TaskView> =
        run.tasks.iter().filter(|task| task.state.is_final() && task.state != TaskState::Succeeded).collect();
    if bad.is_empty() {
        return out;
    }
    out.push('\n');
    let rows: Vec<Vec<String>> = bad
        .iter()
        .map(|task| {
            let (word, colour) = state(task.state);
            vec![task.task.to_string(), paint.paint(colour, word), why(task)]
        })
        .collect();
    out.push_str(&text::table(&["TASK", "STATE", "WHY"], &rows, paint));
    let first = bad.iter().find(|task| matches!(task.state, TaskState::Failed | TaskState::Refused));
    if let Some(task) = first {
        out.push_str(&format!("\nwhat it said: cofferdam logs {} {}\n", run.run, task.task));
        if task.state == TaskState::Refused {
            out.push_str(&format!("what is allowed: cofferdam grants explain {}\n", task.task));
        }
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use cofferdam_ids::{
        AttemptNo, Code, EnvironmentName, ExecutorId, ProjectId, ReleaseSeq, RunId, Sha256Digest,
    };

    use super::*;

    pub(crate) const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    pub(crate) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(START.as_millis() + seconds * 1000)
    }

    pub(crate) fn task(id: &str, state: TaskState, attempt: u32) -> TaskView {
        TaskView {
            task: TaskId::new(id).unwrap(),
            state,
            attempt: AttemptNo(attempt),
            executor: (attempt > 0)
                .then(|| ExecutorId::new("exec_0123456789abcdef0123456789abcdef").unwrap()),
            code: None,
            because: None,
            started_at: (attempt > 0).then(|| at(2)),
            ended_at: None,
            duration_s: None,
            rows_affected: None,
        }
    }

    pub(crate) fn run(state: RunState, tasks: Vec<TaskView>) -> RunView {
        RunView {
            run: RunId::new("run_0192f3a0-0000-7000-8000-000000000000").unwrap(),
            version: 3,
            project: ProjectId::new("prj_flights").unwrap(),
            release_seq: ReleaseSeq(7),
            release_sha256: Sha256Digest::of(b"release"),
            job: None,
            environment: EnvironmentName::new("prod").unwrap(),
            state,
            started_at: START,
            ended_at: (state != RunState::Running).then(|| at(12)),
            requested_by: "me".to_owned(),
            tasks,
            counts: Vec::new(),
        }
    }

    fn mixed() -> Vec<TaskView> {
        vec![
            TaskView {
                rows_affected: Some(1204),
                duration_s: Some(1),
                ..task("seed.flights.airports", TaskState::Succeeded, 1)
            },
            task("model.flights.stg_flights", TaskState::Leased, 2),
            TaskView { code: Some(Code(703)), ..task("model.flights.stg_planes", TaskState::Ready, 1) },
            task("model.flights.delays", TaskState::Waiting, 0),
        ]
    }

    fn ended() -> Vec<TaskView> {
        vec![
            TaskView {
                rows_affected: Some(1204),
                duration_s: Some(1),
                ..task("seed.flights.airports", TaskState::Succeeded, 1)
            },
            task("model.flights.stg_flights", TaskState::Failed, 1),
            TaskView { code: Some(Code(410)), ..task("model.flights.stg_planes", TaskState::Failed, 3) },
            TaskView { code: Some(Code(203)), ..task("model.flights.secrets", TaskState::Refused, 1) },
            TaskView {
                because: Some(TaskId::new("model.flights.stg_flights").unwrap()),
                ..task("model.flights.delays", TaskState::Skipped, 0)
            },
        ]
    }

    #[test]
    fn the_live_view_has_a_line_for_each_active_task_and_one_of_counts() {
        let run = run(RunState::Running, mixed());
        insta::assert_snapshot!(live(&run, at(7), 100, Paint::off()).join("\n"), @r"
          model.flights.stg_flights  running        5.0 s  attempt 2  exec_0123456789ab
          model.flights.stg_planes   again soon  attempt 1  exec_0123456789ab
        7.0 s  1 ok, 1 running, 1 ready, 1 waiting
        ");
    }

    #[test]
    fn no_line_of_the_live_view_is_wider_than_the_terminal() {
        let long = task("model.flights.".repeat(10).trim_end_matches('.'), TaskState::Leased, 2);
        let run = run(RunState::Running, vec![long]);
        for width in [20, 40, 80] {
            let lines = live(&run, at(7), width, Paint::off());
            assert!(lines.iter().take(1).all(|line| line.chars().count() <= width), "{width}: {lines:?}");
        }
    }

    #[test]
    fn many_active_tasks_are_counted_and_not_all_shown() {
        let tasks = (0..40).map(|n| task(&format!("t{n}"), TaskState::Leased, 1)).collect();
        let lines = live(&run(RunState::Running, tasks), at(7), 80, Paint::off());
        assert_eq!(lines.len(), ACTIVE_MAX + 2);
        assert_eq!(lines[ACTIVE_MAX], "  … and 24 more running");
    }

    #[test]
    fn a_change_is_one_line_and_no_change_is_none() {
        let before = run(RunState::Running, mixed());
        assert!(changed(Some(&before), &before).is_empty());
        let lines = |tasks: &[TaskView]| {
            tasks.iter().filter_map(|t| change(t, at(7), Paint::off())).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(lines(&mixed()), @r"
        14:13:27  ok         seed.flights.airports  1 s  1204 rows
        14:13:27  running    model.flights.stg_flights  attempt 2  on exec_0123456789ab
        14:13:27  again      model.flights.stg_planes  after attempt 1: CD0703
        ");
        insta::assert_snapshot!(lines(&ended()), @r"
        14:13:27  ok         seed.flights.airports  1 s  1204 rows
        14:13:27  failed     model.flights.stg_flights  the task itself says so; its log has the reason
        14:13:27  failed     model.flights.stg_planes  CD0410 after 3 attempts
        14:13:27  refused    model.flights.secrets  CD0203
        14:13:27  skipped    model.flights.delays  needs model.flights.stg_flights
        ");
    }

    #[test]
    fn the_summary_names_what_did_not_succeed_and_where_to_look() {
        insta::assert_snapshot!(summary(&run(RunState::Failed, ended()), Paint::off()), @r"
        run run_0192f3a0-0000-7000-8000-000000000000 failed in 12 s: 1 ok, 2 failed, 1 refused, 1 skipped, 1204 rows

        TASK                       STATE    WHY
        model.flights.stg_flights  failed   the task itself says so; its log has the reason
        model.flights.stg_planes   failed   CD0410 after 3 attempts
        model.flights.secrets      refused  CD0203
        model.flights.delays       skipped  needs model.flights.stg_flights

        what it said: cofferdam logs run_0192f3a0-0000-7000-8000-000000000000 model.flights.stg_flights
        ");
    }

    #[test]
    fn the_summary_of_a_success_is_one_line() {
        let tasks = ended().into_iter().take(1).collect();
        insta::assert_snapshot!(summary(&run(RunState::Succeeded, tasks), Paint::off()), @"run run_0192f3a0-0000-7000-8000-000000000000 succeeded in 12 s: 1 ok, 1204 rows");
    }
}
