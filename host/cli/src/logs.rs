//! `logs`: what tasks said, read from the customer's object folder.
//!
//! In: object folders of this machine. Out: text, or JSON lines. Never: asks the scheduler, which
//! has no logs. Fails: with `CD0015`. Source: `docs/guides/command-line.md`.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    failure::{Failure, NO_LOG, Outcome},
    folder::Folder,
    text::{self, Colour, Paint},
};

/// Bytes of one log that are shown.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// Which logs.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The run; the newest that is here unless given.
    pub run: Option<String>,
    /// The task; every task of the run unless given.
    pub task: Option<String>,
    /// The attempt; the last unless given.
    pub attempt: Option<u32>,
}

/// One attempt's log and result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// The run.
    pub run: String,
    /// The task.
    pub task: String,
    /// Which try.
    pub attempt: u32,
    /// What came of it.
    pub result: Option<AttemptResult>,
    /// Its log.
    pub log: String,
}

/// The parts of a result that people read. Other keys may be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptResult {
    /// `succeeded`, `failed`, `refused` or `cancelled`.
    pub state: String,
    /// The host's code.
    #[serde(default)]
    pub code: Option<String>,
    /// The guest's own code.
    #[serde(default)]
    pub guest_code: Option<String>,
    /// What happened.
    #[serde(default)]
    pub message: String,
    /// Rows changed or checked.
    #[serde(default)]
    pub rows_affected: Option<u64>,
    /// When it ended; orders the attempts of a run.
    #[serde(default)]
    pub ended_at: String,
    /// Milliseconds it took.
    #[serde(default)]
    pub duration_ms: u64,
}

/// Object folders to look in: one given, or those of the executors of `cofferdam up`.
pub fn places(folder: impl FnOnce() -> Outcome<Folder>, objects: Option<PathBuf>) -> Outcome<Vec<PathBuf>> {
    match objects {
        Some(objects) => Ok(vec![objects]),
        None => {
            let folder = folder()?;
            Ok(["executor-run", "executor-apply"].map(|name| folder.inner(name).join("objects")).into())
        }
    }
}

/// Reads the logs that are wanted, in the order the attempts ended.
pub fn read(places: &[PathBuf], wanted: &Wanted) -> Outcome<Vec<Attempt>> {
    let run = match &wanted.run {
        Some(run) => run.clone(),
        None => newest(places, wanted.task.as_deref())
            .ok_or_else(|| none(places, "no run has left a log here"))?,
    };
    let mut attempts = Vec::new();
    for place in places {
        for task in names(&place.join("runs").join(&run)) {
            if wanted.task.as_ref().is_none_or(|wanted| *wanted == task) {
                attempts.extend(of_task(place, &run, &task, wanted.attempt)?);
            }
        }
    }
    if attempts.is_empty() {
        let what = match (&wanted.task, wanted.attempt) {
            (Some(task), Some(attempt)) => {
                format!("attempt {attempt} of `{task}` in {run} has left no log here")
            }
            (Some(task), None) => format!("`{task}` has left no log here in {run}"),
            _ => format!("{run} has left no log here"),
        };
        return Err(none(places, &text::tame(&what)));
    }
    attempts.sort_by(|a, b| {
        let key = |attempt: &Attempt| {
            (attempt.result.as_ref().map(|r| r.ended_at.clone()), attempt.task.clone(), attempt.attempt)
        };
        key(a).cmp(&key(b))
    });
    Ok(attempts)
}

fn none(places: &[PathBuf], what: &str) -> Box<Failure> {
    let looked = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
    let fix = "name the folder with --objects or COFFERDAM_OBJECTS; logs lie where the executor that ran the task keeps them";
    Failure::new(NO_LOG, what, fix).why(format!("looked in {looked}"))
}

/// The newest run with a log; ids of runs are in the order of time.
fn newest(places: &[PathBuf], task: Option<&str>) -> Option<String> {
    let mut runs: Vec<String> = places
        .iter()
        .flat_map(|place| {
            let runs = place.join("runs");
            names(&runs)
                .into_iter()
                .filter(move |run| task.is_none_or(|task| runs.join(run).join(task).is_dir()))
        })
        .collect();
    runs.sort();
    runs.pop()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn of_task(place: &Path, run: &str, task: &str, wanted: Option<u32>) -> Outcome<Option<Attempt>> {
    let folder = place.join("runs").join(run).join(task);
    let number = |name: &String| name.strip_prefix("attempt-")?.split('.').next()?.parse::<u32>().ok();
    let there = names(&folder).iter().filter_map(number).collect::<Vec<_>>();
    let found = match wanted {
        Some(wanted) => there.contains(&wanted).then_some(wanted),
        None => there.iter().copied().max(),
    };
    let Some(attempt) = found else { return Ok(None) };
    let log = read_bounded(&folder.join(format!("attempt-{attempt}.log")))?;
    let result = fs::read(folder.join(format!("attempt-{attempt}.json"))).ok();
    let result = result.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(Some(Attempt { run: run.to_owned(), task: task.to_owned(), attempt, result, log }))
}

fn read_bounded(path: &Path) -> Outcome<String> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(Failure::file("read", path, &error)),
    };
    let mut bytes = Vec::new();
    file.take(LOG_BYTES_MAX).read_to_end(&mut bytes).map_err(|e| Failure::file("read", path, &e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Logs as people read them. What guests wrote cannot move the cursor.
pub fn render(attempts: &[Attempt], paint: Paint) -> String {
    let mut out = String::new();
    for attempt in attempts {
        let mut head = format!("{} attempt {}", attempt.task, attempt.attempt);
        let mut message = String::new();
        if let Some(result) = &attempt.result {
            head.push_str(&format!(": {}", result.state));
            for code in [&result.code, &result.guest_code].into_iter().flatten() {
                head.push_str(&format!(" {}", text::tame(code)));
            }
            let took = std::time::Duration::from_millis(result.duration_ms);
            head.push_str(&format!(" after {}", text::duration(took)));
            message.clone_from(&result.message);
        }
        out.push_str(&format!("{}\n", paint.paint(Colour::Bold, head)));
        for line in attempt.log.lines() {
            let line = text::tame(line);
            let colour = match line.split_whitespace().nth(1) {
                Some("error") => Some(Colour::Red),
                Some("warn") => Some(Colour::Yellow),
                Some("debug") => Some(Colour::Dim),
                _ => None,
            };
            let line = colour.map_or(line.clone(), |colour| paint.paint(colour, &line));
            out.push_str(&format!("  {line}\n"));
        }
        for line in message.lines() {
            out.push_str(&format!("  = {}\n", text::tame(line)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = temp.path().join("runs").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let result = |state: &str, at: &str| {
            format!(
                "{{\"state\":\"{state}\",\"code\":\"CD0203\",\"guest_code\":null,\"message\":\"no grant\\u001b[2J\",\"rows_affected\":null,\"ended_at\":\"{at}\",\"duration_ms\":40,\"usage\":{{}}}}"
            )
        };
        put("run_1/a/attempt-1.log", "10:00 info old\n");
        put("run_2/b/attempt-1.log", "10:00 info first\n10:01 error \u{1b}[2Jsecond\n");
        put("run_2/b/attempt-1.json", &result("failed", "2026-01-01T00:00:02Z"));
        put("run_2/b/attempt-2.log", "10:02 info third\n");
        put("run_2/b/attempt-2.json", &result("refused", "2026-01-01T00:00:03Z"));
        put("run_2/a/attempt-1.json", &result("succeeded", "2026-01-01T00:00:01Z"));
        temp
    }

    fn shown(wanted: &Wanted) -> String {
        let temp = objects();
        match read(&[temp.path().to_owned()], wanted) {
            Ok(attempts) => render(&attempts, Paint::off()),
            Err(failure) => failure.render().replace(&*temp.path().to_string_lossy(), "DIR"),
        }
    }

    #[test]
    fn the_newest_run_is_shown_in_the_order_its_attempts_ended() {
        insta::assert_snapshot!(shown(&Wanted::default()), @r"
        a attempt 1: succeeded CD0203 after 0.0 s
          = no grant\u{1b}[2J
        b attempt 2: refused CD0203 after 0.0 s
          10:02 info third
          = no grant\u{1b}[2J
        ");
    }

    #[test]
    fn an_earlier_attempt_is_shown_on_request() {
        let wanted = Wanted { run: Some("run_2".into()), task: Some("b".into()), attempt: Some(1) };
        insta::assert_snapshot!(shown(&wanted), @r"
        b attempt 1: failed CD0203 after 0.0 s
          10:00 info first
          10:01 error \u{1b}[2Jsecond
          = no grant\u{1b}[2J
        ");
    }

    #[test]
    fn the_newest_run_of_a_task_is_found_by_the_task_alone() {
        let wanted = Wanted { task: Some("a".into()), ..Wanted::default() };
        assert!(shown(&wanted).starts_with("a attempt 1: succeeded"));
    }

    #[test]
    fn a_log_that_is_not_here_names_the_folders() {
        let wanted = Wanted { run: Some("run_9".into()), task: Some("b".into()), attempt: None };
        insta::assert_snapshot!(shown(&wanted), @r"
        error[CD0015]: `b` has left no log here in run_9
          why: looked in DIR
          fix: name the folder with --objects or COFFERDAM_OBJECTS; logs lie where the executor that ran the task keeps them
        ");
    }
}
