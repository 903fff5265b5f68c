//! Cofferdam on a project in dbt's format: the real scheduler, executor and runner, with sandbox,
//! signatures, grants and ledger on.
//!
//! In: a project's folder, which is copied. Out: its `target` folder and a warehouse.
//! Never: switches any guard off. Fails: with what `cofferdam` said.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::{PASSWORD, ROLE, TARGET, Target, copy};
use crate::{
    place::{Place, Up},
    processes::{Process, descendants},
};

/// A project that is up.
pub(crate) struct Ours {
    place: Place,
    up: Up,
}

impl Ours {
    /// Copies the project, makes what it needs and starts everything.
    pub(crate) fn start(
        project: &Path,
        to: &Path,
        guests: &Path,
        build: &'static str,
        target: &Target,
    ) -> Result<Self> {
        copy(project, to)?;
        let profile = super::project_key(project, "profile")?;
        let name = super::project_key(project, "name")?;
        fs::write(to.join("profiles.yml"), target.profile(&profile))?;
        fs::write(to.join("cofferdam.toml"), manifest(&name, &profile, target))?;
        let variables = vec![("PARITY_WRITER".to_owned(), PASSWORD.to_owned())];
        let place = Place { folder: to.to_owned(), plugins: guests.to_owned(), build, variables };
        place.cofferdam(&["init"])?;
        fs::write(to.join(".cofferdam/gateways.toml"), gateways(target))?;
        widen_grant(to)?;
        let slots = target.threads.to_string();
        let up = place.up(&["--slots", &slots], |_| {})?;
        Ok(Self { place, up })
    }

    /// Runs `cofferdam dbt …`; says whether every node was good. Its output lies in a file.
    pub(crate) fn dbt(&self, arguments: &[String], log: &Path) -> Result<bool> {
        let file = fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = self.place.command(&["dbt"]);
        command.args(arguments).stdout(file.try_clone()?).stderr(file);
        let status = command.status().context("cannot start cofferdam")?;
        // Nodes that failed are told by the results; anything else left none.
        if status.success() {
            return Ok(true);
        }
        if self.target().join("run_results.json").exists() {
            return Ok(false);
        }
        let said = fs::read_to_string(log).unwrap_or_default();
        bail!("cofferdam dbt {}: {status}\n{}", arguments.join(" "), said.trim_end())
    }

    /// Where its artifacts lie.
    pub(crate) fn target(&self) -> PathBuf {
        self.place.folder.join("target")
    }

    /// Scheduler, executors and runners.
    pub(crate) fn processes(&self) -> Vec<Process> {
        descendants(self.up.id())
    }

    /// Forgets what is kept between readings of the project.
    pub(crate) fn forget(&self) -> Result<()> {
        let kept = self.place.folder.join(".cofferdam/cache");
        if kept.exists() {
            fs::remove_dir_all(&kept).with_context(|| format!("cannot clear {}", kept.display()))?;
        }
        Ok(())
    }
}

fn manifest(name: &str, profile: &str, target: &Target) -> String {
    let Target { database, schema, threads, .. } = target;
    format!(
        "[project]\nname = \"{name}\"\ngateway = \"wh\"\n[plugins]\nadapter-postgres = \"adapter-postgres\"\n\
         project-dbt-loader = \"project-dbt-loader\"\ntask-dbt = \"task-dbt\"\n[gateways]\nwh = \"adapter-postgres\"\n\
         [[loader]]\nplugin = \"project-dbt-loader\"\nruns_with = \"task-dbt\"\n\
         settings = {{ target = {{ name = \"{TARGET}\", profile_name = \"{profile}\", type = \"postgres\", \
         schema = \"{schema}\", database = \"{database}\", threads = {threads} }} }}\n"
    )
}

fn gateways(target: &Target) -> String {
    let Target { port, database, schema, .. } = target;
    let credential = format!("user = \"{ROLE}\"\npassword = \"env://PARITY_WRITER\"\n");
    format!(
        "default = \"wh\"\n[gateways.wh]\nengine = \"postgres\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         database = \"{database}\"\nschema = \"{schema}\"\ntls = \"off\"\n\
         [gateways.wh.read]\n{credential}[gateways.wh.write]\n{credential}[gateways.wh.admin]\nsame_as = \"write\"\n"
    )
}

/// The starter grant names other schemas and lets out fewer rows.
fn widen_grant(folder: &Path) -> Result<()> {
    for file in fs::read_dir(folder.join(".cofferdam/grants"))?.flatten() {
        let text = fs::read_to_string(file.path())?;
        let lines = text.lines().map(|line| match line.split_once('=').map(|(key, _)| key.trim()) {
            Some("max_rows") => "max_rows = 1000000000".to_owned(),
            Some(key @ ("reads" | "writes")) => format!("{key} = [\"*.*\"]"),
            _ => line.to_owned(),
        });
        fs::write(file.path(), lines.collect::<Vec<_>>().join("\n") + "\n")?;
    }
    Ok(())
}
