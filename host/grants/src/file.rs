//! What a grant file says, once it was read.

use std::fmt;

use cofferdam_bundle::statement::{ReportField, SqlMode};
use cofferdam_call::Confinement;
use cofferdam_ids::{GatewayName, GrantId, Role, Sha256Digest, Timestamp};

use crate::pattern::{Glob, RelationPattern};

/// One grant: the operator's rule, its file and where in it each part stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantFile {
    /// The file's name as the caller gave it.
    pub file: String,
    /// Digest of the file's text; recorded with every call it allows.
    pub sha256: Sha256Digest,
    /// Its id.
    pub id: GrantId,
    /// Who answers for it.
    pub owner: String,
    /// Why it was given, e.g. a change number.
    pub reason: String,
    /// It holds before this moment.
    pub expires: Timestamp,
    /// What the kernel must give the runner.
    pub require_confinement: Vec<ConfinementNeed>,
    /// Whom it is for.
    pub subject: SubjectRule,
    /// SQL.
    pub sql: Vec<SqlRule>,
    /// Files of the release.
    pub files: Vec<FilesRule>,
    /// A log and progress.
    pub telemetry: Option<TelemetryRule>,
    /// Result fields that may leave.
    pub to_scheduler: Vec<ReportField>,
    /// Most a task may use.
    pub limits: GrantLimits,
}

/// Whom a grant is for. Every part must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRule {
    /// Digest of the project's trust root.
    pub project: Sha256Digest,
    /// Tasks.
    pub tasks: Vec<Glob>,
    /// Every component that may take part, by digest.
    pub plugins: Vec<Sha256Digest>,
    /// Roles.
    pub roles: Vec<Role>,
    /// Line of `[subject]`, from 1.
    pub line: u32,
}

/// How much of a statement must be known before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatementRule {
    /// Only statements that stand in the signed release, and they are read as well.
    SignedOnly,
    /// Every statement is read; what cannot be read is refused.
    Parsed,
    /// Statements are not read. The engine's own wall and role are all that is left.
    Any,
}

impl fmt::Display for StatementRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SignedOnly => "signed-only",
            Self::Parsed => "parsed",
            Self::Any => "any",
        })
    }
}

/// What a statement may do beyond the relations it names. A session in mode `admin` may; one in
/// mode `write` where the rule's `also` says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Beyond {
    /// Drop what depends on what it drops, wherever that is.
    Cascade,
    /// Give and take rights on relations it may write.
    Rights,
    /// Make and drop schemas it may write whole.
    Schemas,
}

impl Beyond {
    /// All, in the order of the alphabet.
    pub const ALL: [Self; 3] = [Self::Cascade, Self::Rights, Self::Schemas];

    /// As grant files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cascade => "cascade",
            Self::Rights => "rights",
            Self::Schemas => "schemas",
        }
    }
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One `[[sql]]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlRule {
    /// The gateway.
    pub gateway: GatewayName,
    /// How far sessions may go.
    pub mode: SqlMode,
    /// How much of a statement must be known.
    pub statements: StatementRule,
    /// Relations it may read; those it may write may be read too.
    pub reads: Vec<RelationPattern>,
    /// Relations it may write.
    pub writes: Vec<RelationPattern>,
    /// What its statements may do beyond these relations without an admin's session.
    pub also: Vec<Beyond>,
    /// Rows one attempt may read out.
    pub max_rows: u64,
    /// Line of the table, from 1.
    pub line: u32,
}

/// One `[[files]]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesRule {
    /// Starts of paths inside the release; an empty one stands for every file.
    pub prefixes: Vec<String>,
    /// Line of the table, from 1.
    pub line: u32,
}

/// The `[telemetry]` table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelemetryRule {
    /// Whether a log and progress are lent.
    pub log: bool,
    /// Whether a task may read what attempts of its run kept beside their logs.
    pub read_kept: bool,
    /// Line of the table, from 1.
    pub line: u32,
}

/// The `[limits]` table: most a task may use, where given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrantLimits {
    /// Milliseconds on the wall clock.
    pub wall_ms: Option<u64>,
    /// Bytes of guest memory.
    pub mem_bytes: Option<u64>,
    /// Bytes of log.
    pub log_bytes: Option<u64>,
}

/// Something the kernel must give the runner before a grant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfinementNeed {
    /// The system call filter.
    Seccomp,
    /// No file system.
    Landlock,
    /// Resource limits.
    Rlimits,
    /// No network.
    NoNetwork,
}

impl ConfinementNeed {
    /// All, in the order grant files list them.
    pub const ALL: [Self; 4] = [Self::Seccomp, Self::Landlock, Self::Rlimits, Self::NoNetwork];

    /// As grant files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seccomp => "seccomp",
            Self::Landlock => "landlock",
            Self::Rlimits => "rlimits",
            Self::NoNetwork => "no-network",
        }
    }

    /// Whether the runner has it.
    pub const fn is_given(self, confinement: &Confinement) -> bool {
        match self {
            Self::Seccomp => confinement.seccomp,
            Self::Landlock => confinement.landlock_abi > 0,
            Self::Rlimits => confinement.rlimits,
            Self::NoNetwork => confinement.no_network,
        }
    }
}

impl fmt::Display for ConfinementNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
