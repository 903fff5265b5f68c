//! The scheduler a command works with: one that is up, one that is named, or one of its own.
//!
//! In: the project's folder and its configuration. Out: a [`Session`].
//! Never: starts a second scheduler in a folder, or leaves its own behind.
//! Fails: as `cofferdam up` does.
//! Source: `docs/guides/move-a-dbt-project.md`.

use std::path::PathBuf;

use cofferdam_client::Client;
use cofferdam_ids::{Role, Timestamp};

use super::outcome::Objects;
use crate::{
    config::Config,
    connect::connect,
    failure::Outcome,
    folder::Folder,
    up::{self, Options},
};

/// A scheduler in use.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) objects: Objects,
    /// Whether the scheduler and its executors belong to this folder.
    pub(crate) is_local: bool,
    /// Whether they were up before.
    pub(crate) was_up: bool,
    own: Option<up::Session>,
}

impl Session {
    /// Connects, or starts what there is to connect to.
    pub(crate) async fn open(
        folder: &Folder,
        config: &Config,
        threads: u32,
        now: Timestamp,
    ) -> Outcome<Self> {
        let named = std::env::var_os("COFFERDAM_URL").is_some_and(|url| !url.is_empty());
        let objects = std::env::var_os("COFFERDAM_OBJECTS").map(PathBuf::from);
        let objects = Objects::at(objects.unwrap_or_else(|| folder.inner("executor-run/objects")));
        let own = if named {
            None
        } else {
            let options = Options { slots: threads, listen: "127.0.0.1:0".to_owned() };
            up::begin(folder, config, &options, &[Role::Run], now).await?
        };
        match connect(Some(folder.root())) {
            Ok(client) => {
                Ok(Self { client, objects, is_local: !named, was_up: own.is_none() && !named, own })
            }
            Err(failure) => {
                if let Some(own) = own {
                    own.stop().await;
                }
                Err(failure)
            }
        }
    }

    /// Stops what this command started.
    pub(crate) async fn close(self) {
        if let Some(own) = self.own {
            own.stop().await;
        }
    }
}
