//! Keys on this machine, and the trust root made of them.
//!
//! In: files under `.cofferdam/keys`. Out: keys that sign, a signed root, text about both.
//! Never: prints a secret, uses a key file that others may read, or writes over one.
//! Fails: with `CD0005` and `CD0004`.
//! Source: `docs/adr/0006-dsse-ed25519-and-a-pinned-root.md`.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cofferdam_bundle::{
    PinnedRoot, PublicKey, SigningKey, pin_root, sign,
    statement::{RoleKeys, Roles, RootKey, SPEC, StatementKind, TrustRoot},
    unverified_body_sha256,
};
use cofferdam_ids::{ProjectId, Sha256Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    failure::{Failure, KEY, Outcome},
    folder::{self, Folder},
};

/// The roles of a trust root.
pub const ROLES: [&str; 3] = ["root", "release", "dispatch"];
/// How long a new trust root holds.
const ROOT_VALID: Duration = Duration::from_secs(2 * 365 * 86_400);

/// A key file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    alg: String,
    seed: String,
}

/// One key as `keys list` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyView {
    /// Its role.
    pub role: String,
    /// Its id.
    pub key_id: String,
    /// Its public half in base64.
    pub public: String,
    /// Where its secret half lies.
    pub file: String,
}

/// What `keys show` shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrustView {
    /// The project.
    pub project: String,
    /// The digest executors pin.
    pub root_sha256: String,
    /// Until when it holds.
    pub expires: String,
    /// Key ids by role.
    pub roles: Vec<(String, Vec<String>)>,
}

/// Makes a key for a role; says whether there was none.
pub fn generate(folder: &Folder, role: &str) -> Outcome<bool> {
    let file = folder.key_file(role);
    if file.exists() {
        return Ok(false);
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| {
        Failure::new(KEY, "the system gives no random bytes", "check the system's random source")
            .why(error.to_string())
    })?;
    let key = KeyFile { alg: "ed25519".to_owned(), seed: STANDARD.encode(seed) };
    folder::write_new(&file, &folder::json_text(&key), 0o600)
}

/// The secret key in a file.
pub fn load(path: &Path) -> Outcome<SigningKey> {
    let bad = |what: String, fix: &str| Failure::new(KEY, what, fix);
    let meta = fs::metadata(path).map_err(|error| {
        bad(
            format!("there is no key at `{}`", path.display()),
            "run `cofferdam init`, or name the key's file",
        )
        .because(&error)
    })?;
    if meta.permissions().mode() & 0o077 != 0 {
        let fix = format!("chmod 600 {}", path.display());
        return Err(bad(format!("others may read the key `{}`", path.display()), &fix)
            .why(format!("its mode is {:03o}, and must be 600", meta.permissions().mode() & 0o777)));
    }
    let unreadable = || {
        bad(
            format!("`{}` is not a key file", path.display()),
            "name a file made by `cofferdam keys generate`",
        )
    };
    let bytes = fs::read(path).map_err(|e| Failure::file("read", path, &e))?;
    let key: KeyFile = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
    let seed = STANDARD.decode(&key.seed).ok().and_then(|seed| <[u8; 32]>::try_from(seed).ok());
    match seed {
        Some(seed) if key.alg == "ed25519" => Ok(SigningKey::from_seed(seed)),
        _ => Err(unreadable()),
    }
}

/// The keys of this project that are there.
pub fn list(folder: &Folder) -> Outcome<Vec<KeyView>> {
    let mut views = Vec::new();
    for role in ROLES {
        let file = folder.key_file(role);
        if !file.exists() {
            continue;
        }
        let public = load(&file)?.public();
        views.push(KeyView {
            role: role.to_owned(),
            key_id: public.key_id().to_string(),
            public: public.to_base64(),
            file: folder.shown(&file),
        });
    }
    Ok(views)
}

/// Signs a trust root of the project's three keys. Written where there is none, or where `anew`.
pub fn make_root(folder: &Folder, project: &ProjectId, now: Timestamp, anew: bool) -> Outcome<bool> {
    let file = folder.root_file();
    if file.exists() && !anew {
        return Ok(false);
    }
    let [root, release, dispatch] = ROLES.map(|role| load(&folder.key_file(role)));
    let (root, release, dispatch) = (root?, release?, dispatch?);
    let entry = |key: PublicKey, owner: &str| RootKey {
        alg: "ed25519".to_owned(),
        public: key.to_base64(),
        owner: owner.to_owned(),
    };
    let role = |key: &SigningKey| RoleKeys { keyids: vec![key.key_id().clone()], threshold: 1 };
    let statement = TrustRoot {
        kind: "root".to_owned(),
        spec: SPEC,
        project: project.clone(),
        version: 1,
        expires: now.plus(ROOT_VALID),
        keys: vec![
            entry(root.public(), "root"),
            entry(release.public(), "release"),
            entry(dispatch.public(), "scheduler"),
        ],
        roles: Roles { root: role(&root), release: role(&release), dispatch: role(&dispatch) },
    };
    let envelope = sign(&statement, &[&root]);
    if anew {
        folder::replace(&file, &envelope, 0o644)?;
        return Ok(true);
    }
    folder::write_new(&file, &envelope, 0o644)
}

/// The project's trust root, checked. Here its own file is what pins it.
pub fn root(folder: &Folder, now: Timestamp) -> Outcome<(Vec<u8>, PinnedRoot)> {
    let file = folder.root_file();
    let envelope = fs::read(&file).map_err(|error| {
        Failure::new(KEY, "this project has no trust root yet", "run `cofferdam init`").because(&error)
    })?;
    let digest = unverified_body_sha256(&envelope, StatementKind::Root).map_err(|e| Failure::of(&e))?;
    let pinned = pin_root(&envelope, digest, now).map_err(|e| Failure::of(&e))?;
    Ok((envelope, pinned))
}

/// What `keys show` shows.
pub fn trust(root: &PinnedRoot) -> TrustView {
    let said = root.root();
    let ids = |role: &RoleKeys| role.keyids.iter().map(ToString::to_string).collect();
    TrustView {
        project: said.project.to_string(),
        root_sha256: root.digest().to_string(),
        expires: said.expires.to_string(),
        roles: vec![
            ("root".to_owned(), ids(&said.roles.root)),
            ("release".to_owned(), ids(&said.roles.release)),
            ("dispatch".to_owned(), ids(&said.roles.dispatch)),
        ],
    }
}

/// The trust root in people's words.
pub fn trust_text(view: &TrustView) -> String {
    let mut text = format!(
        "project  {}\nroot     sha256:{}\n         what executors pin, and what `subject.project` of a grant names\nexpires  {}\n",
        view.project, view.root_sha256, view.expires
    );
    for (role, ids) in &view.roles {
        text.push_str(&format!("{role:<9}{}\n", ids.join(", ")));
    }
    text
}

/// A digest and what it is called, for grants and flags.
pub fn root_digest(folder: &Folder, now: Timestamp) -> Outcome<Sha256Digest> {
    root(folder, now).map(|(_, root)| root.digest())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path());
        (temp, folder)
    }

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    #[test]
    fn generated_keys_make_a_root_that_can_be_pinned() {
        let (_temp, folder) = folder();
        for role in ROLES {
            assert!(generate(&folder, role).unwrap());
            assert!(!generate(&folder, role).unwrap(), "a key is made once");
        }
        let project = ProjectId::new("prj_flights").unwrap();
        assert!(make_root(&folder, &project, NOW, false).unwrap());
        assert!(!make_root(&folder, &project, NOW, false).unwrap());
        let (_, root) = root(&folder, NOW).unwrap();
        assert_eq!(root.project(), &project);
        assert_eq!(list(&folder).unwrap().len(), 3);
    }

    #[test]
    fn a_key_that_others_may_read_is_not_used() {
        let (_temp, folder) = folder();
        generate(&folder, "release").unwrap();
        let file = folder.key_file("release");
        assert!(load(&file).is_ok());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let error = load(&file).err().unwrap().render();
        let error = error.replace(&*folder.root().to_string_lossy(), "DIR");
        insta::assert_snapshot!(error, @r"
        error[CD0005]: others may read the key `DIR/.cofferdam/keys/release.key`
          why: its mode is 644, and must be 600
          fix: chmod 600 DIR/.cofferdam/keys/release.key
        ");
    }

    #[test]
    fn a_file_that_is_no_key_is_refused() {
        let (_temp, folder) = folder();
        let file = folder.key_file("release");
        folder::write_new(&file, b"{\"alg\":\"ed25519\",\"seed\":\"AAAA\"}", 0o600).unwrap();
        assert!(load(&file).err().unwrap().render().contains("is not a key file"));
    }

    #[test]
    fn the_trust_root_is_shown_in_words() {
        let view = TrustView {
            project: "prj_flights".to_owned(),
            root_sha256: "ab12".to_owned(),
            expires: "2028-01-01T00:00:00Z".to_owned(),
            roles: vec![("root".to_owned(), vec!["k1".to_owned()])],
        };
        insta::assert_snapshot!(trust_text(&view), @r"
        project  prj_flights
        root     sha256:ab12
                 what executors pin, and what `subject.project` of a grant names
        expires  2028-01-01T00:00:00Z
        root     k1
        ");
    }
}
