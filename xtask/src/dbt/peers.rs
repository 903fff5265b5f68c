//! The peers that run the same projects, from PyPI, each in an environment of its own under `target/`.
//!
//! In: PyPI, where it can be reached. Out: programs. Never: part of anything we ship.
//! Fails: where PyPI cannot be reached; callers say so and leave the peer out.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::step;

/// Another program that runs the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The program the format is named after, in Python.
    Core,
    /// Its successor, in Rust.
    Second,
}

/// What `pip` installs for the first, call by call.
const CORE: [&[&str]; 2] = [
    &["dbt-core-experimental-parser==2.0.0a4", "dbt-core==1.12.0", "dbt-postgres==1.11.0"],
    &["--no-deps", "dbt-core==1.12.6"],
];
/// What `pip` installs for the second.
const SECOND: [&[&str]; 2] =
    [&["--only-binary", ":all:", "dbt==2.0.0rc196"], &["--only-binary", ":all:", "adbc-driver-postgresql"]];
/// Where the second looks for its driver, below its home.
const DRIVER: &str =
    ".cache/com.getdbt/adbc/x86_64-manylinux_2_17-linux-gnu/libadbc_driver_postgresql-0.21.0+dbt0.21.0.so";

impl Peer {
    /// What pages and reports call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Core => "dbt-core 1.12.6",
            Self::Second => "dbt 2.0.0rc196",
        }
    }

    fn folder(self) -> PathBuf {
        step::target().join("peers").join(match self {
            Self::Core => "dbt-core",
            Self::Second => "dbt-2",
        })
    }

    /// Installs it where it is not.
    pub(crate) fn prepare(self) -> Result<()> {
        let folder = self.folder();
        if folder.join("ready").exists() {
            return Ok(());
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        // Debian's own interpreter is built with profiles; others would flatter us.
        let debian = "/usr/bin/python3.11";
        let interpreter = if Path::new(debian).exists() { debian } else { "python3" };
        let mut venv = Command::new(interpreter);
        step::run(
            &format!("make an environment for {}", self.name()),
            venv.args(["-m", "venv"]).arg(&folder),
        )?;
        for packages in if self == Self::Core { CORE } else { SECOND } {
            let mut pip = Command::new(folder.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
            step::run(&format!("install {}", self.name()), &mut pip)?;
        }
        if self == Self::Second {
            self.driver(&folder)?;
        }
        fs::write(folder.join("ready"), "")?;
        Ok(())
    }

    /// Puts the driver where the second looks for it, for it would load one from the network.
    fn driver(self, folder: &Path) -> Result<()> {
        let libraries = folder.join("lib");
        let pythons = fs::read_dir(&libraries)?.flatten();
        let driver = pythons
            .map(|p| p.path().join("site-packages/adbc_driver_postgresql/libadbc_driver_postgresql.so"))
            .find(|file| file.exists())
            .context("its driver is not there")?;
        let to = folder.join("home").join(DRIVER);
        fs::create_dir_all(to.parent().context("a folder")?)?;
        fs::copy(driver, to)?;
        Ok(())
    }

    /// It, in a project's folder, with a profile and folders of its own.
    pub(crate) fn command(self, project: &Path, state: &Path) -> Command {
        let mut command = Command::new(self.folder().join("bin/dbt"));
        command.current_dir(project);
        command.env("DBT_PROFILES_DIR", state).env("DBT_TARGET_PATH", state.join("target"));
        command.env("DBT_LOG_PATH", state.join("logs")).env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false");
        command.env("DBT_USE_COLORS", "false").env("NO_COLOR", "1");
        if self == Self::Second {
            command.env("DBT_ALLOW_EXPERIMENTAL_ADAPTERS", "true").env("HOME", self.folder().join("home"));
        }
        command
    }

    /// Runs a command of it; says whether every node was good. Its output lies in a file beside.
    pub(crate) fn run(self, project: &Path, state: &Path, arguments: &[String], log: &str) -> Result<bool> {
        fs::create_dir_all(state)?;
        let file = fs::File::create(state.join(log))?;
        let mut command = self.command(project, state);
        command.args(arguments).stdout(file.try_clone()?).stderr(file);
        let status = command.status().with_context(|| format!("cannot start {}", self.name()))?;
        match status.code() {
            Some(0) => Ok(true),
            // Nodes failed; the results say which.
            Some(1) => Ok(false),
            _ => {
                let said = fs::read_to_string(state.join(log)).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(12).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                bail!("{} did not run {}:\n{}", self.name(), arguments.join(" "), last.join("\n"))
            }
        }
    }
}
