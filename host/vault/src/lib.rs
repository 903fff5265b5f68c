//! Secret references and the secrets behind them.
//!
//! In: a reference such as `env://WAREHOUSE_PASSWORD` or `file:///run/secrets/wh`, from gateway
//! settings and nowhere else. Out: a [`Secret`], whose bytes can be used but not shown.
//! Never: prints, serializes, clones or caches a secret; its memory is zeroed when it is dropped.
//! Fails: with [`VaultError`], which names the reference and never what is behind it.
//! Source: `docs/adr/0002-one-door.md`.

mod error;
mod reference;
mod resolve;
mod secret;

pub use error::VaultError;
pub use reference::SecretRef;
pub use resolve::{Environment, ProcessEnvironment, SECRET_BYTES_MAX, Vault};
pub use secret::Secret;
