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
    /// Stopped here, but nobody knows whether the warehouse stopped too.
    unconfirmed => Unavailable 316;
    /// TLS is refused, or the server is not the one it should be.
    untrusted => Unavailable 317;
    /// The server asks for a login that is not allowed, or refuses ours.
    login => Unavailable 318;
    /// The gateway's role may do what no role of a gateway should.
    over_privileged => Unavailable 319;
    /// A later attempt of the task has the fence.
    stale => Cancelled 326;
    /// The fence's table is not there and cannot be made.
    no_fence => Permission 327;
    /// The warehouse's disk is full.
    disk_full => Unavailable 332;
    /// The server breaks its own protocol.
    protocol => Unavailable 333;
    /// Two transactions stood in each other's way.
    conflict => Transient 334;
    /// No connection of the pool came free.
    crowded => Transient 328;
    /// There is no credential for the mode, or it cannot be had.
    no_credential => Unavailable 329;
}
