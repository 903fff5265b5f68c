//! What is signed. Every body is strict JSON: unknown and duplicate keys are refused, numbers are
//! integers. The body's bytes are what is signed; nothing is ever serialised again to verify it.

mod dispatch;
mod poll;
mod release;
mod report;
mod root;

pub use dispatch::{Argument, Dispatch, RunReason};
pub use poll::{LedgerHead, Poll, Wanted};
pub use release::{
    Audience, FileEntry, GatewayPlugin, Job, Parameter, ParameterSource, ParameterType, PluginEntry,
    Provenance, Release, ReleasedTask, ReportField, Request, Retry, SchedulePolicy, SqlMode, TaskLimits,
};
pub use report::{Phase, Report, ReportState};
pub use root::{RoleKeys, Roles, RootKey, TrustRoot};

/// The `spec` every statement carries today.
pub const SPEC: u32 = 1;

/// What a signed body is. Each slot of the protocol takes exactly one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// The trust root.
    Root,
    /// What may run.
    Release,
    /// What runs here, now, once.
    Dispatch,
    /// An executor asks for work.
    Poll,
    /// What came of it.
    Report,
}

impl StatementKind {
    /// The DSSE payload type.
    pub const fn payload_type(self) -> &'static str {
        match self {
            Self::Root => "application/vnd.cofferdam.root.v1+json",
            Self::Release => "application/vnd.cofferdam.release.v1+json",
            Self::Dispatch => "application/vnd.cofferdam.dispatch.v1+json",
            Self::Poll => "application/vnd.cofferdam.poll.v1+json",
            Self::Report => "application/vnd.cofferdam.report.v1+json",
        }
    }

    /// The body's `type` field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Release => "release",
            Self::Dispatch => "dispatch",
            Self::Poll => "poll",
            Self::Report => "report",
        }
    }
}

/// A body that can be signed: which kind it is.
pub trait Statement: serde::Serialize + serde::de::DeserializeOwned {
    /// Its kind.
    const KIND: StatementKind;
    /// The `type` and `spec` it carries, checked after parsing.
    fn head(&self) -> (&str, u32);
}

macro_rules! statement {
    ($($type:ident),*) => {$(
        impl Statement for $type {
            const KIND: StatementKind = StatementKind::$type;
            fn head(&self) -> (&str, u32) {
                (&self.kind, self.spec)
            }
        }
    )*};
}
statement!(Release, Dispatch, Poll, Report);

impl Statement for TrustRoot {
    const KIND: StatementKind = StatementKind::Root;
    fn head(&self) -> (&str, u32) {
        (&self.kind, self.spec)
    }
}
