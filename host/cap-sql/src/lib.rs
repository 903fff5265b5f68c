//! SQL sessions: the drivers that hold the connection and the credential.
//!
//! In: gateway settings, and statements the broker has decided on. Out: counts, and rows as
//! frames of Arrow IPC.
//! Never: decides by itself whether a statement is granted; but an engine that can hold a wall of
//! its own ([`SessionWall`]) refuses whatever the broker may have misread.
//! Fails: with a [`Refusal`](cofferdam_call::Refusal) for the guest, `CD0301` to `CD0337`; settings fail with
//! [`GatewaysProblem`].
//! Source: `docs/adr/0002-one-door.md`, `docs/adr/0011-sqlite-schemas-as-attached-files.md`.

mod calendar;
mod cancel;
mod driver;
mod frames;
mod gateways;
mod load;
mod mysql;
mod net;
mod pool;
mod postgres;
mod refusals;
mod remote;
mod settings;
mod sqlite;
mod turn;
mod types;

pub use cancel::{CancelToken, OnCancel};
pub use driver::{
    Engine, Finding, Holder, Opening, Peer, PoolState, RelationRule, RowsId, SessionWall, SqlDriver,
    SqlSession, Verdict,
};
pub use gateways::{AboutGateway, GatewayKeeper, Gateways, GatewaysProblem, Origin};
pub use load::FrameDecoder;
pub use mysql::Mysql;
pub use net::{Address, TlsMode, TlsSettings};
pub use pool::{Connect, Lent, Pool};
pub use postgres::{Postgres, PostgresConnect};
pub use remote::{Allowances, Credential};
pub use settings::{
    CONNECTIONS_DEFAULT, CONNECTIONS_MAX, FENCE_SCHEMA_DEFAULT, Key, Keys, LOCK_TIMEOUT_DEFAULT, OneKey,
    STATEMENT_TIMEOUT_DEFAULT, ServerSettings,
};
pub use sqlite::{Place, SCHEMAS_MAX, Sqlite, SqliteSettings};
