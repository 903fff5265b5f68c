//! The one door: decide, record, perform, record.
//!
//! In: every [`Call`](cofferdam_call::Call) of one attempt, from its runner's lane. Out: its reply or refusal, and the
//! ledger's records of it.
//! Never: runs guest code; performs a call that was not decided on and recorded; tells a guest a
//! secret, a host path or a host address.
//! Fails: closed. What cannot be decided or recorded is not performed; the guest gets a
//! [`Refusal`](cofferdam_call::Refusal) it can branch on.
//! Source: `docs/adr/0002-one-door.md`.

mod canceller;
mod context;
mod door;
mod earlier;
mod facts;
mod handles;
mod lane;
mod log;
mod perform;
mod refusals;
mod rights;
mod weigh;

pub use cofferdam_cap_sql::{
    AboutGateway, Engine, Finding, GatewayKeeper, Gateways, GatewaysProblem, Origin, PoolState, Verdict,
};

pub use canceller::{CancelReason, Canceller};
pub use context::{AttemptContext, AttemptIds, Counts};
pub use door::{Door, RECORDS_MAX};
pub use earlier::{Earlier, KeptPage, NothingEarlier};
pub use lane::{LANE_GRACE, LaneEnd, serve_lane, serve_lane_within};
pub use log::{FileLog, LogSink, NoLog};
pub use rights::{DescribeRights, Rights};
