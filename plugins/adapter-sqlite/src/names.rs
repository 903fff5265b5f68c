//! Names as SQLite writes them.

use cofferdam_sdk::adapter::Naming;

/// The schema of the gateway's main file.
pub(crate) const DEFAULT_SCHEMA: &str = "main";

/// SQLite keeps names of any length; the contract's are the limit.
pub(crate) static NAMING: Naming =
    Naming { dialect: "sqlite", warehouse: "SQLite", mark: '"', bytes_max: 1_000 };

/// An identifier in quotes.
pub(crate) fn quote(name: &str) -> String {
    NAMING.quote(name)
}
