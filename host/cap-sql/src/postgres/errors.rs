//! What the server says went wrong, in cases a guest can branch on.
//!
//! Only the first line a server says of an error is passed on; its detail, hint and context are
//! not read: they hold values of rows more often than not. The first line may still hold a value
//! of the statement's own, so it goes to the guest and no further.

use cofferdam_call::Refusal;

use super::wire::WireError;
use crate::{
    net::{LinkError, Stop},
    refusals,
};

/// The error of a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerError {
    /// SQLSTATE, five characters.
    pub(super) code: String,
    /// The first line.
    pub(super) message: String,
    /// The character of the statement it is about, from 1.
    position: Option<usize>,
}

impl ServerError {
    /// Reads the fields of an `ErrorResponse`.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut error = Self::default();
        for field in body.split(|byte| *byte == 0) {
            let Some((kind, text)) = field.split_first() else { continue };
            let text = || String::from_utf8_lossy(text).into_owned();
            match kind {
                b'C' => error.code = text(),
                b'M' => error.message = text(),
                b'P' => error.position = text().parse().ok(),
                _ => {}
            }
        }
        error
    }

    /// For the guest; the place in `statement` is said in lines and columns.
    pub(super) fn refusal(&self, statement: &str) -> Refusal {
        let place = self.position.and_then(|position| {
            let before: String = statement.chars().take(position.checked_sub(1)?).collect();
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            Some(format!(" (line {line}, column {column})"))
        });
        let message = format!("{}{}", self.message, place.unwrap_or_default());
        self.by_code(&message)
    }

    fn by_code(&self, message: &str) -> Refusal {
        let code = self.code.as_str();
        match code {
            "40001" | "40P01" => return refusals::conflict(format!("{message}; try again")),
            "55P03" => return refusals::busy(format!("{message}; try again")),
            "57014" => return refusals::interrupted(format!("{message}; cancel confirmed")),
            "53100" => return refusals::disk_full("the warehouse's disk is full"),
            "53300" => return refusals::busy("the warehouse has no connection left; try again"),
            "42501" => return refusals::permission(message),
            "25006" => return refusals::permission("the session reads only"),
            "42601" if message.contains("multiple commands") => {
                return refusals::not_one("one statement at a time");
            }
            _ => {}
        }
        match code.get(..2).unwrap_or_default() {
            "08" | "57" | "F0" | "XX" => refusals::unavailable(message),
            "23" => refusals::constraint(message),
            "28" => refusals::permission(message),
            "53" | "58" => refusals::unavailable(format!("the warehouse lacks a resource: {message}")),
            "54" => refusals::limit(message),
            "40" => refusals::conflict(message),
            _ => refusals::invalid(message),
        }
    }

    /// For a login that failed. The server's words name hosts and databases, so they are dropped.
    pub(super) fn at_login(&self) -> Refusal {
        match self.code.as_str() {
            "28P01" => refusals::login("the warehouse refuses the gateway's role or its password"),
            "28000" => refusals::login(
                "the warehouse refuses the gateway's role: it may not log in from here, or not in this way",
            ),
            "3D000" => refusals::unavailable("the gateway's database does not exist"),
            "42501" => refusals::login("the gateway's role may not connect to the database"),
            "53300" => refusals::busy("the warehouse has no connection left; try again"),
            "57P03" => refusals::unavailable("the warehouse is starting or ending"),
            code => refusals::unavailable(format!("the warehouse refuses a session (SQLSTATE {code})")),
        }
    }
}

/// Why something that was asked of the server was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server refused; the conversation goes on.
    Server(ServerError),
    /// Refused on this side; the conversation goes on.
    Here(Refusal),
    /// The wait ended in the middle: what runs has to be stopped.
    Stop(Stop),
    /// The connection is of no use any more.
    Broken(Refusal),
}

impl From<WireError> for Fault {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Link(LinkError::Stop(stop)) => Self::Stop(stop),
            other => Self::Broken(other.refusal()),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Here(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, message: &str) -> ServerError {
        let body = format!("SERROR\0VERROR\0C{code}\0M{message}\0DKey (id)=(4111) exists\0Hhint\0P9\0\0");
        ServerError::read(body.as_bytes())
    }

    #[test]
    fn detail_and_hint_are_dropped_and_the_place_is_said() {
        let refusal = error("42601", "syntax error at or near \"x\"").refusal("select\n x");
        assert_eq!(refusal.to_string(), "CD0301: syntax error at or near \"x\" (line 2, column 2)");
    }

    #[test]
    fn every_state_has_its_case() {
        let codes: Vec<_> = [
            "40001", "40P01", "55P03", "57014", "53100", "53300", "42501", "25006", "23505", "08006",
            "57P01", "22P02", "54001", "58030", "XX000",
        ]
        .iter()
        .map(|code| format!("{code} {}", error(code, "m").refusal("").code))
        .collect();
        assert_eq!(
            codes.join(", "),
            "40001 CD0334, 40P01 CD0334, 55P03 CD0305, 57014 CD0308, 53100 CD0332, 53300 CD0305, 42501 CD0303, \
             25006 CD0303, 23505 CD0302, 08006 CD0306, 57P01 CD0306, 22P02 CD0301, 54001 CD0307, 58030 CD0306, \
             XX000 CD0306"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_an_error(body: Vec<u8>, statement: String) {
            let _ = ServerError::read(&body).refusal(&statement);
        }
    }
}
