//! Who runs a project in dbt's format: Cofferdam and its peers, each on the same PostgreSQL.

pub(crate) mod ours;
pub(crate) mod peers;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::data::server::Server;

/// The role projects run as.
pub(crate) const ROLE: &str = "writer";
/// Its password on the tests' servers.
pub(crate) const PASSWORD: &str = "canary-writer";
/// The target's name in the profile.
pub(crate) const TARGET: &str = "parity";

/// Where a project is built.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The server's port on 127.0.0.1.
    pub(crate) port: String,
    /// The database.
    pub(crate) database: String,
    /// The schema of what names none.
    pub(crate) schema: String,
    /// Nodes at once.
    pub(crate) threads: u32,
}

impl Target {
    /// The text of a `profiles.yml`.
    pub(crate) fn profile(&self, name: &str) -> String {
        let Self { port, database, schema, threads } = self;
        format!(
            "{name}:\n  target: {TARGET}\n  outputs:\n    {TARGET}:\n      type: postgres\n      host: 127.0.0.1\n      \
             port: {port}\n      user: {ROLE}\n      password: {PASSWORD}\n      dbname: {database}\n      \
             schema: {schema}\n      threads: {threads}\n      sslmode: disable\n"
        )
    }

    /// Makes the database anew, empty.
    pub(crate) fn create(&self, server: &Server) -> Result<()> {
        self.drop_database(server, &self.database)?;
        server.psql(&format!("CREATE DATABASE \"{}\" OWNER {ROLE}", self.database))?;
        Ok(())
    }

    /// Keeps what stands in the database under another name.
    pub(crate) fn keep(&self, server: &Server, name: &str) -> Result<()> {
        self.drop_database(server, name)?;
        self.disconnect(server, &self.database)?;
        server.psql(&format!("CREATE DATABASE \"{name}\" TEMPLATE \"{}\"", self.database))?;
        Ok(())
    }

    fn drop_database(&self, server: &Server, name: &str) -> Result<()> {
        server.psql(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"))?;
        Ok(())
    }

    fn disconnect(&self, server: &Server, name: &str) -> Result<()> {
        server.psql(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ))?;
        Ok(())
    }
}

/// What the project's file names under a key at its outermost level.
pub(crate) fn project_key(project: &Path, key: &str) -> Result<String> {
    let file = project.join("dbt_project.yml");
    let text = fs::read_to_string(&file).with_context(|| format!("no {}", file.display()))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let value = line.with_context(|| format!("{} names no {key}", file.display()))?;
    Ok(value.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned())
}

/// What a project's folder may hold that no run needs.
const LEFT_OUT: [&str; 6] = [".git", "target", "logs", ".venv", "integration_tests", ".cofferdam"];

/// Copies a project with its packages into an empty folder; links are followed.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("cannot clear {}", to.display()))?;
    }
    copy_below(from, to)
}

fn copy_below(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|out| name == *out) {
            continue;
        }
        let (source, target): (PathBuf, PathBuf) = (entry.path(), to.join(&name));
        // A link is followed: packages named by a local path are links.
        if fs::metadata(&source).is_ok_and(|m| m.is_dir()) {
            copy_below(&source, &target)?;
        } else if source.is_file() {
            fs::copy(&source, &target).with_context(|| format!("cannot write {}", target.display()))?;
        }
    }
    Ok(())
}
