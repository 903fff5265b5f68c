//! Files of the scheduler: its folder, and the key it signs dispatches with.

use std::{fs, io, os::unix::fs::DirBuilderExt as _, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cofferdam_bundle::SigningKey;
use serde::Deserialize;

use crate::StartError;

/// Bytes of a key file.
const KEY_FILE_BYTES_MAX: u64 = 4 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    alg: String,
    seed: String,
}

/// Makes a folder that only its owner may enter, unless it is there.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads a key as `cofferdam keys` writes it: `{"alg":"ed25519","seed":"<32 bytes in base64>"}`.
pub fn read_key(path: &Path) -> Result<SigningKey, StartError> {
    let broken = |why: String| StartError::Key { path: path.to_owned(), why };
    let length = fs::metadata(path).map_err(|e| broken(e.to_string()))?.len();
    if length > KEY_FILE_BYTES_MAX {
        return Err(broken("it is too long".into()));
    }
    let text = fs::read(path).map_err(|e| broken(e.to_string()))?;
    // The parser's own message could show a part of the secret.
    let key: KeyFile = serde_json::from_slice(&text).map_err(|_| broken("it cannot be read".into()))?;
    let seed = STANDARD.decode(&key.seed).ok().and_then(|seed| <[u8; 32]>::try_from(seed).ok());
    match seed {
        Some(seed) if key.alg == "ed25519" => Ok(SigningKey::from_seed(seed)),
        _ => Err(broken("it does not hold an Ed25519 seed of 32 bytes".into())),
    }
}
