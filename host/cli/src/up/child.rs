//! One supervised program: started, ready, stopped.
//!
//! In: a command and a log file. Out: its ready line, its end. Never: leaves it running.
//! Fails: with `CD0008`, with the last lines of its log.
//! Source: `docs/errors/CD0008.md`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{ChildStdout, Command},
};

use crate::{
    failure::{CHILD_ENDED, Failure, Outcome},
    folder, text,
};

/// Lines of a log that are shown when its program has ended.
const LAST_LINES: usize = 15;
/// Bytes of a log kept from earlier starts.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// How the C library's allocator keeps memory: few pools, and what is free is given back. Threads that
/// each keep a pool of their own make a program of many threads several times as large.
const ALLOCATOR: [(&str, &str); 2] = [("MALLOC_ARENA_MAX", "2"), ("MALLOC_TRIM_THRESHOLD_", "131072")];

/// A program's line once it is ready.
#[derive(Deserialize)]
struct ReadyLine {
    ready: bool,
    #[serde(default)]
    url: Option<String>,
}

/// A supervised program.
pub(super) struct Child {
    /// What it is called.
    pub(super) name: String,
    /// Its process.
    pub(super) pid: u32,
    process: tokio::process::Child,
    stdout: Option<Lines<BufReader<ChildStdout>>>,
    log: PathBuf,
    /// Where this start's lines begin in the log.
    log_from: usize,
}

impl Child {
    /// Starts a program in a process group of its own, so that Ctrl-C reaches this program alone
    /// and the order of stopping stays ours.
    pub(super) fn start(name: &str, mut command: Command, log: &Path) -> Outcome<Self> {
        if let Some(parent) = log.parent() {
            folder::private_folder(parent)?;
        }
        let fail = |e: std::io::Error| Failure::file("start", Path::new(name), &e);
        if fs::metadata(log).is_ok_and(|meta| meta.len() > LOG_BYTES_MAX) {
            let _ = fs::remove_file(log);
        }
        let file = File::options().create(true).append(true).open(log).map_err(fail)?;
        let log_from = file.metadata().map_or(0, |meta| usize::try_from(meta.len()).unwrap_or(0));
        let unsaid = ALLOCATOR.into_iter().filter(|(name, _)| std::env::var_os(name).is_none());
        command
            .envs(unsaid)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true);
        let mut process = command.spawn().map_err(fail)?;
        let stdout = process.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        let pid = process.id().unwrap_or_default();
        Ok(Self { name: name.to_owned(), pid, process, stdout, log: log.to_owned(), log_from })
    }

    /// Waits for its ready line; gives the address it names. At once where it was ready before.
    pub(super) async fn ready(&mut self, at_most: Duration) -> Outcome<Option<String>> {
        let Some(mut stdout) = self.stdout.take() else { return Ok(None) };
        let line = async {
            while let Ok(Some(line)) = stdout.next_line().await {
                if let Ok(ReadyLine { ready: true, url }) = serde_json::from_str(&line) {
                    return Some(url);
                }
            }
            None
        };
        let found = tokio::time::timeout(at_most, line).await;
        match found {
            Ok(Some(url)) => {
                // Keep reading, so that a program that prints more never meets a full or closed pipe.
                tokio::spawn(async move { while let Ok(Some(_)) = stdout.next_line().await {} });
                Ok(url)
            }
            Ok(None) => {
                let status = self.process.wait().await.ok();
                Err(self.ended(status))
            }
            Err(_) => {
                let what = format!("the {} was not ready within {} s", self.name, at_most.as_secs());
                Err(self.failure(what))
            }
        }
    }

    fn ended(&self, status: Option<ExitStatus>) -> Box<Failure> {
        let how = match status {
            Some(status) if status.code().is_some() => {
                format!(" with exit code {}", status.code().unwrap_or_default())
            }
            Some(status) => format!(" by itself ({status})"),
            None => String::new(),
        };
        self.failure(format!("the {} ended{how}", self.name))
    }

    fn failure(&self, what: String) -> Box<Failure> {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = log.get(self.log_from..).unwrap_or_default();
        let fix = format!("read its last lines above; all of them are in `{}`", self.log.display());
        Failure::new(CHILD_ENDED, what, fix).after(quoted(&self.name, &String::from_utf8_lossy(log)))
    }

    fn ask_to_stop(&self) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// The last lines of a log, marked with whose they are.
pub(super) fn quoted(name: &str, log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    last.iter().map(|line| format!("{name} | {}\n", text::tame(line))).collect()
}

/// Waits until any of them ends, which none should.
pub(super) async fn any_ended(children: &mut [Child]) -> Box<Failure> {
    loop {
        for child in children.iter_mut() {
            if let Ok(Some(status)) = child.process.try_wait() {
                return child.ended(Some(status));
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Asks all to stop, waits, and kills what is still there.
pub(super) async fn stop_all(mut children: Vec<Child>, at_most: Duration) {
    for child in &mut children {
        if matches!(child.process.try_wait(), Ok(None)) {
            child.ask_to_stop();
        }
    }
    let until = Instant::now() + at_most;
    for child in &mut children {
        let left = until.saturating_duration_since(Instant::now());
        if tokio::time::timeout(left, child.process.wait()).await.is_err() {
            let _ = child.process.kill().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (tempfile::TempDir, Child) {
        let temp = tempfile::tempdir().unwrap();
        let child = shell_in(&temp, script);
        (temp, child)
    }

    fn shell_in(temp: &tempfile::TempDir, script: &str) -> Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Child::start("scheduler", command, &temp.path().join("up/scheduler.log")).unwrap()
    }

    #[tokio::test]
    async fn a_ready_program_names_its_address_and_stops_when_asked() {
        let (_temp, mut child) =
            shell("echo noise; echo '{\"ready\":true,\"url\":\"http://x\"}'; exec sleep 60");
        let url = child.ready(Duration::from_secs(20)).await.unwrap();
        assert_eq!(url.as_deref(), Some("http://x"));
        let begun = Instant::now();
        stop_all(vec![child], Duration::from_secs(20)).await;
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_program_that_ends_is_quoted_from_this_start_on() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("up")).unwrap();
        fs::write(temp.path().join("up/scheduler.log"), "an earlier start\n").unwrap();
        let mut child = shell_in(&temp, "echo 'error[CD0600]: port taken' >&2; exit 3");
        let failure = child.ready(Duration::from_secs(20)).await.unwrap_err();
        let text = failure.render().replace(&*temp.path().to_string_lossy(), "DIR");
        insta::assert_snapshot!(text, @r"
        scheduler | error[CD0600]: port taken
        error[CD0008]: the scheduler ended with exit code 3
          fix: read its last lines above; all of them are in `DIR/up/scheduler.log`
        ");
    }

    #[tokio::test]
    async fn a_program_that_will_not_stop_is_killed() {
        let (_temp, mut child) = shell("trap '' TERM; echo '{\"ready\":true}'; while :; do sleep 0.1; done");
        child.ready(Duration::from_secs(20)).await.unwrap();
        let begun = Instant::now();
        stop_all(vec![child], Duration::from_millis(300)).await;
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
