//! The one refusal, a code for every step.

use std::time::Duration;

use cofferdam_ids::{
    ByteCount, ClusterName, Code, DispatchId, Explain, Fault, Fence, KeyId, PoolName, ProjectId, ReleaseSeq,
    Role, Sha256Digest, TaskId, Timestamp,
};

use crate::{
    BadKey, ReleaseInvalid,
    limits::{CLOCK_SKEW_MAX, POLL_AGE_MAX},
    statement::{Phase, StatementKind},
};

/// Why something signed was not accepted. Nothing was run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the message says of them")]
pub enum Refused {
    /// The envelope is over its limit; it was not read.
    #[error("the {} is {size} long; the limit is {limit}", kind.name())]
    TooLarge { kind: StatementKind, size: ByteCount, limit: ByteCount },
    /// The bytes are no DSSE envelope.
    #[error("the {} is not a DSSE envelope: {why}", kind.name())]
    NotAnEnvelope { kind: StatementKind, why: String },
    /// The envelope carries another kind of statement.
    #[error("a {} was expected, and `{found}` came", kind.name())]
    PayloadType { kind: StatementKind, found: String },
    /// Too few of the role's keys have signed these bytes.
    #[error("the {} has {counted} of {threshold} signatures it needs", kind.name())]
    Signature { kind: StatementKind, counted: usize, threshold: usize },
    /// A key that may not sign this has signed it.
    #[error("the {} is signed by a key of role `{role}`, which may not sign it", kind.name())]
    KeyRole { kind: StatementKind, role: &'static str },
    /// The signed body is not the strict JSON of its kind.
    #[error("the body of the {} cannot be read: {why}", kind.name())]
    Body { kind: StatementKind, why: String },
    /// The dispatch is for another project.
    #[error("the dispatch is for project `{found}`; this executor serves `{mine}`")]
    Project { found: ProjectId, mine: ProjectId },
    /// The dispatch is for another executor, cluster or pool.
    #[error("the dispatch is for the {what} `{found}`, not for this one")]
    Audience { what: &'static str, found: String },
    /// The dispatch answers no poll that is outstanding.
    #[error("the dispatch answers no outstanding poll of this executor")]
    Nonce,
    /// The dispatch came too long after its poll.
    #[error("the dispatch came {} s after its poll; {} s are allowed", age.as_secs(), POLL_AGE_MAX.as_secs())]
    PollTooOld { age: Duration },
    /// The dispatch's times do not fit the clock.
    #[error(
        "the dispatch was signed at {issued} for use before {not_after}; it is {now} here, and {} s apart \
         are allowed",
        CLOCK_SKEW_MAX.as_secs()
    )]
    DispatchTime { issued: Timestamp, not_after: Timestamp, now: Timestamp },
    /// The dispatch was consumed before.
    #[error("the dispatch {dispatch} was consumed before")]
    DispatchSeen { dispatch: DispatchId },
    /// A newer lease of the task has been seen.
    #[error("the dispatch carries fence {found} for `{task}`, and {stored} has been seen")]
    Fence { task: TaskId, found: Fence, stored: Fence },
    /// More attempts than allowed.
    #[error("attempt {attempt} is not within the {most} attempts allowed in one run")]
    Attempt { attempt: u32, most: u32 },
    /// The dispatch is for another role.
    #[error("the dispatch is for role `{asked}`; this executor has role `{mine}`")]
    Role { asked: Role, mine: Role },
    /// The release is not the one the dispatch names.
    #[error("the dispatch names release {}, and {} came", named.short(), found.short())]
    ReleaseDigest { found: Sha256Digest, named: Sha256Digest },
    /// Release and dispatch disagree on project or sequence.
    #[error(
        "the dispatch says release {dispatch} and the release says {release}, or they name different projects"
    )]
    ReleaseDisagrees { release: ReleaseSeq, dispatch: ReleaseSeq },
    /// The release may not run now.
    #[error("the release may run from {from} until {until}")]
    ReleaseTime { from: Timestamp, until: Timestamp },
    /// A newer release has run here.
    #[error("release {found} is older than release {mark}, which has run here")]
    Rollback { found: ReleaseSeq, mark: ReleaseSeq },
    /// Two releases carry one sequence number.
    #[error("two releases are signed as number {seq}: {} ran here, {} came", first.short(), found.short())]
    Equivocation { seq: ReleaseSeq, found: Sha256Digest, first: Sha256Digest },
    /// The release wants a newer executor.
    #[error("the release needs executor {least} or newer; this is {own}")]
    ExecutorTooOld { own: String, least: String },
    /// The release is not meant for this cluster and pool.
    #[error("the release is not meant for cluster `{cluster}`, pool `{pool}`")]
    ReleaseAudience { cluster: ClusterName, pool: PoolName },
    /// The release has no such task.
    #[error("the release has no task `{task}`")]
    UnknownTask { task: TaskId },
    /// The release contradicts itself.
    #[error("the release is not valid")]
    ReleaseInvalid(#[source] ReleaseInvalid),
    /// The task may not run in this role.
    #[error("the release does not let `{task}` run in role `{role}`")]
    TaskRole { task: TaskId, role: Role },
    /// Too soon after the run before.
    #[error("`{task}` last ran at {started}; the release allows one run every {} s", interval.as_secs())]
    PolicyInterval { task: TaskId, started: Timestamp, interval: Duration },
    /// Outside the hours allowed.
    #[error("the release allows tasks to start within {windows} UTC; it is {now}")]
    PolicyWindow { windows: String, now: Timestamp },
    /// Manual runs are not allowed.
    #[error("the release does not allow runs started by hand")]
    PolicyManual,
    /// A parameter does not fit the schema.
    #[error("parameter `{name}` is refused: {why}")]
    Param { name: String, why: String },
    /// The clock is before a time that was written down.
    #[error("the clock says {now}, and {floor} has been written down already")]
    ClockWentBack { now: Timestamp, floor: Timestamp },
    /// The root is not the pinned one.
    #[error("the trust root is {}, and {} is pinned", found.short(), pinned.short())]
    RootPin { pinned: Sha256Digest, found: Sha256Digest },
    /// The root contradicts itself.
    #[error("the trust root is not valid: {why}")]
    RootUnsound { why: String },
    /// The root lists a key that cannot be used.
    #[error("the trust root lists an unusable key of {owner}")]
    RootKey {
        owner: String,
        #[source]
        source: BadKey,
    },
    /// One key in two roles.
    #[error("the trust root gives one key the roles `{one}` and `{other}`: {key}")]
    KeyInTwoRoles { key: KeyId, one: String, other: String },
    /// The root has expired.
    #[error("the trust root expired at {expires}")]
    RootExpired { expires: Timestamp },
}

impl Refused {
    /// Its stable code.
    pub fn code(&self) -> Code {
        Code(match self {
            Self::TooLarge { .. } => 101,
            Self::NotAnEnvelope { .. } => 102,
            Self::PayloadType { .. } => 103,
            Self::Signature { .. } => 104,
            Self::KeyRole { .. } => 105,
            Self::Body { .. } => 106,
            Self::Project { .. } => 110,
            Self::Audience { .. } => 111,
            Self::Nonce => 112,
            Self::PollTooOld { .. } => 113,
            Self::DispatchTime { .. } => 114,
            Self::DispatchSeen { .. } => 115,
            Self::Fence { .. } => 116,
            Self::Attempt { .. } => 117,
            Self::Role { .. } => 118,
            Self::ReleaseDigest { .. } => 120,
            Self::ReleaseDisagrees { .. } => 121,
            Self::ReleaseTime { .. } => 122,
            Self::Rollback { .. } => 123,
            Self::Equivocation { .. } => 124,
            Self::ExecutorTooOld { .. } => 125,
            Self::ReleaseAudience { .. } => 126,
            Self::UnknownTask { .. } => 127,
            Self::ReleaseInvalid(_) => 128,
            Self::TaskRole { .. } => 129,
            Self::PolicyInterval { .. } => 130,
            Self::PolicyWindow { .. } => 131,
            Self::PolicyManual => 132,
            Self::Param { .. } => 133,
            Self::ClockWentBack { .. } => 134,
            Self::RootPin { .. } => 140,
            Self::RootUnsound { .. } => 141,
            Self::RootKey { .. } => 142,
            Self::KeyInTwoRoles { .. } => 143,
            Self::RootExpired { .. } => 144,
        })
    }

    /// The phase a report names: all of this happens before anything is admitted.
    pub fn phase(&self) -> Phase {
        Phase::Verify
    }

    /// Whether the same task may be let through later without anybody mending anything.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Nonce | Self::PollTooOld { .. })
    }
}

impl Explain for Refused {
    fn code(&self) -> Code {
        self.code()
    }

    fn fault(&self) -> Fault {
        match self.code().0 {
            // The release and its root are the publisher's.
            120..=124 | 128 | 129 | 141..=143 => Fault::Publisher,
            // Pins, clocks and versions are the operator's.
            125 | 126 | 134 | 140 | 144 => Fault::Operator,
            130..=133 => Fault::User,
            // Everything else a correct scheduler would not have sent.
            _ => Fault::Environment,
        }
    }

    fn fix(&self) -> String {
        let text = match self {
            Self::TooLarge { .. } => {
                "make it smaller: fewer tasks, or settings moved into files of the release"
            }
            Self::NotAnEnvelope { .. } | Self::PayloadType { .. } | Self::Body { .. } => {
                "find out what stands between signer and executor; what came is not what was signed here"
            }
            Self::Signature { .. } => "sign it with the keys the trust root names for it, and push it again",
            Self::KeyRole { .. } => {
                "sign it with a key of its own role; if nobody here did, treat the key as stolen"
            }
            Self::Project { .. } | Self::Audience { .. } => {
                "check the scheduler's list of executors; a correct scheduler does not send this"
            }
            Self::Nonce | Self::PollTooOld { .. } | Self::DispatchSeen { .. } | Self::Fence { .. } => {
                "nothing, if it happens once; if it repeats, somebody replays dispatches"
            }
            Self::DispatchTime { .. } => "set the clocks of scheduler and executor by NTP",
            Self::Attempt { .. } => "find out why the attempts failed, then start a new run",
            Self::Role { .. } | Self::TaskRole { .. } => {
                "start an executor in the role the task needs, or release the task for this role"
            }
            Self::ReleaseDigest { .. } | Self::ReleaseDisagrees { .. } => "push the release again",
            Self::ReleaseTime { .. } => "release again with a time window that holds now",
            Self::Rollback { .. } => "release the older content again under a new, higher number",
            Self::Equivocation { .. } => {
                "stop releasing and find out who signed twice; treat the release key as stolen"
            }
            Self::ExecutorTooOld { .. } => "upgrade the executor",
            Self::ReleaseAudience { .. } => {
                "release for this cluster and pool, or run it where it is meant for"
            }
            Self::UnknownTask { .. } => "start the run again from the current release",
            Self::ReleaseInvalid(_) => "mend what it names and release again",
            Self::PolicyInterval { .. } | Self::PolicyWindow { .. } => {
                "wait, or change the schedule policy in the project and release again"
            }
            Self::PolicyManual => "set `manual = true` in the schedule policy and release again",
            Self::Param { .. } => "give a value the task's parameter schema allows",
            Self::ClockWentBack { .. } => "set this machine's clock by NTP",
            Self::RootPin { .. } => "compare the digest with whoever made the root, and pin the right one",
            Self::RootUnsound { .. } | Self::RootKey { .. } | Self::KeyInTwoRoles { .. } => {
                "make the trust root again with sound keys, one role each"
            }
            Self::RootExpired { .. } => "make a new trust root and pin its digest",
        };
        text.to_owned()
    }
}
