//! What an operator should know of a SQLite gateway.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use cofferdam_call::Access;
use rusqlite::Connection;

use super::{
    fence,
    setup::{self, Files},
};
use crate::driver::Finding;

/// Opens the files as a session of that mode would, and looks.
pub(super) fn inspect(files: &Files, access: Access) -> Vec<Finding> {
    let connection = match setup::connect(files, access) {
        Ok(connection) => connection,
        Err(_) => return vec![Finding::wrong(format!("the files cannot be opened in mode `{access}`"))],
    };
    let schemas: Vec<_> = files.all().map(|(schema, _)| format!("`{schema}`")).collect();
    let mut findings = vec![Finding::good(format!("the files of {} can be opened", schemas.join(", ")))];
    for (schema, path) in files.all() {
        if !is_wal(&connection, schema) {
            let text = format!(
                "`{schema}` is not in WAL mode, so readers and writers stop each other: close other programs that \
                 hold the file, and start the executor again"
            );
            findings.push(Finding::weak(text));
        }
        if others_reach(path) {
            let text = format!(
                "other users of this machine can reach the file of `{schema}`: take their rights to it or to its \
                 folder (mode 0700)"
            );
            findings.push(Finding::weak(text));
        }
    }
    findings.push(match has_fence(&connection) {
        true => Finding::good("the fence's table is there"),
        false => Finding::wrong(fence::broken().message),
    });
    findings.sort_by_key(|finding| finding.verdict);
    findings
}

fn is_wal(connection: &Connection, schema: &str) -> bool {
    let mode = connection.pragma_query_value(Some(schema), "journal_mode", |row| row.get::<_, String>(0));
    mode.is_ok_and(|mode| mode.eq_ignore_ascii_case("wal"))
}

fn has_fence(connection: &Connection) -> bool {
    let columns = "SELECT project, task, step, run, fence, rows, at FROM main.cofferdam_fence LIMIT 0";
    connection.prepare(columns).is_ok()
}

fn others_reach(path: &Path) -> bool {
    let mode = |path: &Path| path.metadata().map_or(0, |meta| meta.mode());
    let folder = path.parent().map_or(0, mode);
    let (through_folder, file) = ((folder & 0o1) != 0, mode(path));
    through_folder && file & 0o006 != 0
}
