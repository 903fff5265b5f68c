//! The failures of SQL sessions, each with its code.

use cofferdam_call::{FailureKind, Refusal};
use cofferdam_ids::Code;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident => $kind:ident $code:literal;)+) => {$(
        $(#[$doc])*
        pub(crate) fn $name(message: impl AsRef<str>) -> Refusal {
            Refusal::new(FailureKind::$kind, Code($code), message)
        }
    )+};
}

refusals! {
    /// The statement is wrong.
    invalid => Invalid 301;
    /// A constraint does not hold.
    constraint => Constraint 302;
    /// The warehouse's own role lacks the right.
    permission => Permission 303;
    /// The engine's own wall refused what the statement does.
    walled => Refused 304;
    /// Busy for too long.
    busy => Transient 305;
    /// The warehouse cannot be reached or is damaged.
    unavailable => Unavailable 306;
    /// A limit of the session.
    limit => Limit 307;
    /// Stopped in the middle.
    interrupted => Cancelled 308;
    /// Not exactly one statement, or one of the wrong sort.
    not_one => Invalid 309;
    /// Begin, commit or load at the wrong time.
    out_of_turn => Invalid 310;
    /// A value that is not of its column's type.
    misfit => Invalid 311;
    /// A frame that cannot be loaded.
    bad_frame => Invalid 312;
    /// No such gateway here.
    unknown_gateway => Unavailable 313;
    /// Rows left unread for too long.
    unread => Limit 315;
}
