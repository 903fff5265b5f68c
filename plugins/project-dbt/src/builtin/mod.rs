//! The macros of the package `dbt`, which every project has: written for this crate and part of it.
//!
//! In: nothing. Out: files with macros, for a [`crate::jinja::Library`].
//! Never: read from a release; a project overrides a macro by one of the same name.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions/cross-database-macros>, and the
//! behaviour of dbt's own package.

/// The package's name.
pub const PACKAGE: &str = "dbt";

/// Every file: its path in the package, and its text.
pub const FILES: &[(&str, &str)] = &[
    ("macros/names.sql", include_str!("names.sql")),
    ("macros/statements.sql", include_str!("statements.sql")),
    ("macros/types.sql", include_str!("types.sql")),
    ("macros/text.sql", include_str!("text.sql")),
    ("macros/dates.sql", include_str!("dates.sql")),
    ("macros/tests.sql", include_str!("tests.sql")),
    ("macros/relations.sql", include_str!("relations.sql")),
    ("macros/create.sql", include_str!("create.sql")),
    ("macros/incremental.sql", include_str!("incremental.sql")),
    ("macros/materializations.sql", include_str!("materializations.sql")),
    ("macros/snapshot.sql", include_str!("snapshot.sql")),
];
