//! `release build`: from a project's folder to a release body under its number.
//!
//! In: `cofferdam.toml` and the project's files. Out: `releases/<number>/release.json`.
//! Never: signs, or talks to a scheduler.
//! Fails: as [`super`] says; an unfinished build leaves no release behind.
//! Source: `docs/guides/command-line.md`.

use std::{collections::BTreeMap, path::Path, process::Command};

use cofferdam_bundle::statement::{Provenance, Release};
use cofferdam_ids::{ByteCount, PluginName, ReleaseSeq, Timestamp};

use crate::{
    failure::{CONFIG, Failure, Outcome},
    folder::Folder,
    text,
};

use super::{
    assemble::{Parts, assemble},
    collect, components,
    describe::{self, Asked},
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
    let config = folder.config()?;
    let local = Local::of(folder, seq.unwrap_or_else(|| store::next_seq(folder)));
    store::check_free(&local)?;
    let blobs = store::blobs(folder);
    let mut found = BTreeMap::new();
    for (name, entry) in &config.plugins {
        found.insert(name, components::take_in(folder, name, entry, plugins, &blobs)?);
    }
    let component = |name: &PluginName| {
        found.get(name).ok_or_else(|| {
            Failure::new(CONFIG, format!("no plugin is called `{name}`"), "add it to [plugins]")
        })
    };
    let mut files = collect::collect(folder.root(), &config.release.exclude, &blobs)?;
    let mut described = Vec::new();
    let mut made = Vec::new();
    for loader in &config.loaders {
        let taken = component(loader.plugin.get_ref())?;
        let Some((gateway, adapter)) = config.gateway_adapter(&loader.gateway) else { continue };
        let (component, files, blobs) = (&*taken.path, &*files, &*blobs);
        let asked = Asked { component, gateway, adapter, files, blobs };
        let found = describe::describe(loader, &asked)?;
        made.extend(found.files);
        described.push((loader, found.tasks));
    }
    files.extend(made);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let release = assemble(Parts {
        config: &config,
        seq: ReleaseSeq(local.seq),
        now,
        files,
        plugins: found.into_values().map(|taken| taken.entry).collect(),
        described,
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
