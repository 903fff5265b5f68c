//! Durable no-op tasks end to end: release binaries, one scheduler on SQLite, one run executor.

use std::{fmt::Write as _, fs, path::Path, time::Instant};

use anyhow::{Context as _, Result, bail};

use crate::{
    place::Place,
    processes::{Process, descendants},
    step,
};

/// Tasks of the run.
const TASKS: usize = 5_000;

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
    let noop = Noop(Place { folder, plugins: guests.to_owned(), build: "release", variables: Vec::new() });
    noop.0.cofferdam(&["init"])?;
    noop.check_grant()?;
    let up = noop.0.up(&["--slots", "32"], |_| {})?;
    noop.run(up.id())
}

fn manifest() -> String {
    let mut text = String::from(
        "[project]\nname = \"noop\"\ngateway = \"wh\"\n[plugins]\nhostile-task = \"hostile-task\"\nadapter-sqlite = \"adapter-sqlite\"\n\
         [gateways]\nwh = \"adapter-sqlite\"\n[[job]]\nname = \"one\"\nselect = [\"noop.0\"]\n[[job]]\nname = \"all\"\nselect = [\"*\"]\n",
    );
    for n in 0..TASKS {
        let _ = write!(
            text,
            "[[task]]\nid = \"noop.{n}\"\nplugin = \"hostile-task\"\nentry = \"nothing\"\ngateway = \"wh\"\nreads = [\"main.*\"]\n"
        );
    }
    text
}

/// The project in its folder.
struct Noop(Place);

impl Noop {
    /// The starter grant covers what a no-op asks for; says so here rather than in a failed run.
    fn check_grant(&self) -> Result<()> {
        let lint = self.0.command(&["grants", "lint"]).output().context("cannot start cofferdam")?;
        if !lint.status.success() {
            bail!("the starter grant does not hold: {}", String::from_utf8_lossy(&lint.stderr));
        }
        Ok(())
    }

    fn run(&self, up: u32) -> Result<Measured> {
        self.0.cofferdam(&["release", "build", "--sign", "--push"])?;
        // One task first: compiles the component, starts the runner.
        self.0.cofferdam(&["run", "one"])?;
        let idle_mib = resident(up, "cofferdam-executor", &["runner"]);
        let began = Instant::now();
        self.0.cofferdam(&["run", "all"])?;
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
    let largest = |named: &dyn Fn(&str) -> bool| {
        below.iter().filter(|p| named(&p.line)).map(Process::resident_mib).max().unwrap_or(0)
    };
    largest(&|line| line.contains(name)) + largest(&|line| with.iter().any(|w| line.contains(w)))
}
