//! Clients and tokens: who may call. Secrets and tokens are kept as digests alone.

use std::path::Path;

use cofferdam_ids::{Sha256Digest, Timestamp};
use serde::Serialize;
use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};
use subtle::ConstantTimeEq as _;

use super::{
    database_time, open_database,
    read::{EnrolledKey, Keys},
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
    let view = |row: &SqliteRow| -> Result<ClientView, sqlx::Error> {
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

/// The caller behind a token, if it is good, and the keys it has enrolled: one question, since
/// executors ask it with every call.
pub(crate) async fn check_token(
    readers: &SqlitePool,
    token: &str,
) -> Result<Option<(Caller, Keys)>, sqlx::Error> {
    // Found by the digest of 32 random bytes: how long the search takes says nothing about a token.
    let rows = sqlx::query(
        "SELECT c.id AS client, c.name AS called, c.kind, c.keys_max, e.id, e.public, e.cluster, e.pool, e.role
         FROM tokens t JOIN clients c ON c.id = t.client LEFT JOIN executors e ON e.client = c.id
         WHERE t.sha256 = ? AND t.expires_at > CAST(unixepoch('subsec') * 1000 AS INTEGER)
           AND c.revoked_at IS NULL",
    )
    .bind(Sha256Digest::of(token.as_bytes()).as_bytes().as_slice())
    .fetch_all(readers)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let mut keys = Keys::new();
    for row in &rows {
        let Some(id) = row.try_get::<Option<&str>, _>("id")? else { continue };
        let key = EnrolledKey {
            public: row.try_get("public")?,
            cluster: from_word(row.try_get("cluster")?)?,
            pool: from_word(row.try_get("pool")?)?,
            role: from_word(row.try_get("role")?)?,
        };
        keys.insert(from_word(id)?, key);
    }
    Ok(Some((caller(first)?, keys)))
}

fn caller(row: &SqliteRow) -> Result<Caller, sqlx::Error> {
    Ok(Caller {
        client: row.try_get("client")?,
        name: row.try_get("called")?,
        kind: from_word(row.try_get("kind")?)?,
        keys_max: row.try_get("keys_max")?,
    })
}
