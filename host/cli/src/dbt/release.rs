//! From a dbt project to its manifest, and to a signed release where something is to run.
//!
//! In: the project's files and the configuration. Out: what its loader says, from a cache by digest
//! where nothing changed, and a release.
//! Never: reuses what was described from other files, settings or plugins.
//! Fails: as `release build` does.
//! Source: `docs/guides/move-a-dbt-project.md`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cofferdam_bundle::statement::{FileEntry, Release};
use cofferdam_client::Client;
use cofferdam_ids::{Sha256Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    args::Work,
    place::{Place, read_yaml},
    setup,
};
use crate::{
    config::Config,
    failure::{Failure, NO_RELEASE, Outcome, PROBLEMS},
    folder::{self, Folder},
    keys,
    release::{self, Described, Mount, TakenIn},
    text,
};

/// Descriptions kept.
const KEPT_MAX: usize = 12;
/// Releases kept of a project without `cofferdam.toml`.
const RELEASES_MAX: u64 = 20;
/// How long a release is used again, well within its own time.
const REUSED_MS: i64 = 30 * 86_400_000;
/// Where the loader leaves the manifest.
pub(crate) const MANIFEST: &str = "cofferdam/manifest.json";

/// A project as its loader sees it.
pub(crate) struct Project {
    pub(crate) config: Config,
    pub(crate) taken: TakenIn,
    pub(crate) described: Vec<Described>,
    fingerprint: Sha256Digest,
}

/// The name of the node that `--inline` makes.
pub(crate) const INLINE: &str = "cofferdam_inline";

/// What a command adds to the project's files: it becomes part of the signed release like they are,
/// because nothing else may say what is to be run.
#[derive(Default)]
pub(crate) struct Extra {
    /// The statement of `--inline`: an analysis.
    pub(crate) inline: Option<String>,
    /// The call of `run-operation`: a setting of the loader.
    pub(crate) hook: Option<String>,
    /// Where nodes are in the state that `--defer` names: a setting of the loader.
    pub(crate) defer: Option<Value>,
}

impl Extra {
    /// The statement of a command.
    pub(crate) fn inline(work: &Work) -> Self {
        Self { inline: work.inline.clone(), ..Self::default() }
    }

    fn add(&self, folder: &Folder, place: &Place, taken: &mut TakenIn) -> Outcome<()> {
        let mut put = |path: String, bytes: &[u8]| -> Outcome<()> {
            let sha256 = Sha256Digest::of(bytes);
            folder::keep_blob(&folder.inner("blobs").join(sha256.to_string()), bytes)?;
            taken.files.retain(|file| file.path != path);
            taken.files.push(FileEntry { path, sha256, size: bytes.len() as u64 });
            Ok(())
        };
        if let Some(sql) = &self.inline {
            put(format!("{}/{INLINE}.sql", place.analyses), sql.as_bytes())?;
        }
        taken.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }
}

/// The call of a macro as a template; none where the name is none.
pub(crate) fn call(name: &str, args: &serde_json::Map<String, Value>) -> Option<String> {
    let is_name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let named = name.split('.').all(is_name) && name.split('.').count() <= 2;
    let args: Option<Vec<String>> = args
        .iter()
        .map(|(name, value)| is_name(name).then(|| format!("{name}={}", literal(value))))
        .collect();
    named.then(|| args.map(|args| format!("{{% do {name}({}) %}}", args.join(", "))))?
}

/// A value as a template writes it.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => {
            // Nothing that a template reads as its own stays as it is.
            let plain = |c: char| match c {
                '\'' => "\\'".to_owned(),
                '\\' => "\\\\".to_owned(),
                '\n' => "\\n".to_owned(),
                '{' | '}' | '%' | '#' => format!("\\u{:04x}", u32::from(c)),
                c => c.to_string(),
            };
            format!("'{}'", text.chars().map(plain).collect::<String>())
        }
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pair = |(key, value): (&String, &Value)| {
                format!("{}: {}", literal(&Value::String(key.clone())), literal(value))
            };
            format!("{{{}}}", map.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Reads a project, from the cache where nothing changed.
pub(crate) fn project(
    folder: &Folder,
    place: &Place,
    config: Config,
    text: &str,
    extra: &Extra,
) -> Outcome<Project> {
    let mut taken = release::take_in(folder, &config, None, &mounts(place))?;
    extra.add(folder, place, &mut taken)?;
    let fingerprint = fingerprint(text, &taken);
    let file = folder.inner(&format!("dbt/described/{fingerprint}.json"));
    let blobs = folder.inner("blobs");
    let kept = folder::read_json::<Vec<Described>>(&file).ok().flatten().filter(|described| {
        let files = described.iter().flat_map(|one| &one.files);
        files.into_iter().all(|made| blobs.join(made.sha256.to_string()).is_file())
    });
    let described = match kept {
        Some(described) => described,
        None => {
            let described = release::describe_all(folder, &config, &taken)?;
            folder::keep_blob(&file, &serde_json::to_vec(&described).unwrap_or_default())?;
            forget(&folder.inner("dbt/described"));
            described
        }
    };
    Ok(Project { config, taken, described, fingerprint })
}

fn fingerprint(config: &str, taken: &TakenIn) -> Sha256Digest {
    let mut text = format!("{}\n{}\n{config}\n", env!("CARGO_PKG_VERSION"), setup::PARAMS);
    for (name, plugin) in &taken.plugins {
        text.push_str(&format!("{name} {}\n", plugin.entry.sha256));
    }
    for file in &taken.files {
        text.push_str(&format!("{} {}\n", file.sha256, file.path));
    }
    Sha256Digest::of(text.as_bytes())
}

/// Drops the oldest descriptions.
fn forget(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> =
        entries.filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path()))).collect();
    files.sort();
    for (_, path) in files.iter().rev().skip(KEPT_MAX) {
        let _ = fs::remove_file(path);
    }
}

/// Packages that lie elsewhere: links in `dbt_packages`, and `local:` in `packages.yml`.
fn mounts(place: &Place) -> Vec<Mount> {
    let mut mounts = Vec::new();
    let name = place.packages.strip_prefix(&place.root).unwrap_or(Path::new("dbt_packages"));
    let mut add = |package: &str, folder: PathBuf| {
        let path = format!("{}/{package}", name.display());
        if !mounts.iter().any(|mount: &Mount| mount.path == path) {
            mounts.push(Mount { path, folder });
        }
    };
    for entry in fs::read_dir(&place.packages).into_iter().flatten().flatten() {
        if let (Ok(true), Ok(folder), Some(package)) = (
            entry.file_type().map(|kind| kind.is_symlink()),
            entry.path().canonicalize(),
            entry.file_name().to_str(),
        ) {
            add(package, folder);
        }
    }
    for file in ["packages.yml", "dependencies.yml"] {
        let Ok(found) = read_yaml(&place.root.join(file), PROBLEMS) else { continue };
        let packages = found.get("packages").and_then(Value::as_array).cloned().unwrap_or_default();
        let locals = packages.iter().filter_map(|package| package.get("local").and_then(Value::as_str));
        for local in locals {
            let Ok(folder) = place.root.join(local).canonicalize() else { continue };
            let Ok(project) = read_yaml(&folder.join("dbt_project.yml"), PROBLEMS) else { continue };
            if let Some(package) = project.get("name").and_then(Value::as_str)
                && !place.packages.join(package).is_dir()
            {
                add(package, folder);
            }
        }
    }
    mounts
}

impl Project {
    /// The manifest's bytes.
    pub(crate) fn manifest(&self, folder: &Folder) -> Outcome<Vec<u8>> {
        let mut files = self.described.iter().flat_map(|one| &one.files);
        let Some(file) = files.find(|file| file.path.ends_with(MANIFEST)) else {
            let fix = "install programs and plugins of one version of Cofferdam";
            return Err(Failure::new(PROBLEMS, "the loader left no manifest", fix));
        };
        let path = folder.inner("blobs").join(file.sha256.to_string());
        fs::read(&path).map_err(|e| Failure::file("read", &path, &e))
    }
}

/// Which release was made last.
#[derive(Serialize, Deserialize)]
struct Last {
    fingerprint: Sha256Digest,
    seq: u64,
    at: Timestamp,
}

/// A release that can be handed over.
pub(crate) struct Signed {
    pub(crate) local: release::Local,
    pub(crate) sha256: Sha256Digest,
    pub(crate) release: Release,
    pub(crate) fresh: bool,
}

/// The signed release of a project: the last one where nothing changed.
pub(crate) fn signed(folder: &Folder, project: Project, now: Timestamp) -> Outcome<Signed> {
    let file = folder.inner("dbt/last.json");
    let newest = release::latest(folder, None).ok();
    let last = folder::read_json::<Last>(&file).ok().flatten().filter(|last| {
        last.fingerprint == project.fingerprint
            && newest.as_ref().is_some_and(|newest| newest.seq == last.seq)
            && now.as_millis() - last.at.as_millis() < REUSED_MS
    });
    if let (Some(_), Some(local)) = (last, newest)
        && let Ok(verified) = release::sign(folder, &local, None, now)
    {
        let sha256 = verified.body_sha256();
        return Ok(Signed { local, sha256, release: verified.into_statement(), fresh: false });
    }
    let seq = release::next_seq(folder);
    let (fingerprint, config) = (project.fingerprint, project.config);
    let built = release::finish(folder, &config, seq, project.taken, project.described, now)?;
    let verified = release::sign(folder, &built.local, None, now)?;
    if folder.is_bare() {
        // Releases of one's own machine are made by the dozen.
        let old = seq.saturating_sub(RELEASES_MAX);
        (1..=old).rev().map(|seq| folder.release(seq)).take_while(|folder| folder.is_dir()).for_each(
            |folder| {
                let _ = fs::remove_dir_all(folder);
            },
        );
    }
    let last = Last { fingerprint, seq, at: now };
    folder::replace(&file, &folder::json_text(&last), 0o600)?;
    let sha256 = verified.body_sha256();
    Ok(Signed { local: built.local, sha256, release: verified.into_statement(), fresh: true })
}

/// Whether this machine signs what it runs. One that works with a scheduler elsewhere and has no key
/// runs what was released.
pub(crate) fn signs(folder: &Folder) -> bool {
    let elsewhere = std::env::var_os("COFFERDAM_URL").is_some_and(|url| !url.is_empty());
    folder.is_bare() || !elsewhere || folder.key_file("release").exists()
}

/// The scheduler's newest release, which has to be what lies here, file by file.
pub(crate) async fn newest(
    client: &Client,
    folder: &Folder,
    project: &Project,
    now: Timestamp,
) -> Outcome<Signed> {
    let releases = client.releases().await.map_err(|e| Failure::of(&e))?.releases;
    let own = releases.iter().find(|release| release.project == project.config.project_id());
    let Some(view) = own else {
        let fix = "let the release signer run `cofferdam release build --sign --push`";
        return Err(Failure::new(NO_RELEASE, "the scheduler has no release of this project", fix)
            .why("this machine has no release key, so it runs what was released"));
    };
    let envelope = client.release(&view.sha256).await.map_err(|e| Failure::of(&e))?;
    // Where the trust root is at hand, the signature is checked here as well; the executor always does.
    let root = keys::root(folder, now).ok();
    let opened = release::open_any(&envelope, root.as_ref().map(|(_, root)| root.release_keys()))?;
    let released = opened.release;
    if let Some(path) = differs(project, &released) {
        let what =
            format!("release {} is not what lies here: `{}` differs", view.release_seq, text::tame(&path));
        let fix = "take the state that was released, leave out flags that change it (--vars, --target, --store-failures), or \
                   let the release signer build and push this one";
        return Err(Failure::new(NO_RELEASE, what, fix)
            .why("this machine has no release key, so it runs what was released"));
    }
    let local = release::Local::of(folder, view.release_seq.0);
    Ok(Signed { local, sha256: view.sha256, release: released, fresh: false })
}

/// The first file that a release has otherwise than this project, or not at all.
fn differs(project: &Project, released: &Release) -> Option<String> {
    let made = project.described.iter().flat_map(|one| &one.files);
    let here: BTreeMap<&str, Sha256Digest> =
        project.taken.files.iter().chain(made).map(|file| (file.path.as_str(), file.sha256)).collect();
    let there: BTreeMap<&str, Sha256Digest> =
        released.files.iter().map(|file| (file.path.as_str(), file.sha256)).collect();
    let paths = here.keys().chain(there.keys());
    paths.filter(|path| here.get(*path) != there.get(*path)).min().map(|path| (*path).to_owned())
}

/// Puts the blobs of a release where the scheduler and the executor of this folder look first, so
/// that they need not travel. Both compare digests; a link that cannot be made costs time alone.
pub(crate) fn share_blobs(folder: &Folder, release: &Release) {
    let own = folder.inner("blobs");
    let (scheduler, executor) = (folder.inner("scheduler/blobs"), folder.inner("executor-run/blobs"));
    let files = release.files.iter().map(|file| file.sha256);
    for digest in files.chain(release.plugins.iter().map(|plugin| plugin.sha256)) {
        let name = digest.to_string();
        let from = own.join(&name);
        let part = scheduler.join(&name[..2]);
        for (parent, path) in [(&part, part.join(&name)), (&executor, executor.join(&name))] {
            if !path.exists() && folder::private_folder(parent).is_ok() {
                let _ = fs::hard_link(&from, &path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_written_so_that_its_values_stay_values() {
        let args = json!({"role": "it's {{ x }}", "n": [1, null, {"a": true}]});
        assert_eq!(
            call("grant_all", args.as_object().unwrap()).unwrap(),
            "{% do grant_all(role='it\\'s \\u007b\\u007b x \\u007d\\u007d', n=[1, none, {'a': true}]) %}"
        );
        let none = serde_json::Map::new();
        assert_eq!(call("pkg.m", &none).unwrap(), "{% do pkg.m() %}");
        assert!(call("m() %}{% do x", &none).is_none() && call("a.b.c", &none).is_none());
        assert!(call("m", json!({"a b": 1}).as_object().unwrap()).is_none());
    }
}
