//! Keeps a server no longer than its owner: a shell waits at the other end of a pipe. When the
//! pipe breaks, because its owner was dropped, ended or was killed, it ends the server and
//! removes the folder.

use std::{
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
};

/// How a server is asked to end.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// With SIGINT: rolls back and ends.
    Fast,
    /// With SIGTERM: what MariaDB ends upon.
    Asked,
    /// With SIGKILL: as a power cut would.
    Killed,
}

const SCRIPT: &str = r#"
folder=$1; shift
"$@" & server=$!
if read -r signal; then
    kill -s "$signal" "$server"; wait "$server" 2>/dev/null
else
    kill -s QUIT "$server"; wait "$server" 2>/dev/null; rm -rf "$folder"
fi
"#;

/// A running server and the shell that watches over it.
pub struct Guardian(Child);

impl Guardian {
    /// Starts a server; `folder` is removed when its owner ends without a word.
    pub fn start(server: &Command, folder: &Path, log: &Path) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "guardian"]).arg(folder).arg(server.get_program()).args(server.get_args());
        for (name, value) in server.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        shell.current_dir("/").stdin(Stdio::piped());
        shell.stdout(log.try_clone().expect("a second handle")).stderr(log);
        Self(shell.spawn().expect("a shell can be started"))
    }

    /// Ends the server and waits until it has; its folder stays.
    pub fn end(mut self, end: End) {
        let signal: &[u8] = match end {
            End::Fast => b"INT\n",
            End::Asked => b"TERM\n",
            End::Killed => b"KILL\n",
        };
        if let Some(mut pipe) = self.0.stdin.take() {
            // A shell that is gone has ended its server.
            let _ = pipe.write_all(signal);
        }
        let _ = self.0.wait();
    }

    /// Whether the server still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
