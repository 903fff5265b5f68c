//! From a reference to its secret.

use std::{fs::File, io::Read, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use zeroize::Zeroizing;

use crate::{error::VaultError, reference::SecretRef, secret::Secret};

/// Bytes of one secret.
pub const SECRET_BYTES_MAX: usize = 64 << 10;

/// Where `env://` looks. The process's own environment outside of tests.
pub trait Environment: Send + Sync {
    /// The value of a variable, none where it is not set.
    fn get(&self, name: &str) -> Option<Vec<u8>>;
}

/// The environment of this process.
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn get(&self, name: &str) -> Option<Vec<u8>> {
        std::env::var_os(name).map(std::os::unix::ffi::OsStringExt::into_vec)
    }
}

/// Resolves references. Every call looks anew, so that a rotated secret is seen at the next use.
#[derive(Clone)]
pub struct Vault {
    environment: Arc<dyn Environment>,
}

impl Default for Vault {
    fn default() -> Self {
        Self::new(Arc::new(ProcessEnvironment))
    }
}

impl Vault {
    /// A vault over an environment.
    pub fn new(environment: Arc<dyn Environment>) -> Self {
        Self { environment }
    }

    /// The secret at a reference, with one line break at its end removed.
    pub fn resolve(&self, reference: &SecretRef) -> Result<Secret, VaultError> {
        let bytes = match reference {
            SecretRef::Env(name) => {
                self.environment.get(name).ok_or_else(|| VaultError::Missing(reference.clone()))?
            }
            SecretRef::File(path) => read_file(path, reference)?,
        };
        let unusable = |problem| Err(VaultError::Unusable { reference: reference.clone(), problem });
        let mut bytes = Zeroizing::new(bytes);
        if bytes.len() > SECRET_BYTES_MAX {
            return unusable("is longer than 64 KiB");
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

    /// What an operator should know about where a secret is kept, as sentences; empty when all is
    /// well. A missing file is no warning: resolving says so.
    pub fn warnings(&self, reference: &SecretRef) -> Vec<String> {
        let SecretRef::File(path) = reference else { return Vec::new() };
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
