//! `release build`: from a project's folder to a release body under its number.
//!
//! In: `cofferdam.toml` and the project's files. Out: `releases/<number>/release.json`.
//! Never: signs, or talks to a scheduler.
//! Fails: as [`super`] says; an unfinished build leaves no release behind.
//! Source: `docs/guides/command-line.md`.

use std::{collections::BTreeMap, path::Path, process::Command};

use cofferdam_bundle::statement::{FileEntry, Provenance, Release};
use cofferdam_ids::{ByteCount, PluginName, ReleaseSeq, Timestamp};

use crate::{
    config::Config,
    failure::{CONFIG, Failure, Outcome},
    folder::Folder,
    text,
};

use super::{
    assemble::{Parts, assemble},
    collect,
    components::{self, Taken},
    describe::{self, Asked, Described},
    store::{self, Local},
};

/// A release that was built.
#[derive(Debug)]
pub struct Built {
    /// Where it lies.
    pub local: Local,
    /// What it says.
    pub release: Release,
}

impl Built {
    /// One line for people.
    pub fn line(&self) -> String {
        let bytes = self.release.files.iter().map(|file| file.size).sum();
        format!(
            "built release {} of {}: {}, {} ({}), {}",
            self.local.seq,
            self.release.project,
            text::count(self.release.tasks.len() as u64, "task"),
            text::count(self.release.files.len() as u64, "file"),
            ByteCount(bytes),
            text::count(self.release.plugins.len() as u64, "plugin"),
        )
    }
}

/// Builds a release. `plugins` is a folder of built components to look in first.
pub fn build(folder: &Folder, seq: Option<u64>, plugins: Option<&Path>, now: Timestamp) -> Outcome<Built> {
    let mut config = folder.config()?;
    crate::dbt::complete(&mut config);
    let seq = seq.unwrap_or_else(|| store::next_seq(folder));
    store::check_free(&Local::of(folder, seq))?;
    let taken = take_in(folder, &config, plugins, &[])?;
    let described = describe_all(folder, &config, &taken)?;
    finish(folder, &config, seq, taken, described, now)
}

/// Everything a release holds but what its loaders say.
pub(crate) struct TakenIn {
    pub(crate) files: Vec<FileEntry>,
    pub(crate) plugins: BTreeMap<PluginName, Taken>,
}

/// Takes in a project's files and plugins.
pub(crate) fn take_in(
    folder: &Folder,
    config: &Config,
    plugins: Option<&Path>,
    mounts: &[collect::Mount],
) -> Outcome<TakenIn> {
    let blobs = store::blobs(folder);
    let judged = folder.compiled().join("judged");
    let mut found = BTreeMap::new();
    for (name, entry) in &config.plugins {
        found.insert(name.clone(), components::take_in(folder, name, entry, plugins, &blobs, &judged)?);
    }
    let files = collect::collect(folder.root(), &config.release.exclude, mounts, &blobs)?;
    Ok(TakenIn { files, plugins: found })
}

/// Asks every loader, in the order of the file.
pub(crate) fn describe_all(folder: &Folder, config: &Config, taken: &TakenIn) -> Outcome<Vec<Described>> {
    let blobs = store::blobs(folder);
    let cache = folder.compiled();
    let described = config.loaders.iter().map(|loader| {
        let name = loader.plugin.get_ref();
        let component = taken.plugins.get(name).ok_or_else(|| {
            Failure::new(CONFIG, format!("no plugin is called `{name}`"), "add it to [plugins]")
        })?;
        let Some((gateway, adapter)) = config.gateway_adapter(&loader.gateway) else {
            return Ok(Described { tasks: Vec::new(), files: Vec::new() });
        };
        let (component, files, blobs, cache) = (&*component.path, &*taken.files, &*blobs, &*cache);
        describe::describe(loader, &Asked { component, gateway, adapter, files, blobs, cache })
    });
    described.collect()
}

/// Puts a release together and keeps it under its number.
pub(crate) fn finish(
    folder: &Folder,
    config: &Config,
    seq: u64,
    taken: TakenIn,
    described: Vec<Described>,
    now: Timestamp,
) -> Outcome<Built> {
    let local = Local::of(folder, seq);
    let mut files = taken.files;
    let mut tasks = Vec::new();
    for (loader, found) in config.loaders.iter().zip(described) {
        files.extend(found.files);
        tasks.push((loader, found.tasks));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let release = assemble(Parts {
        config,
        seq: ReleaseSeq(seq),
        now,
        files,
        plugins: taken.plugins.into_values().map(|taken| taken.entry).collect(),
        described: tasks,
        provenance: provenance(folder.root()),
    })?;
    store::keep(&local, &release)?;
    Ok(Built { local, release })
}

/// The commit the project's folder stands at, where it is under version control and `git` is there.
fn provenance(root: &Path) -> Option<Provenance> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let repo = git(&["config", "--get", "remote.origin.url"]).unwrap_or_default();
    Some(Provenance { repo: without_secret(&repo), commit })
}

/// A repository's address without a user or token in it.
fn without_secret(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}/{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_secret;

    #[test]
    fn a_token_in_a_repositorys_address_stays_here() {
        assert_eq!(without_secret("https://me:token@host/x/y.git"), "https://host/x/y.git");
        assert_eq!(without_secret("git@host:x/y.git"), "git@host:x/y.git");
    }
}
