//! A project's folder and the programs that work on it.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::step;

/// How long `cofferdam up` may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to stop.
const STOPPED_WITHIN: Duration = Duration::from_secs(20);

/// A project's folder.
pub(crate) struct Place {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// Where the plugins' components lie.
    pub(crate) plugins: PathBuf,
    /// Which build of the programs: `debug` or `release`.
    pub(crate) build: &'static str,
    /// Variables they get beside ours.
    pub(crate) variables: Vec<(String, String)>,
}

impl Place {
    /// `cofferdam` with these arguments, in the folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(step::target().join(self.build).join("cofferdam"));
        command.args(arguments).current_dir(&self.folder).env("COFFERDAM_PLUGINS", &self.plugins);
        // Beside the plugins: nothing of ours goes into the person's own folders.
        command.env("COFFERDAM_CACHE", self.plugins.with_file_name("compiled"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it and gives what it printed.
    pub(crate) fn cofferdam(&self, arguments: &[&str]) -> Result<String> {
        step::capture(&format!("cofferdam {}", arguments.join(" ")), &mut self.command(arguments))
    }

    /// Starts `cofferdam up` and waits until it is ready. `show` gets each line it prints.
    pub(crate) fn up(&self, more: &[&str], show: impl Fn(&str) + Send + 'static) -> Result<Up> {
        let mut arguments = vec!["up", "--listen", "127.0.0.1:0"];
        arguments.extend(more);
        let mut child =
            self.command(&arguments).stdout(Stdio::piped()).spawn().context("cannot start cofferdam up")?;
        let stdout = child.stdout.take().context("cofferdam up has no output")?;
        let (ready, is_ready) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                show(&line);
                if line.contains("ready") {
                    let _ = ready.send(());
                }
            }
        });
        let up = Up(child);
        is_ready.recv_timeout(READY_WITHIN).context("cofferdam up did not become ready")?;
        Ok(up)
    }
}

/// A running `cofferdam up`, stopped when dropped.
pub(crate) struct Up(Child);

impl Up {
    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to stop, as Ctrl-C would, and waits.
    pub(crate) fn stop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let asked = Instant::now();
        while asked.elapsed() < STOPPED_WITHIN {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}
