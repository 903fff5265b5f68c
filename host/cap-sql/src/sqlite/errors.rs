//! What SQLite says, in cases a guest can branch on.

use cofferdam_call::Refusal;
use rusqlite::{Error, ErrorCode};

use super::wall::Wall;
use crate::refusals;

/// An engine error for the guest. SQLite's own words name relations and columns, never paths.
pub(super) fn refusal(error: &Error, wall: &Wall) -> Refusal {
    match error {
        Error::SqliteFailure(failure, message) => {
            let message = message.clone().unwrap_or_else(|| failure.to_string());
            by_code(failure.code, &message, wall)
        }
        Error::SqlInputError { error, msg, sql, offset } => {
            let at = usize::try_from(*offset).ok().and_then(|offset| sql.get(..offset)).map(|before| {
                let line = before.matches('\n').count() + 1;
                let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
                format!(" (line {line}, column {column})")
            });
            by_code(error.code, &format!("{msg}{}", at.unwrap_or_default()), wall)
        }
        Error::MultipleStatement => refusals::not_one("one statement at a time"),
        Error::ExecuteReturnedResults => refusals::not_one("the statement returns rows: query it"),
        Error::InvalidParameterCount(given, wanted) => {
            refusals::invalid(format!("the statement takes {wanted} values; {given} were given"))
        }
        Error::NulError(_) => refusals::not_one("a statement holds no NUL character"),
        Error::Utf8Error(..) => refusals::misfit("a text is not UTF-8; CAST it to BLOB in the statement"),
        other => refusals::invalid(other.to_string()),
    }
}

fn by_code(code: ErrorCode, message: &str, wall: &Wall) -> Refusal {
    match code {
        ErrorCode::AuthorizationForStatementDenied => refusals::walled(wall.denied(message)),
        ErrorCode::ConstraintViolation => refusals::constraint(message),
        ErrorCode::PermissionDenied | ErrorCode::ReadOnly => refusals::permission(message),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            refusals::busy("another writer holds the warehouse; try again")
        }
        ErrorCode::OperationInterrupted | ErrorCode::OperationAborted => {
            refusals::interrupted("the statement was stopped")
        }
        ErrorCode::TooBig | ErrorCode::OutOfMemory => {
            refusals::limit(format!("the statement meets a limit of the engine: {message}"))
        }
        ErrorCode::DiskFull => refusals::unavailable("the warehouse's disk is full"),
        ErrorCode::CannotOpen
        | ErrorCode::SystemIoFailure
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::NotADatabase
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::NoLargeFileSupport => {
            refusals::unavailable("the warehouse's files cannot be read or written")
        }
        _ => refusals::invalid(message),
    }
}
