//! Releases on this machine: `.cofferdam/releases/<number>/` and `.cofferdam/blobs/<digest>`.
//!
//! In: release bodies and keys. Out: files, and releases read back.
//! Never: changes a release that was signed.
//! Fails: with `CD0005`, `CD0013` and `CD0018`.
//! Source: `docs/guides/command-line.md`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cofferdam_bundle::{Verified, open, sign as sign_statement, statement::Release};
use cofferdam_ids::{Sha256Digest, Timestamp};

use crate::{
    failure::{Failure, KEY, NO_RELEASE, Outcome, TAKEN},
    folder::{self, Folder},
    keys,
};

/// One release on this machine.
#[derive(Clone, Debug)]
pub struct Local {
    /// Its number.
    pub seq: u64,
    folder: PathBuf,
}

impl Local {
    /// A release of a project, there or not.
    pub fn of(folder: &Folder, seq: u64) -> Self {
        Self { seq, folder: folder.release(seq) }
    }

    /// The unsigned body.
    pub fn body_file(&self) -> PathBuf {
        self.folder.join("release.json")
    }

    /// The signed envelope.
    pub fn envelope_file(&self) -> PathBuf {
        self.folder.join("release.dsse.json")
    }

    /// Reads the body.
    pub fn body(&self) -> Outcome<Release> {
        let found: Option<Release> = folder::read_json(&self.body_file())?;
        found.ok_or_else(|| {
            Failure::new(
                NO_RELEASE,
                format!("there is no release {} here", self.seq),
                "run `cofferdam release build`",
            )
        })
    }
}

/// Where blobs lie.
pub(crate) fn blobs(folder: &Folder) -> PathBuf {
    folder.inner("blobs")
}

/// The release with a number, or the newest.
pub fn latest(folder: &Folder, seq: Option<u64>) -> Outcome<Local> {
    let newest = || {
        let entries = fs::read_dir(folder.inner("releases")).ok()?;
        let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
        numbers.filter(|seq| Local::of(folder, *seq).body_file().is_file()).max()
    };
    let found = seq.or_else(newest).map(|seq| Local::of(folder, seq));
    match found {
        Some(local) if local.body_file().is_file() => Ok(local),
        Some(local) => Err(Failure::new(
            NO_RELEASE,
            format!("there is no release {} here", local.seq),
            "run `cofferdam release build`, or name another --seq",
        )),
        None => {
            Err(Failure::new(NO_RELEASE, "there is no release here yet", "run `cofferdam release build`"))
        }
    }
}

/// The number after the newest.
pub(crate) fn next_seq(folder: &Folder) -> u64 {
    latest(folder, None).map_or(1, |local| local.seq + 1)
}

/// Refuses a number that a signed release has: what was signed does not change.
pub(crate) fn check_free(local: &Local) -> Outcome<()> {
    if !local.envelope_file().exists() {
        return Ok(());
    }
    Err(Failure::new(
        TAKEN,
        format!("release {} is signed already and does not change any more", local.seq),
        "leave out --seq to take the next number",
    ))
}

/// Keeps a body under its number.
pub(crate) fn keep(local: &Local, release: &Release) -> Outcome<()> {
    check_free(local)?;
    folder::replace(&local.body_file(), &folder::json_text(release), 0o644)
}

/// Signs a release with the project's release key, or another key file.
pub fn sign(
    folder: &Folder,
    local: &Local,
    key: Option<&Path>,
    now: Timestamp,
) -> Outcome<Verified<Release>> {
    if local.envelope_file().exists() {
        return Ok(signed(folder, local, now)?.1);
    }
    let release = local.body()?;
    let own = folder.key_file("release");
    let key = keys::load(key.unwrap_or(&own))?;
    let (_, root) = keys::root(folder, now)?;
    let envelope = sign_statement(&release, &[&key]);
    let verified = open::<Release>(&envelope, root.release_keys()).map_err(|refused| {
        Failure::new(
            KEY,
            "this key may not sign releases of this project",
            "sign with the key whose id `cofferdam keys show` lists under `release`",
        )
        .because(&refused)
    })?;
    folder::write_new(&local.envelope_file(), &envelope, 0o644)?;
    Ok(verified)
}

/// A signed release, checked against the project's trust root.
pub fn signed(folder: &Folder, local: &Local, now: Timestamp) -> Outcome<(Vec<u8>, Verified<Release>)> {
    let file = local.envelope_file();
    let envelope = fs::read(&file).map_err(|error| {
        let what = format!("release {} is not signed yet", local.seq);
        Failure::new(NO_RELEASE, what, "run `cofferdam release sign`").because(&error)
    })?;
    let (_, root) = keys::root(folder, now)?;
    let verified = open::<Release>(&envelope, root.release_keys()).map_err(|e| Failure::of(&e))?;
    Ok((envelope, verified))
}

/// Every release on this machine whose signed body has this digest.
pub(crate) fn by_digest(folder: &Folder, wanted: Sha256Digest, now: Timestamp) -> Option<Local> {
    let entries = fs::read_dir(folder.inner("releases")).ok()?;
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
    numbers
        .map(|seq| Local::of(folder, seq))
        .find(|local| signed(folder, local, now).is_ok_and(|(_, verified)| verified.body_sha256() == wanted))
}

#[cfg(test)]
mod tests {
    use cofferdam_ids::ProjectId;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn project() -> (tempfile::TempDir, Folder, Local) {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path());
        for role in keys::ROLES {
            keys::generate(&folder, role).unwrap();
        }
        keys::make_root(&folder, &ProjectId::new("prj_flights").unwrap(), NOW, false).unwrap();
        let release = super::super::assemble::tests::release(super::super::assemble::tests::TOML).unwrap();
        let local = Local::of(&folder, 7);
        keep(&local, &release).unwrap();
        (temp, folder, local)
    }

    #[test]
    fn a_built_release_is_signed_once_and_then_does_not_change() {
        let (_temp, folder, local) = project();
        assert_eq!(next_seq(&folder), 8);
        let verified = sign(&folder, &local, None, NOW).unwrap();
        assert_eq!(verified.statement(), &local.body().unwrap());
        let again = sign(&folder, &local, None, NOW).unwrap();
        assert_eq!(again.body_sha256(), verified.body_sha256());
        let error = keep(&local, verified.statement()).unwrap_err();
        insta::assert_snapshot!(error.render(), @r"
        error[CD0018]: release 7 is signed already and does not change any more
          fix: leave out --seq to take the next number
        ");
        assert_eq!(by_digest(&folder, verified.body_sha256(), NOW).unwrap().seq, 7);
    }

    #[test]
    fn a_key_of_another_role_does_not_sign_releases() {
        let (_temp, folder, local) = project();
        let error = sign(&folder, &local, Some(&folder.key_file("dispatch")), NOW).err().unwrap();
        assert!(
            error.render().starts_with("error[CD0005]: this key may not sign releases"),
            "{}",
            error.render()
        );
        assert!(!local.envelope_file().exists());
    }

    #[test]
    fn a_release_that_is_not_here_is_named() {
        let (_temp, folder, _) = project();
        assert!(latest(&folder, Some(3)).unwrap_err().render().contains("there is no release 3 here"));
        assert_eq!(latest(&folder, None).unwrap().seq, 7);
    }
}
