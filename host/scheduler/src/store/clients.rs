//! Clients and tokens: who may call. Secrets and tokens are kept as digests alone.

use std::path::Path;

use cofferdam_ids::{Sha256Digest, Timestamp};
use serde::Serialize;
use sqlx::{Row as _, SqlitePool};
use subtle::ConstantTimeEq as _;

use super::{
    database_time, open_database,
    words::{from_word, word},
};
use crate::{StartError, limits::NAME_BYTES_MAX};

/// What a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ClientKind {
    /// An executor: polls, renews, reports, fetches.
    Executor,
    /// A person or CI: pushes, starts, watches.
    Person,
}

/// A client that was just made; the secret is shown once.
#[derive(Clone, Serialize)]
pub struct NewClient {
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// A client as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientView {
    /// Its id.
    pub client_id: String,
    /// Its kind.
    pub kind: ClientKind,
    /// Its name.
    pub name: String,
    /// Keys it may enrol.
    pub keys_max: u32,
    /// Keys it has enrolled.
    pub keys: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// Who makes a call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) client: String,
    pub(crate) name: String,
    pub(crate) kind: ClientKind,
    pub(crate) keys_max: u32,
}

/// Random bytes as lower-case hex.
pub(crate) fn random_text() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Sha256Digest::from_bytes(bytes).to_string())
}

/// Makes a client in the store of a folder, whether a scheduler runs on it or not.
pub async fn create(
    data: &Path,
    kind: ClientKind,
    name: &str,
    keys_max: u32,
) -> Result<NewClient, StartError> {
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(StartError::BadClient("the name is empty, too long or has control characters".into()));
    }
    if !(1..=1000).contains(&keys_max) {
        return Err(StartError::BadClient("the number of keys is out of range".into()));
    }
    let broken = |source: Box<dyn std::error::Error + Send + Sync>| StartError::Store {
        path: data.to_owned(),
        source,
    };
    let secret = random_text().map_err(|e| broken(e.to_string().into()))?;
    let id = format!("client_{}", uuid::Uuid::now_v7().simple());
    let mut connection = open_database(data).await?;
    let now = database_time(&mut connection).await.map_err(|e| broken(e.into()))?;
    sqlx::query(
        "INSERT INTO clients (id, kind, name, secret_sha256, keys_max, created_at) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(&id)
    .bind(word(&kind))
    .bind(name)
    .bind(Sha256Digest::of(secret.as_bytes()).as_bytes().as_slice())
    .bind(keys_max)
    .bind(now.as_millis())
    .execute(&mut connection)
    .await
    .map_err(|e| broken(e.into()))?;
    Ok(NewClient { client_id: id, client_secret: secret })
}

/// All clients of a folder's store.
pub async fn list(data: &Path) -> Result<Vec<ClientView>, StartError> {
    let broken = |e: sqlx::Error| StartError::Store { path: data.to_owned(), source: e.into() };
    let mut connection = open_database(data).await?;
    let rows = sqlx::query(
        "SELECT id, kind, name, keys_max, created_at, revoked_at,
                (SELECT count(*) FROM executors WHERE client = clients.id) AS keys
         FROM clients ORDER BY created_at, id",
    )
    .fetch_all(&mut connection)
    .await
    .map_err(broken)?;
    let view = |row: &sqlx::sqlite::SqliteRow| -> Result<ClientView, sqlx::Error> {
        Ok(ClientView {
            client_id: row.try_get("id")?,
            kind: from_word(row.try_get("kind")?)?,
            name: row.try_get("name")?,
            keys_max: row.try_get("keys_max")?,
            keys: row.try_get("keys")?,
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            revoked_at: row.try_get::<Option<i64>, _>("revoked_at")?.map(Timestamp::from_millis),
        })
    };
    rows.iter().map(view).collect::<Result<_, _>>().map_err(broken)
}

/// Revokes a client: its secret and its tokens are worth nothing from now on.
pub async fn revoke(data: &Path, id: &str) -> Result<(), StartError> {
    change(data, id, "UPDATE clients SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1").await
}

/// Forgets the keys a client has enrolled, so that others can be.
pub async fn forget_keys(data: &Path, id: &str) -> Result<(), StartError> {
    change(data, id, "UPDATE clients SET kind = kind WHERE id = ?1").await?;
    let broken = |e: sqlx::Error| StartError::Store { path: data.to_owned(), source: e.into() };
    let mut connection = open_database(data).await?;
    let sql = "DELETE FROM executors WHERE client = ?";
    sqlx::query(sql).bind(id).execute(&mut connection).await.map_err(broken)?;
    Ok(())
}

async fn change(data: &Path, id: &str, sql: &'static str) -> Result<(), StartError> {
    let broken = |e: sqlx::Error| StartError::Store { path: data.to_owned(), source: e.into() };
    let mut connection = open_database(data).await?;
    let now = database_time(&mut connection).await.map_err(broken)?;
    let query = sqlx::query(sql).bind(id).bind(now.as_millis());
    let done = query.execute(&mut connection).await.map_err(broken)?;
    if done.rows_affected() == 0 { Err(StartError::NoClient(id.to_owned())) } else { Ok(()) }
}

/// The client of an id and secret, if they belong together.
pub(crate) async fn check_secret(
    readers: &SqlitePool,
    id: &str,
    secret: &str,
) -> Result<Option<String>, sqlx::Error> {
    let sql = "SELECT secret_sha256 FROM clients WHERE id = ? AND revoked_at IS NULL";
    let kept: Option<Vec<u8>> = sqlx::query_scalar(sql).bind(id).fetch_optional(readers).await?;
    let given = Sha256Digest::of(secret.as_bytes());
    // An unknown client is compared as well, so that it takes as long as a known one.
    let against = kept.as_deref().unwrap_or(&[0; 32]);
    let equal = bool::from(given.as_bytes().as_slice().ct_eq(against));
    Ok((equal && kept.is_some()).then(|| id.to_owned()))
}

/// The caller behind a token, if it is good.
pub(crate) async fn check_token(readers: &SqlitePool, token: &str) -> Result<Option<Caller>, sqlx::Error> {
    // Found by the digest of 32 random bytes: how long the search takes says nothing about a token.
    let row = sqlx::query(
        "SELECT c.id, c.name, c.kind, c.keys_max FROM tokens t JOIN clients c ON c.id = t.client
         WHERE t.sha256 = ? AND t.expires_at > CAST(unixepoch('subsec') * 1000 AS INTEGER)
           AND c.revoked_at IS NULL",
    )
    .bind(Sha256Digest::of(token.as_bytes()).as_bytes().as_slice())
    .fetch_optional(readers)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Caller {
        client: row.try_get("id")?,
        name: row.try_get("name")?,
        kind: from_word(row.try_get("kind")?)?,
        keys_max: row.try_get("keys_max")?,
    }))
}
