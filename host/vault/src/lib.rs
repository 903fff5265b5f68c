//! Secret references and the secrets behind them.
//!
//! In: a reference such as `env://WAREHOUSE_PASSWORD` or `file:///run/secrets/wh`, from gateway
//! settings and nowhere else. Out: a [`Secret`], whose bytes can be used but not shown.
//! Never: prints, serializes or clones a secret; its memory is zeroed when it is dropped. Nothing
//! is cached but what a program gave, until it expires.
//! Fails: with [`VaultError`], which names the reference and never what is behind it.
//! Source: `docs/adr/0002-one-door.md`, `docs/adr/0014-gateways-secrets-and-pools.md`.

mod env_file;
mod error;
mod provider;
mod reference;
mod resolve;
mod secret;
mod server;

pub use env_file::{ENV_FILE_BYTES_MAX, EnvFile, EnvSnapshot};
pub use error::VaultError;
pub use provider::{PROVIDER_TIME_MAX, Provider};
pub use reference::{SecretPlace, SecretRef};
pub use resolve::{Environment, ProcessEnvironment, Providers, SECRET_BYTES_MAX, Vault};
pub use secret::Secret;
pub use server::Server;
