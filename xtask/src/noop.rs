//! Durable no-op tasks end to end: release binaries, one scheduler on SQLite, one run executor.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{bench::program, step};

/// Tasks of the run.
const TASKS: usize = 5_000;
/// How long `up` may take.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// What was measured.
pub(crate) struct Measured {
    pub(crate) tasks: usize,
    pub(crate) seconds: f64,
    pub(crate) idle_mib: u64,
    pub(crate) broker_mib: u64,
    pub(crate) runner_mib: u64,
    pub(crate) scheduler_mib: u64,
}

impl Measured {
    pub(crate) fn per_second(&self) -> f64 {
        self.tasks as f64 / self.seconds
    }
}

/// Runs a release of no-op tasks and times it from its start to its end.
pub(crate) fn measure(guests: &Path) -> Result<Measured> {
    let folder = step::target().join("bench/noop");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("cofferdam.toml"), manifest())?;
    let place = Place { folder, guests: guests.to_owned() };
    place.cofferdam(&["init"])?;
    place.check_grant()?;
    let mut up = place.up()?;
    let measured = place.run(up.id());
    let _ = Command::new("kill").args(["-TERM", &up.id().to_string()]).status();
    let _ = up.wait();
    measured
}

fn manifest() -> String {
    let mut text = String::from(
        "[project]\nname = \"noop\"\ngateway = \"wh\"\n[plugins]\nhostile-task = \"hostile-task\"\nadapter-sqlite = \"adapter-sqlite\"\n\
         [gateways]\nwh = \"adapter-sqlite\"\n[[job]]\nname = \"one\"\nselect = [\"noop.0\"]\n[[job]]\nname = \"all\"\nselect = [\"*\"]\n",
    );
    for n in 0..TASKS {
        let _ = write!(
            text,
            "[[task]]\nid = \"noop.{n}\"\nplugin = \"hostile-task\"\nentry = \"nothing\"\ngateway = \"wh\"\n"
        );
    }
    text
}

struct Place {
    folder: PathBuf,
    guests: PathBuf,
}

impl Place {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("cofferdam"));
        command.args(arguments).current_dir(&self.folder).env("COFFERDAM_PLUGINS", &self.guests);
        command
    }

    fn cofferdam(&self, arguments: &[&str]) -> Result<String> {
        step::capture(&format!("cofferdam {}", arguments.join(" ")), &mut self.command(arguments))
    }

    /// The starter grant covers what a no-op asks for; says so here rather than in a failed run.
    fn check_grant(&self) -> Result<()> {
        let lint = self.command(&["grants", "lint"]).output().context("cannot start cofferdam")?;
        if !lint.status.success() {
            bail!("the starter grant does not hold: {}", String::from_utf8_lossy(&lint.stderr));
        }
        Ok(())
    }

    fn up(&self) -> Result<Child> {
        let mut child = self
            .command(&["up", "--listen", "127.0.0.1:0", "--slots", "32"])
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start cofferdam up")?;
        let stdout = child.stdout.take().context("no output")?;
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.contains("ready") {
                    let _ = ready.send(());
                }
            }
        });
        is_ready.recv_timeout(READY_WITHIN).context("cofferdam up did not become ready")?;
        Ok(child)
    }

    fn run(&self, up: u32) -> Result<Measured> {
        self.cofferdam(&["release", "build", "--sign", "--push"])?;
        // One task first: compiles the component, starts the runner.
        self.cofferdam(&["run", "one"])?;
        let idle_mib = resident(up, "cofferdam-executor", &["runner"]);
        let began = Instant::now();
        self.cofferdam(&["run", "all"])?;
        let seconds = began.elapsed().as_secs_f64();
        Ok(Measured {
            tasks: TASKS,
            seconds,
            idle_mib,
            broker_mib: resident(up, "cofferdam-executor", &[]),
            runner_mib: resident(up, "runner", &[]),
            scheduler_mib: resident(up, "cofferdam-scheduler", &[]),
        })
    }
}

/// MiB resident of the processes below `up` whose command line holds `name`, the largest one, plus
/// that of its children that hold one of `with`.
fn resident(up: u32, name: &str, with: &[&str]) -> u64 {
    let below = descendants(up);
    let size = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).map(str::to_owned).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|k| k.parse::<u64>().ok()).unwrap_or(0) >> 10
    };
    let own =
        below.iter().filter(|(_, line)| line.contains(name)).map(|(pid, _)| size(*pid)).max().unwrap_or(0);
    let others =
        below.iter().filter(|(_, line)| with.iter().any(|w| line.contains(w))).map(|(pid, _)| size(*pid));
    own + others.max().unwrap_or(0)
}

fn descendants(of: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let mut open = vec![of];
    while let Some(parent) = open.pop() {
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let its_parent = stat
                .rsplit(')')
                .next()
                .and_then(|r| r.split_whitespace().nth(1))
                .and_then(|p| p.parse().ok());
            if its_parent == Some(parent) {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
                open.push(pid);
            }
        }
    }
    found
}
