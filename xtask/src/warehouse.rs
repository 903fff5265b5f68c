//! Looks into the demo's warehouse from outside, as its owner would.

use std::path::Path;

use anyhow::{Context as _, Result};
use rusqlite::{Connection, OpenFlags};

/// One table or view and how many rows it has.
pub(crate) struct Landed {
    /// `schema.name`.
    pub(crate) name: String,
    /// `table` or `view`.
    pub(crate) kind: String,
    /// Its rows.
    pub(crate) rows: u64,
}

/// What stands in the schemas of a warehouse: files `warehouse.<schema>.db` beside the main one.
pub(crate) fn landed(main: &Path, schemas: &[&str]) -> Result<Vec<Landed>> {
    let connection = Connection::open_with_flags(main, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| format!("no warehouse at {}", main.display()))?;
    let mut landed = Vec::new();
    for schema in schemas {
        let file = main.with_extension(format!("{schema}.db"));
        if !file.exists() {
            continue;
        }
        connection.execute(&format!("ATTACH ? AS \"{schema}\""), [file.to_string_lossy()])?;
    }
    for schema in schemas {
        let Ok(mut names) = connection.prepare(&format!(
            "SELECT name, type FROM \"{schema}\".sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )) else {
            continue;
        };
        let names: Vec<(String, String)> =
            names.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        for (name, kind) in names {
            let count = format!("SELECT count(*) FROM \"{schema}\".\"{name}\"");
            let rows: i64 = connection.query_row(&count, [], |row| row.get(0)).unwrap_or(0);
            landed.push(Landed { name: format!("{schema}.{name}"), kind, rows: rows.unsigned_abs() });
        }
    }
    Ok(landed)
}
