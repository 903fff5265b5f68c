//! What the operator tells an executor: flags, each with an environment variable.
//!
//! In: command line and environment. Out: a [`Config`] that can only be valid.
//! Never: takes a secret from the command line, where every user of the machine could read it.
//! Fails: with `CD0700`, naming the flag.
//! Source: the operator's guide.

use std::{path::PathBuf, time::Duration};

use cofferdam_ids::{ClusterName, PoolName, Role, Sha256Digest};

use crate::error::ExecutorError;

/// Attempts one executor may run at once, at most.
pub const SLOTS_MAX: u32 = 64;

/// Flags of `start` and `check`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// Where the scheduler is, e.g. `https://scheduler.example:7440`.
    #[arg(long, env = "COFFERDAM_URL")]
    pub url: Option<String>,
    /// The id of this executor's OAuth client.
    #[arg(long, env = "COFFERDAM_CLIENT_ID")]
    pub client_id: Option<String>,
    /// A file that holds the client's secret. `COFFERDAM_CLIENT_SECRET` holds it directly.
    #[arg(long, env = "COFFERDAM_CLIENT_SECRET_FILE")]
    pub client_secret_file: Option<PathBuf>,
    /// The folder of this executor's key, journal, ledger and caches.
    #[arg(long, env = "COFFERDAM_DATA")]
    pub data: Option<PathBuf>,
    /// The project's trust root.
    #[arg(long, env = "COFFERDAM_ROOT")]
    pub root: Option<PathBuf>,
    /// The digest the trust root must have.
    #[arg(long, env = "COFFERDAM_ROOT_SHA256")]
    pub root_sha256: Option<String>,
    /// The folder of grant files.
    #[arg(long, env = "COFFERDAM_GRANTS")]
    pub grants: Option<PathBuf>,
    /// Where its gateways are set up.
    #[command(flatten)]
    pub gateways: GatewayArgs,
    /// `run` for scheduled work, `apply` for changes to the warehouse's shape [default: run].
    #[arg(long, env = "COFFERDAM_ROLE")]
    pub role: Option<String>,
    /// The pool it belongs to [default: default].
    #[arg(long, env = "COFFERDAM_POOL")]
    pub pool: Option<String>,
    /// The cluster it belongs to [default: main].
    #[arg(long, env = "COFFERDAM_CLUSTER")]
    pub cluster: Option<String>,
    /// Attempts it runs at once, 1 to 64 [default: 4].
    #[arg(long, env = "COFFERDAM_SLOTS")]
    pub slots: Option<String>,
    /// The folder for results and logs [default: objects in the data folder].
    #[arg(long, env = "COFFERDAM_OBJECTS")]
    pub objects: Option<PathBuf>,
    /// A folder of compiled components that this user's executors share [default: in the data folder].
    #[arg(long, env = "COFFERDAM_CACHE")]
    pub cache: Option<PathBuf>,
    /// A name for people [default: executor].
    #[arg(long, env = "COFFERDAM_NAME")]
    pub name: Option<String>,
    /// A PEM file of certificates to trust for the scheduler, beside the system's.
    #[arg(long, env = "COFFERDAM_CA_FILE")]
    pub ca_file: Option<PathBuf>,
    /// Bytes of guest memory all attempts together may hold, in MiB [default: 1024].
    #[arg(long, env = "COFFERDAM_MEMORY_MIB")]
    pub memory_mib: Option<String>,
    /// Seconds running attempts may take to finish after SIGTERM.
    #[arg(long, env = "COFFERDAM_DRAIN_S", default_value_t = 60)]
    pub drain_s: u64,
}

/// Where gateways are set up, beside the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct GatewayArgs {
    /// The file of gateways.
    #[arg(long, env = "COFFERDAM_GATEWAYS")]
    pub gateways: Option<PathBuf>,
    /// A file of variables that may be rewritten while the executor runs.
    #[arg(long, env = "COFFERDAM_ENV_FILE")]
    pub env_file: Option<PathBuf>,
}

/// A client's secret. Cannot be printed.
#[derive(Clone)]
pub struct ClientSecret(pub String);

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

/// What an executor needs to know, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The scheduler.
    pub url: String,
    /// OAuth client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: ClientSecret,
    /// Data folder.
    pub data: PathBuf,
    /// File of the trust root.
    pub root: PathBuf,
    /// Its pinned digest.
    pub root_sha256: Sha256Digest,
    /// Folder of grants.
    pub grants: PathBuf,
    /// Where gateways are set up.
    pub gateways: GatewayArgs,
    /// Role.
    pub role: Role,
    /// Pool.
    pub pool: PoolName,
    /// Cluster.
    pub cluster: ClusterName,
    /// Attempts at once.
    pub slots: u32,
    /// Folder of results and logs.
    pub objects: PathBuf,
    /// Compiled components, where they do not lie in the data folder.
    pub cache: Option<PathBuf>,
    /// Name for people.
    pub name: String,
    /// Extra certificates.
    pub ca_file: Option<PathBuf>,
    /// Guest memory of one runner.
    pub memory_bytes_max: u64,
    /// How long a drain may take.
    pub drain: Duration,
    /// The program to start runners and compile children from.
    pub program: PathBuf,
}

impl Config {
    /// Checks what was given. `secret` is the value of `COFFERDAM_CLIENT_SECRET`.
    pub fn new(args: ConfigArgs, secret: Option<String>) -> Result<Self, ExecutorError> {
        let data = needed(args.data, "data", "COFFERDAM_DATA")?;
        let slots = number(args.slots, "slots", 4, 1, u64::from(SLOTS_MAX))?;
        let name = args.name.unwrap_or_else(|| "executor".into());
        if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            return Err(setting("name", "1 to 64 bytes, no control characters".into()));
        }
        Ok(Self {
            url: needed(args.url, "url", "COFFERDAM_URL")?,
            client_id: needed(args.client_id, "client-id", "COFFERDAM_CLIENT_ID")?,
            client_secret: client_secret(args.client_secret_file, secret)?,
            root: needed(args.root, "root", "COFFERDAM_ROOT")?,
            root_sha256: parsed(
                &needed(args.root_sha256, "root-sha256", "COFFERDAM_ROOT_SHA256")?,
                "root-sha256",
            )?,
            grants: needed(args.grants, "grants", "COFFERDAM_GRANTS")?,
            gateways: args.gateways,
            role: parsed(args.role.as_deref().unwrap_or("run"), "role")?,
            pool: parsed(args.pool.as_deref().unwrap_or("default"), "pool")?,
            cluster: parsed(args.cluster.as_deref().unwrap_or("main"), "cluster")?,
            slots: u32::try_from(slots).unwrap_or(SLOTS_MAX),
            objects: args.objects.unwrap_or_else(|| data.join("objects")),
            cache: args.cache,
            data,
            name,
            ca_file: args.ca_file,
            memory_bytes_max: number(args.memory_mib, "memory-mib", 1024, 16, 1 << 20)? << 20,
            drain: Duration::from_secs(args.drain_s.min(24 * 3600)),
            // The kernel's own name for this program: right even when the file was replaced by
            // an upgrade while the executor runs.
            program: PathBuf::from("/proc/self/exe"),
        })
    }
}

fn client_secret(file: Option<PathBuf>, direct: Option<String>) -> Result<ClientSecret, ExecutorError> {
    let text =
        match (file, direct) {
            (Some(path), _) => std::fs::read_to_string(&path)
                .map_err(|source| ExecutorError::Unreadable { what: "the client's secret", path, source })?,
            (None, Some(text)) => text,
            (None, None) => {
                return Err(ExecutorError::Missing {
                    flag: "client-secret-file",
                    variable: "COFFERDAM_CLIENT_SECRET",
                });
            }
        };
    Ok(ClientSecret(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn needed<T>(value: Option<T>, flag: &'static str, variable: &'static str) -> Result<T, ExecutorError> {
    value.ok_or(ExecutorError::Missing { flag, variable })
}

fn setting(flag: &'static str, why: String) -> ExecutorError {
    ExecutorError::Setting { flag, why }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &str,
    flag: &'static str,
) -> Result<T, ExecutorError> {
    text.parse().map_err(|e: T::Err| setting(flag, e.to_string()))
}

fn number(
    text: Option<String>,
    flag: &'static str,
    default: u64,
    min: u64,
    max: u64,
) -> Result<u64, ExecutorError> {
    let Some(text) = text else { return Ok(default) };
    match text.parse() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        _ => Err(setting(flag, format!("`{text}` is not a number from {min} to {max}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> ConfigArgs {
        ConfigArgs {
            url: Some("http://127.0.0.1:7440".into()),
            client_id: Some("client".into()),
            data: Some("/var/lib/cofferdam".into()),
            root: Some("root.json".into()),
            root_sha256: Some("ab".repeat(32)),
            grants: Some("grants".into()),
            ..ConfigArgs::default()
        }
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let config = Config::new(args(), Some("s3cret\n".into())).unwrap();
        assert_eq!((config.slots, config.role, config.pool.as_str()), (4, Role::Run, "default"));
        assert_eq!(config.objects, PathBuf::from("/var/lib/cofferdam/objects"));
        assert_eq!(config.client_secret.0, "s3cret");
        assert!(!format!("{config:?}").contains("s3cret"), "a secret is never printed");
    }

    #[test]
    fn a_missing_or_wrong_setting_is_named_with_its_fix() {
        let missing = Config::new(ConfigArgs { url: None, ..args() }, Some("s".into())).unwrap_err();
        insta::assert_snapshot!(cofferdam_ids::render(&missing), @r"
        error[CD0700]: `url` is not set
          fix: pass `--url` or set `COFFERDAM_URL`
        ");
        let wrong = Config::new(ConfigArgs { slots: Some("65".into()), ..args() }, Some("s".into()));
        insta::assert_snapshot!(cofferdam_ids::render(&wrong.unwrap_err()), @r"
        error[CD0700]: `slots` cannot be used: `65` is not a number from 1 to 64
          fix: correct `--slots` or its environment variable
        ");
    }
}
