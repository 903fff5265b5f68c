//! Stops an attempt from outside its lane.

use cofferdam_call::{FailureKind, Refusal};
use cofferdam_cap_sql::CancelToken;
use cofferdam_ids::Code;

/// Why an attempt is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// Its time on the wall clock is over.
    WallClock,
    /// Somebody asked for it.
    Asked,
    /// Its lease was lost: another executor may already be trying.
    LeaseLost,
}

impl CancelReason {
    /// The stable code.
    pub fn code(self) -> Code {
        match self {
            Self::WallClock => Code(410),
            Self::Asked => Code(411),
            Self::LeaseLost => Code(412),
        }
    }

    pub(crate) fn refusal(self) -> Refusal {
        let message = match self {
            Self::WallClock => "the attempt's time is over; nothing more is performed",
            Self::Asked => "the attempt is being cancelled; nothing more is performed",
            Self::LeaseLost => "the attempt's lease is lost; nothing more is performed",
        };
        Refusal::new(FailureKind::Cancelled, self.code(), message)
    }
}

/// Stops an attempt: interrupts the SQL it runs, and makes every later call answer `cancelled`.
/// May be kept and used by any thread, also after the attempt has ended.
#[derive(Clone, Debug)]
pub struct Canceller(pub(crate) CancelToken);

impl Canceller {
    /// Stops the attempt. Only the first reason counts.
    pub fn cancel(&self, reason: CancelReason) {
        self.0.cancel(reason.refusal());
    }

    /// Whether the attempt was stopped.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}
