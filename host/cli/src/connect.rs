//! Which scheduler a command talks to, and as whom.
//!
//! In: `COFFERDAM_URL`, `COFFERDAM_CLIENT_ID`, `COFFERDAM_CLIENT_SECRET`; what a running
//! `cofferdam up` left in the project's folder. Out: a client.
//! Never: takes a secret from the command line. Fails: with `CD0014`.
//! Source: `docs/guides/command-line.md`.

use std::path::Path;

use cofferdam_client::{Client, ClientCredentials, TlsOptions};
use serde::{Deserialize, Serialize};

use crate::{
    failure::{Failure, NO_SCHEDULER, Outcome},
    folder::{self, Folder},
};

/// `up.json`: what a running `cofferdam up` says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpFile {
    /// The scheduler's address.
    pub url: String,
    /// The process of `cofferdam up`.
    pub pid: u32,
    /// What it started: name and process.
    pub children: Vec<(String, u32)>,
}

/// `clients.json`: OAuth clients of the local scheduler.
#[derive(Clone, Serialize, Deserialize)]
pub struct Clients {
    /// For commands.
    pub person: Credentials,
    /// For the run executor.
    pub executor_run: Credentials,
    /// For the apply executor.
    pub executor_apply: Credentials,
}

/// An id and its secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The id.
    pub client_id: String,
    /// The secret.
    pub client_secret: String,
}

/// What the environment says.
#[derive(Clone, Default)]
struct FromEnv {
    url: Option<String>,
    id: Option<String>,
    secret: Option<String>,
    ca_file: Option<String>,
}

impl FromEnv {
    fn read() -> Self {
        let var = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        Self {
            url: var("COFFERDAM_URL"),
            id: var("COFFERDAM_CLIENT_ID"),
            secret: var("COFFERDAM_CLIENT_SECRET"),
            ca_file: var("COFFERDAM_CA_FILE"),
        }
    }
}

/// A client of the scheduler in use.
pub fn connect(project: Option<&Path>) -> Outcome<Client> {
    let env = FromEnv::read();
    let tls = match &env.ca_file {
        Some(file) => TlsOptions::with_ca_file(Path::new(file)).map_err(|e| Failure::of(&e))?,
        None => TlsOptions::native(),
    };
    let (url, credentials) = choose(env, || Folder::find(project))?;
    let credentials = ClientCredentials::new(credentials.client_id, credentials.client_secret);
    Client::new(&url, credentials, tls).map_err(|e| Failure::of(&e))
}

/// The environment first, whole or not at all; otherwise what `up` left.
fn choose(env: FromEnv, folder: impl FnOnce() -> Outcome<Folder>) -> Outcome<(String, Credentials)> {
    match (env.url, env.id, env.secret) {
        (Some(url), Some(client_id), Some(client_secret)) => {
            Ok((url, Credentials { client_id, client_secret }))
        }
        (None, None, None) => {
            let folder = folder()?;
            let up: Option<UpFile> = folder::read_json(&folder.up_file())?;
            let clients: Option<Clients> = folder::read_json(&folder.clients_file())?;
            match (up, clients) {
                (Some(up), Some(clients)) => Ok((up.url, clients.person)),
                _ => Err(Failure::new(
                    NO_SCHEDULER,
                    "no scheduler is known here",
                    "run `cofferdam up` in another terminal, or set COFFERDAM_URL, COFFERDAM_CLIENT_ID and COFFERDAM_CLIENT_SECRET",
                )
                .why("`cofferdam up` is not running in this project, and COFFERDAM_URL is not set")),
            }
        }
        (url, id, secret) => {
            let parts =
                [("COFFERDAM_URL", url), ("COFFERDAM_CLIENT_ID", id), ("COFFERDAM_CLIENT_SECRET", secret)];
            let missing: Vec<_> =
                parts.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
            Err(Failure::new(
                NO_SCHEDULER,
                "the environment names a scheduler in part",
                format!("set {} as well, or none of the three", missing.join(" and ")),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> Outcome<Folder> {
        Ok(Folder::at("/nonexistent"))
    }

    #[test]
    fn the_environment_wins_only_when_it_is_whole() {
        let whole = FromEnv {
            url: Some("https://s.example".into()),
            id: Some("client_1".into()),
            secret: Some("x".into()),
            ca_file: None,
        };
        assert_eq!(choose(whole.clone(), nowhere).unwrap().0, "https://s.example");
        let error = choose(FromEnv { id: None, ..whole }, nowhere).err().unwrap();
        insta::assert_snapshot!(error.render(), @r"
        error[CD0014]: the environment names a scheduler in part
          fix: set COFFERDAM_CLIENT_ID as well, or none of the three
        ");
    }

    #[test]
    fn without_environment_and_up_no_scheduler_is_known() {
        let error = choose(FromEnv::default(), nowhere).err().unwrap();
        assert_eq!(error.exit_code(), 2);
        assert!(error.render().contains("run `cofferdam up`"));
    }
}
