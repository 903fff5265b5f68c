//! From a reference to its secret.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{
    error::VaultError,
    provider::{self, Given, Provider},
    reference::{SecretPlace, SecretRef},
    secret::Secret,
    server::Server,
};

/// Bytes of one secret.
pub const SECRET_BYTES_MAX: usize = 64 << 10;
/// A program is asked again so long before what it gave expires.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// Where `env://` looks. The process's own environment outside of tests.
pub trait Environment: Send + Sync {
    /// The value of a variable, none where it is not set.
    fn get(&self, name: &str) -> Option<Vec<u8>>;

    /// The names of all variables; none where they cannot be listed.
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The environment of this process.
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn get(&self, name: &str) -> Option<Vec<u8>> {
        std::env::var_os(name).map(std::os::unix::ffi::OsStringExt::into_vec)
    }

    fn names(&self) -> Vec<String> {
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
    }
}

/// Resolves references. Every call looks anew, so that a rotated secret is seen at the next use;
/// only what a program gave is kept, until shortly before it expires.
#[derive(Clone)]
pub struct Vault {
    environment: Arc<dyn Environment>,
    providers: Arc<Providers>,
    /// Where systemd put the service's credentials.
    credentials: Option<PathBuf>,
}

/// What the settings declare for references to lead to.
#[derive(Default)]
pub struct Providers {
    /// Programs, by the names `exec://` uses.
    pub programs: BTreeMap<String, Provider>,
    /// The server behind `vault://`.
    pub server: Option<Server>,
    given: Mutex<HashMap<String, Given>>,
}

impl Providers {
    /// These programs, and this server.
    pub fn new(programs: BTreeMap<String, Provider>, server: Option<Server>) -> Self {
        Self { programs, server, given: Mutex::default() }
    }
}

impl Default for Vault {
    fn default() -> Self {
        Self::new(Arc::new(ProcessEnvironment))
    }
}

impl Vault {
    /// A vault over an environment.
    pub fn new(environment: Arc<dyn Environment>) -> Self {
        // Systemd says it to the process; the env file has no part in it.
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self { environment, providers: Arc::default(), credentials }
    }

    /// The same vault over another environment.
    #[must_use]
    pub fn with_environment(&self, environment: Arc<dyn Environment>) -> Self {
        Self { environment, ..self.clone() }
    }

    /// The same vault with other providers.
    #[must_use]
    pub fn with_providers(&self, providers: Arc<Providers>) -> Self {
        Self { providers, ..self.clone() }
    }

    /// The same vault with systemd's credentials in another folder.
    #[must_use]
    pub fn with_credentials(&self, folder: &Path) -> Self {
        Self { credentials: Some(folder.to_owned()), ..self.clone() }
    }

    /// Whether a program of that name is declared.
    pub fn has_program(&self, name: &str) -> bool {
        self.providers.programs.contains_key(name)
    }

    /// Whether a server behind `vault://` is declared.
    pub fn has_server(&self) -> bool {
        self.providers.server.is_some()
    }

    /// The secret at a reference, with one line break at its end removed.
    pub fn resolve(&self, reference: &SecretRef) -> Result<Secret, VaultError> {
        let missing = || VaultError::Missing(reference.clone());
        let mut bytes = Zeroizing::new(match &reference.place {
            SecretPlace::Env(name) => self.environment.get(name).ok_or_else(missing)?,
            SecretPlace::File(path) => read_file(path, reference)?,
            SecretPlace::Cred(name) => {
                let folder = self.credentials.as_ref().ok_or_else(missing)?;
                read_file(&folder.join(name), reference)?
            }
            SecretPlace::Exec(name) => self.given(name, reference)?,
            SecretPlace::Vault { mount, path } => {
                let none = || VaultError::NoProvider(reference.clone());
                let server = self.providers.server.as_ref().ok_or_else(none)?;
                let token = self.resolve(&server.token)?;
                server.read(mount, path, &token, reference)?
            }
        });
        let unusable = |problem| Err(VaultError::Unusable { reference: reference.clone(), problem });
        if bytes.len() > SECRET_BYTES_MAX {
            return unusable("is longer than 64 KiB");
        }
        let field = match (&reference.field, &reference.place) {
            (None, SecretPlace::Exec(_)) => Some("token"),
            (field, _) => field.as_deref(),
        };
        if let Some(field) = field {
            bytes = pick(&bytes, field, reference)?;
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        if bytes.is_empty() {
            return unusable("is empty");
        }
        Ok(Secret::new(std::mem::take(&mut bytes)))
    }

    /// What a program gives, asked anew shortly before the last answer expires.
    fn given(&self, name: &str, reference: &SecretRef) -> Result<Vec<u8>, VaultError> {
        let none = || VaultError::NoProvider(reference.clone());
        let provider = self.providers.programs.get(name).ok_or_else(none)?;
        // Held while the program runs: attempts that start together ask it once.
        let mut given = self.providers.given.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |given: &&Given| given.expires.is_some_and(|at| at.minus(RENEW_BEFORE) > provider::now());
        if let Some(kept) = given.get(name).filter(fresh) {
            return Ok(kept.status.expose(<[u8]>::to_vec));
        }
        let new = provider.ask(reference)?;
        let status = new.status.expose(<[u8]>::to_vec);
        given.insert(name.to_owned(), new);
        Ok(status)
    }

    /// What an operator should know about where a secret is kept, as sentences; empty when all is
    /// well. A missing file is no warning: resolving says so.
    pub fn warnings(&self, reference: &SecretRef) -> Vec<String> {
        let SecretPlace::File(path) = &reference.place else { return Vec::new() };
        let Ok(meta) = std::fs::metadata(path) else { return Vec::new() };
        let mut warnings = Vec::new();
        if meta.mode() & 0o077 != 0 {
            let mode = meta.mode() & 0o777;
            warnings.push(format!("{reference} can be read by others (mode {mode:04o}; 0600 is safe)"));
        }
        let me = std::fs::metadata("/proc/self").map(|m| m.uid()).ok();
        if meta.uid() != 0 && me.is_some_and(|me| me != meta.uid()) {
            warnings.push(format!("{reference} belongs to user {}, not to this one", meta.uid()));
        }
        warnings
    }
}

fn read_file(path: &Path, reference: &SecretRef) -> Result<Vec<u8>, VaultError> {
    let unreadable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => VaultError::Missing(reference.clone()),
        _ => VaultError::Unreadable { reference: reference.clone(), source },
    };
    let file = File::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(VaultError::Unusable { reference: reference.clone(), problem: "is not in a plain file" });
    }
    // Room for the whole secret from the start: a buffer that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX + 2));
    file.take(SECRET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(std::mem::take(&mut bytes))
}

/// One field of a JSON object. Its value is a text.
fn pick(bytes: &[u8], field: &str, reference: &SecretRef) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    // Values are not looked at, except for the one that is wanted: nothing else is copied.
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Object<'a>(#[serde(borrow)] HashMap<Cow<'a, str>, &'a RawValue>);
    let wrong = |problem| VaultError::Field { reference: reference.clone(), problem };
    let object: Object<'_> = serde_json::from_slice(bytes).map_err(|_| wrong("is not a JSON object"))?;
    let value = object.0.get(field).ok_or_else(|| wrong("has no such field"))?;
    let text: String = serde_json::from_str(value.get()).map_err(|_| wrong("holds no text in that field"))?;
    Ok(Zeroizing::new(text.into_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Fixed(&'static [u8]);

    impl Environment for Fixed {
        fn get(&self, name: &str) -> Option<Vec<u8>> {
            (name == "WH").then(|| self.0.to_vec())
        }
    }

    fn resolve(content: &'static [u8], reference: &str) -> Result<Vec<u8>, VaultError> {
        let vault = Vault::new(Arc::new(Fixed(content)));
        vault.resolve(&reference.parse().unwrap()).map(|secret| secret.expose(<[u8]>::to_vec))
    }

    #[test]
    fn a_variable_gives_its_value_without_the_last_line_break() {
        assert_eq!(resolve(b"s3cret\n", "env://WH").unwrap(), b"s3cret");
        assert_eq!(resolve(b"s3cret\r\n", "env://WH").unwrap(), b"s3cret");
        assert_eq!(resolve(b" two\n\n", "env://WH").unwrap(), b" two\n", "one line break, nothing else");
    }

    #[test]
    fn a_missing_an_empty_and_a_huge_secret_are_refused() {
        static HUGE: [u8; SECRET_BYTES_MAX + 1] = [b'x'; SECRET_BYTES_MAX + 1];
        assert!(matches!(resolve(b"x", "env://OTHER"), Err(VaultError::Missing(_))));
        assert!(matches!(resolve(b"\n", "env://WH"), Err(VaultError::Unusable { .. })));
        assert!(matches!(resolve(&HUGE, "env://WH"), Err(VaultError::Unusable { .. })));
    }

    #[test]
    fn a_file_gives_its_content_and_warns_when_others_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wh");
        std::fs::write(&path, "s3cret\n").unwrap();
        let reference: SecretRef = format!("file://{}", path.display()).parse().unwrap();
        let vault = Vault::default();
        assert_eq!(vault.resolve(&reference).unwrap().expose(<[u8]>::to_vec), b"s3cret");

        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(vault.warnings(&reference), Vec::<String>::new());
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(vault.warnings(&reference)[0].contains("mode 0644"));
    }

    #[test]
    fn a_field_of_a_json_object_is_picked_and_anything_else_is_refused() {
        let object = br#"{"user":"w","password":"s3\u0063ret\n","port":5432,"deep":{"a":"b"}}"#;
        assert_eq!(resolve(object, "env://WH#password").unwrap(), b"s3cret");
        assert_eq!(resolve(object, "env://WH#user").unwrap(), b"w");
        for (reference, expected) in [
            ("env://WH#port", "the secret at env://WH#port holds no text in that field"),
            ("env://WH#deep", "the secret at env://WH#deep holds no text in that field"),
            ("env://WH#other", "the secret at env://WH#other has no such field"),
        ] {
            assert_eq!(resolve(object, reference).unwrap_err().to_string(), expected);
        }
        let error = resolve(b"hunter2-canary", "env://WH#password").unwrap_err();
        assert_eq!(error.to_string(), "the secret at env://WH#password is not a JSON object");
        assert!(!format!("{error:?}").contains("canary"));
    }

    #[test]
    fn a_provider_or_server_that_is_not_declared_is_refused() {
        for reference in ["exec://corp", "vault://secret/wh#password"] {
            let error = resolve(b"x", reference).unwrap_err();
            assert_eq!(error.to_string(), format!("no provider is declared for {reference}"));
        }
    }

    #[test]
    fn what_a_program_gave_is_kept_until_shortly_before_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let ask = |at: &str| {
            let script = format!(
                "echo x >>{}; printf '{{\"status\":{{\"token\":\"t\",\"expirationTimestamp\":\"%s\"}}}}' {at}",
                count.display()
            );
            let path = std::fs::canonicalize("/bin/sh").unwrap();
            let sha256 = cofferdam_ids::Sha256Digest::of(&std::fs::read(&path).unwrap());
            let args = vec!["-c".to_owned(), script];
            let program = Provider { path, sha256, args, timeout: Duration::from_secs(10) };
            let providers = Providers::new(BTreeMap::from([("corp".to_owned(), program)]), None);
            let vault = Vault::default().with_providers(Arc::new(providers));
            for _ in 0..2 {
                let secret = vault.resolve(&"exec://corp".parse().unwrap()).unwrap();
                assert_eq!(secret.expose(<[u8]>::to_vec), b"t");
            }
            let asked = std::fs::read_to_string(&count).unwrap().lines().count();
            std::fs::remove_file(&count).unwrap();
            asked
        };
        assert_eq!(ask("2999-01-01T00:00:00Z"), 1);
        assert_eq!(ask(&provider::now().plus(Duration::from_secs(30)).to_string()), 2);
    }

    #[test]
    fn a_credential_of_systemd_is_found_in_its_folder_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("wh"), "s3cret\n").unwrap();
        let vault = Vault::default().with_credentials(folder.path());
        let resolve = |text: &str| vault.resolve(&text.parse().unwrap());
        assert_eq!(resolve("cred://wh").unwrap().expose(<[u8]>::to_vec), b"s3cret");
        assert!(matches!(resolve("cred://other"), Err(VaultError::Missing(_))));
        let outside = Vault { credentials: None, ..vault.clone() };
        assert!(matches!(outside.resolve(&"cred://wh".parse().unwrap()), Err(VaultError::Missing(_))));
    }

    #[test]
    fn a_folder_is_no_secret() {
        let reference: SecretRef = "file:///proc".parse().unwrap();
        assert!(matches!(Vault::default().resolve(&reference), Err(VaultError::Unusable { .. })));
    }

    #[test]
    fn no_error_holds_the_secret() {
        static HUGE: [u8; SECRET_BYTES_MAX + 1] = [b'q'; SECRET_BYTES_MAX + 1];
        let error = resolve(&HUGE, "env://WH").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("qqq"));
    }
}
