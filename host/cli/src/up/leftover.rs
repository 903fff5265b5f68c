//! Programs an earlier `up` left behind when it was killed.
//!
//! In: `up.json` of the earlier one. Out: nothing of it running. Called with the folder's lock
//! held, so whoever wrote the file is gone.
//! Never: stops a process it cannot recognise as its own: the number may be somebody else's now.
//! Fails: with `CD0007` where one of them will not go away.
//! Source: `docs/errors/CD0007.md`.

use std::{
    fs,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    connect::UpFile,
    failure::{ALREADY_UP, Failure, Outcome},
    folder::{self, Folder},
};

/// How long they may take to stop when asked, and again when killed.
const STOP_MAX: Duration = Duration::from_secs(10);

/// Stops what is left.
pub(super) async fn stop(folder: &Folder) -> Outcome<()> {
    // A file that cannot be read was cut off by a crash; there is nothing to learn from it.
    let up: Option<UpFile> = folder::read_json(&folder.up_file()).unwrap_or_default();
    let Some(up) = up else { return Ok(()) };
    for signal in [Signal::TERM, Signal::KILL] {
        for (_, pid) in up.children.iter().filter(|(_, pid)| is_ours(*pid, folder)) {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, signal);
            }
        }
        let until = Instant::now() + STOP_MAX;
        while up.children.iter().any(|(_, pid)| is_ours(*pid, folder)) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    if let Some((name, pid)) = up.children.iter().find(|(_, pid)| is_ours(*pid, folder)) {
        let what = format!("the {name} of an earlier start will not stop");
        return Err(Failure::new(ALREADY_UP, what, format!("stop process {pid} yourself")));
    }
    let _ = fs::remove_file(folder.up_file());
    Ok(())
}

/// Whether a process is one of our programs, at work in this folder.
fn is_ours(pid: u32, folder: &Folder) -> bool {
    let read = |name: &str| fs::read(Path::new("/proc").join(pid.to_string()).join(name)).unwrap_or_default();
    let folder = folder.inner("");
    let folder = folder.as_os_str().as_bytes().trim_ascii_end();
    let command = read("cmdline");
    let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
    let is_program =
        [&b"cofferdam-scheduler"[..], b"cofferdam-executor"].iter().any(|name| program.ends_with(name));
    // The scheduler is told its folder by flag, executors by environment.
    is_program && (holds(&command, folder) || holds(&read("environ"), folder))
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len().max(1)).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_that_is_not_ours_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let up = UpFile { url: String::new(), pid: 1, children: vec![("scheduler".into(), child.id())] };
        folder::replace(&folder.up_file(), &folder::json_text(&up), 0o600).unwrap();
        stop(&folder).await.unwrap();
        assert!(child.try_wait().unwrap().is_none(), "it is somebody else's");
        assert!(!folder.up_file().exists());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
