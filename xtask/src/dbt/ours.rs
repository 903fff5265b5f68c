//! Cofferdam on a project in dbt's format: `cofferdam dbt …` with the real scheduler, executor and
//! runner, with sandbox, signatures, grants and ledger on.
//!
//! In: a project's folder, which is copied, and a profile. Out: its `target` folder and a warehouse.
//! Never: switches any guard off. Fails: with what `cofferdam` said.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::{Target, copy};
use crate::{
    place::{Place, Up},
    processes::{Process, descendants},
};

/// A project's copy.
pub(crate) struct Ours {
    place: Place,
    up: Option<Up>,
}

impl Ours {
    /// Copies the project and writes the profile into it: each command then starts what it needs.
    pub(crate) fn place(
        project: &Path,
        to: &Path,
        guests: &Path,
        build: &'static str,
        target: &Target,
    ) -> Result<Self> {
        copy(project, to)?;
        let profile = super::project_key(project, "profile")?;
        fs::write(to.join("profiles.yml"), target.profile(&profile))?;
        let variables = vec![("NO_COLOR".to_owned(), "1".to_owned())];
        let place = Place { folder: to.to_owned(), plugins: guests.to_owned(), build, variables };
        Ok(Self { place, up: None })
    }

    /// Starts scheduler and executors, which stay until this value goes. What is compiled once a
    /// machine is compiled by then.
    pub(crate) fn up(&mut self, slots: u32) -> Result<()> {
        self.dbt(&["compile".to_owned()], &self.place.folder.with_extension("compile.log"))?;
        self.up = Some(self.place.up(&["--slots", &slots.to_string()], |_| {})?);
        Ok(())
    }

    /// Runs `cofferdam dbt …`; says whether every node was good. Its output lies in a file.
    pub(crate) fn dbt(&self, arguments: &[String], log: &Path) -> Result<bool> {
        let file = fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = self.place.command(&["dbt"]);
        command.args(arguments).stdout(file.try_clone()?).stderr(file);
        let status = command.status().context("cannot start cofferdam")?;
        match status.code() {
            Some(0) => return Ok(true),
            // Nodes failed; the results say which.
            Some(1) if self.target().join("run_results.json").exists() => return Ok(false),
            _ => {}
        }
        let said = fs::read_to_string(log).unwrap_or_default();
        bail!("cofferdam dbt {}: {status}\n{}", arguments.join(" "), said.trim_end())
    }

    /// Where its artifacts lie.
    pub(crate) fn target(&self) -> PathBuf {
        self.place.folder.join("target")
    }

    /// Scheduler, executors and runners that are up.
    pub(crate) fn processes(&self) -> Vec<Process> {
        self.up.as_ref().map(|up| descendants(up.id())).unwrap_or_default()
    }

    /// Forgets what is kept between readings of the project.
    pub(crate) fn forget(&self) -> Result<()> {
        for kept in ["dbt/described", "dbt/last.json"] {
            let kept = self.place.folder.join(".cofferdam").join(kept);
            if kept.is_dir() {
                fs::remove_dir_all(&kept)?;
            } else if kept.exists() {
                fs::remove_file(&kept)?;
            }
        }
        Ok(())
    }
}
