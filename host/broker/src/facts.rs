//! A call as the ledger records it.

use cofferdam_call::{Access, Call, CallKind, KEPT_NAME_BYTES_MAX, Refusal};
use cofferdam_grants::{Allowed, Dialect};
use cofferdam_ids::Code;
use cofferdam_ledger::{GrantRef, StatementFacts, Target};

use crate::{
    handles::Facts,
    weigh::{Weighed, WeighedStatement},
};

/// Relations of one statement that are named in its record.
const RELATIONS_MAX: usize = 200;

/// How a call is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recording {
    /// It can change something outside: the intent is durable before it is performed.
    Effect,
    /// It changes nothing outside by itself: the intent is queued before it is performed, and is
    /// durable before any later effect, because the ledger is written in order.
    Quiet,
    /// Words and numbers for the customer's log: counted, and told when the attempt ends.
    Counted,
}

/// How a call is recorded. A statement counts as an effect unless it is known to read only, or to
/// last no longer than the transaction it is in: then the commit is the effect.
pub(crate) fn recording(call: &Call, weighed: &Weighed) -> Recording {
    match call {
        Call::SqlQuery { .. } | Call::SqlExecute { .. } => {
            let (Some(session), Some(statement)) = (&weighed.session, &weighed.statement) else {
                return Recording::Effect;
            };
            let is_read = matches!(call, Call::SqlQuery { .. })
                && (session.access == Access::Read || reads_only(statement));
            if is_read || ends_with_its_transaction(session, statement) {
                Recording::Quiet
            } else {
                Recording::Effect
            }
        }
        Call::SqlCommit { .. } | Call::SqlLoadFinish { .. } => Recording::Effect,
        Call::SqlOpen { .. }
        | Call::SqlNext { .. }
        | Call::SqlBegin { .. }
        | Call::SqlRollback { .. }
        | Call::SqlLoad { .. }
        | Call::SqlLoadWrite { .. }
        | Call::FileList { .. }
        | Call::FileRead { .. }
        | Call::Keep { .. }
        | Call::ReadKept { .. } => Recording::Quiet,
        Call::Close { .. } | Call::Log { .. } | Call::Progress { .. } => Recording::Counted,
    }
}

fn reads_only(statement: &WeighedStatement) -> bool {
    let reading = &statement.reading;
    reading.problem.is_none() && reading.writes.is_empty() && reading.kind.is_some_and(|kind| kind.is_read())
}

/// Whether nothing of it can outlast the open transaction but by its commit: the engine undoes
/// relations too, and the reader knows all that the statement does.
fn ends_with_its_transaction(session: &Facts, statement: &WeighedStatement) -> bool {
    session.in_transaction && session.dialect != Dialect::Mysql && statement.reading.problem.is_none()
}

/// Whether the warehouse stopped what was stopped here, as its driver's code says.
pub(crate) fn cancel(refusal: &Refusal) -> Option<&'static str> {
    match refusal.code {
        Code(308) => Some("confirmed"),
        Code(316) => Some("unconfirmed"),
        _ => None,
    }
}

/// A call's name in the ledger.
pub(crate) fn capability(kind: CallKind) -> &'static str {
    match kind {
        CallKind::SqlOpen => "sql_open",
        CallKind::SqlQuery => "sql_query",
        CallKind::SqlNext => "sql_next",
        CallKind::SqlExecute => "sql_execute",
        CallKind::SqlBegin => "sql_begin",
        CallKind::SqlCommit => "sql_commit",
        CallKind::SqlRollback => "sql_rollback",
        CallKind::SqlLoad => "sql_load",
        CallKind::SqlLoadWrite => "sql_load_write",
        CallKind::SqlLoadFinish => "sql_load_finish",
        CallKind::Close => "close",
        CallKind::FileList => "file_list",
        CallKind::FileRead => "file_read",
        CallKind::Log => "log",
        CallKind::Progress => "progress",
        CallKind::Keep => "keep",
        CallKind::ReadKept => "read_kept",
    }
}

pub(crate) fn target(call: &Call, weighed: &Weighed) -> Option<Target> {
    match call {
        Call::Keep { name } | Call::ReadKept { name, .. } => Some(Target::Kept {
            name: cofferdam_call::shorten(&crate::log::clean(name), KEPT_NAME_BYTES_MAX),
            sha256: weighed.kept,
        }),
        Call::SqlOpen { gateway, access } => {
            Some(Target::Gateway { name: gateway.clone(), access: access.to_string() })
        }
        Call::FileList { prefix: path } | Call::FileRead { path, .. } => {
            Some(Target::File(cofferdam_call::shorten(path, 1024)))
        }
        _ => weighed.session.as_ref().map(|session| Target::Gateway {
            name: session.gateway.clone(),
            access: session.access.to_string(),
        }),
    }
}

pub(crate) fn statement(call: &Call, weighed: &Weighed) -> Option<StatementFacts> {
    if let Call::SqlLoad { table, .. } = call {
        let table = table.iter().map(|part| cofferdam_call::shorten(part, 255)).collect::<Vec<_>>();
        return Some(StatementFacts {
            sha256: cofferdam_ids::Sha256Digest::of(b""),
            kind: "load".to_owned(),
            reads: Vec::new(),
            writes: vec![cofferdam_call::shorten(&table.join("."), 1024)],
            found: "named".to_owned(),
            values: 0,
        });
    }
    let statement = weighed.statement.as_ref()?;
    let reading = &statement.reading;
    let found = match (&reading.problem, statement.signed) {
        (_, true) => "signed",
        (Some(_), false) => "none",
        (None, false) => "parsed",
    };
    Some(StatementFacts {
        sha256: statement.sha256,
        kind: reading.kind.map_or_else(|| "unread".to_owned(), |kind| kind.to_string()),
        reads: names(reading.reads.iter()),
        writes: names(reading.writes.iter()),
        found: found.to_owned(),
        values: statement.values,
    })
}

fn names<T: std::fmt::Display>(relations: impl ExactSizeIterator<Item = T>) -> Vec<String> {
    let more = relations.len().saturating_sub(RELATIONS_MAX);
    let mut names: Vec<String> = relations
        .take(RELATIONS_MAX)
        .map(|relation| cofferdam_call::shorten(&relation.to_string(), 520))
        .collect();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names
}

pub(crate) fn grant(allowed: &Allowed) -> GrantRef {
    GrantRef { id: allowed.grant.clone(), sha256: allowed.grant_sha256, line: allowed.line }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cofferdam_grants::read_statement;
    use cofferdam_ids::{GatewayName, Sha256Digest};

    use super::*;

    fn recorded(statement: &str, dialect: Dialect, in_transaction: bool) -> Recording {
        let session = Facts {
            gateway: GatewayName::new("wh").unwrap(),
            access: Access::Write,
            dialect,
            default_schema: "main".into(),
            in_transaction,
        };
        let statement_of_it = WeighedStatement {
            sha256: Sha256Digest::of(statement.as_bytes()),
            reading: Arc::new(read_statement(statement, dialect, "main")),
            values: 0,
            signed: true,
        };
        let call = Call::SqlExecute {
            session: cofferdam_call::Handle(1),
            statement: statement.to_owned(),
            values: Vec::new(),
        };
        let (session, statement) = (Some(session), Some(statement_of_it));
        recording(&call, &Weighed { session, statement, ..Weighed::unknown() })
    }

    #[test]
    fn only_what_is_known_to_end_with_its_transaction_waits_for_the_commit() {
        let create = "create view marts.v as select 1 as id";
        assert_eq!(recorded(create, Dialect::Postgres, true), Recording::Quiet);
        assert_eq!(recorded(create, Dialect::Sqlite, true), Recording::Quiet);
        assert_eq!(recorded(create, Dialect::Postgres, false), Recording::Effect);
        assert_eq!(recorded(create, Dialect::Mysql, true), Recording::Effect, "it commits by itself");
        let unread = "select dblink_exec('x', 'drop table t')";
        assert_eq!(recorded(unread, Dialect::Postgres, true), Recording::Effect, "whoever signed it");
    }
}
