//! A release: one immutable, signed version of a project. What may run.

use cofferdam_ids::{
    ClusterName, GatewayName, JobName, PluginName, PoolName, ProjectId, ReleaseSeq, Role, Sha256Digest,
    TaskId, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::dispatch::Argument;

/// Body of `release.v1`, signed by role `release`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Always `release`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Always 1.
    pub spec: u32,
    /// The project.
    pub project: ProjectId,
    /// Strictly rising per project.
    pub release_seq: ReleaseSeq,
    /// When it was built.
    pub issued_at: Timestamp,
    /// Not to be run before.
    pub not_before: Timestamp,
    /// Not to be run from then on.
    pub not_after: Timestamp,
    /// The oldest executor that may run it, `major.minor.patch`.
    pub min_executor: String,
    /// Where it may run.
    pub audience: Audience,
    /// The plugins it brings, by digest.
    pub plugins: Vec<PluginEntry>,
    /// The adapter behind each gateway it uses.
    pub gateways: Vec<GatewayPlugin>,
    /// Its files, by digest.
    pub files: Vec<FileEntry>,
    /// The task graph.
    pub tasks: Vec<ReleasedTask>,
    /// Named selections of tasks.
    pub jobs: Vec<Job>,
    /// How often it may run; enforced by the executor.
    pub schedule_policy: SchedulePolicy,
    /// The only result fields the scheduler may receive, where the grant agrees.
    pub reports: Vec<ReportField>,
    /// Where it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// The adapter that speaks to a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayPlugin {
    /// The gateway's name in this release.
    pub gateway: GatewayName,
    /// The adapter.
    pub adapter: PluginName,
}

/// Where a release may run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// Clusters.
    pub clusters: Vec<ClusterName>,
    /// Pools.
    pub pools: Vec<PoolName>,
}

/// One plugin of the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginEntry {
    /// Its name in this release.
    pub name: PluginName,
    /// Digest of the component.
    pub sha256: Sha256Digest,
    /// Its length in bytes, at most 32 MiB.
    pub size: u64,
    /// The world it is made for, e.g. `cofferdam:worlds/task@0.1.0`.
    pub world: String,
    /// Every interface it imports, sorted.
    pub imports: Vec<String>,
}

/// One file of the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Path inside the release: relative, `/` between parts, no `.` or `..` part.
    pub path: String,
    /// Digest of its bytes.
    pub sha256: Sha256Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// One node of the task graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasedTask {
    /// Its id.
    pub id: TaskId,
    /// The task plugin that runs it.
    pub plugin: PluginName,
    /// What that plugin is to do.
    pub entry: String,
    /// Roles of executors that may run it.
    pub roles: Vec<Role>,
    /// Tasks that must have succeeded before.
    pub needs: Vec<TaskId>,
    /// Labels for selection.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The gateway it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayName>,
    /// Signed settings handed to the guest: name and JSON text.
    pub settings: Vec<Argument>,
    /// Parameters a dispatch may set.
    pub params_schema: Vec<Parameter>,
    /// What it asks to be allowed.
    pub requests: Vec<Request>,
    /// What it may use at most.
    pub limits: TaskLimits,
    /// How often a failed attempt is tried again.
    pub retry: Retry,
}

/// A parameter a dispatch may set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// Who sets it.
    pub source: ParameterSource,
    /// Lower bound: a number for `integer`, a day for `date`, a length for `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// Upper bound, likewise. A `text` without one is at most 256 bytes long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// The only values allowed, where given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<String>,
    /// Whether a dispatch must set it.
    #[serde(default)]
    pub required: bool,
}

/// The type of a parameter. Its value travels as JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// A JSON string: letters, digits, space and `_.:/@+-` alone.
    Text,
    /// A JSON integer.
    Integer,
    /// A JSON string `YYYY-MM-DD`.
    Date,
    /// `true` or `false`.
    Boolean,
    /// A JSON string: ids of runs with a space between them. A task that may read what attempts of
    /// its run kept may read that of these runs too, as far as they are of its own release.
    Runs,
}

/// Who may set a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterSource {
    /// The scheduler, in the dispatch.
    Dispatch,
}

/// One thing a task asks to be allowed, in the words of the grant file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// SQL on a gateway.
    Sql {
        /// The gateway.
        gateway: GatewayName,
        /// `read`, `write` or `admin`.
        mode: SqlMode,
        /// Relations it reads: `schema.name` or `schema.*`.
        reads: Vec<String>,
        /// Relations it writes, likewise.
        writes: Vec<String>,
    },
    /// Files of the release whose path starts with one of these prefixes (empty for all).
    Files {
        /// Prefixes.
        prefixes: Vec<String>,
    },
    /// A log and progress.
    Telemetry {},
    /// What earlier attempts of its run kept beside their logs.
    Kept {},
}

/// How far a SQL session may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SqlMode {
    /// Reads only.
    Read,
    /// Reads and writes.
    Write,
    /// Also changes the warehouse's shape.
    Admin,
}

/// What a task may use at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskLimits {
    /// Milliseconds on the wall clock.
    pub wall_ms: u64,
    /// Bytes of guest memory.
    pub mem_bytes: u64,
    /// Bytes of log.
    pub log_bytes: u64,
}

impl Default for TaskLimits {
    fn default() -> Self {
        Self { wall_ms: 600_000, mem_bytes: 256 << 20, log_bytes: 1 << 20 }
    }
}

/// How often a failed attempt is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, 1 to 20.
    pub attempts: u32,
    /// Seconds before the second attempt; doubled each time.
    pub backoff_min_s: u32,
    /// Most seconds between attempts.
    pub backoff_max_s: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, backoff_min_s: 1, backoff_max_s: 60 }
    }
}

/// A named selection of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Its name.
    pub name: JobName,
    /// Selectors, each added to the others: `*`, an id or glob, `tag:x`, with `+` before for what
    /// it needs and `+` behind for what needs it.
    pub select: Vec<String>,
}

/// How often a project may run; enforced by the executor from its own journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchedulePolicy {
    /// Seconds between the first attempts of one task in two runs, at least.
    pub min_interval_s: u64,
    /// Attempts of one task in one run.
    pub max_attempts: u32,
    /// Times of day in UTC in which tasks may start, e.g. `00:00-06:00`; empty for always.
    #[serde(default)]
    pub windows: Vec<String>,
    /// Whether runs somebody asked for by hand are allowed.
    pub manual: bool,
}

/// A result field the scheduler may receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportField {
    /// Rounded duration.
    DurationS,
    /// Rows changed or checked.
    RowsAffected,
}

/// Where a release was built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The repository.
    pub repo: String,
    /// The commit.
    pub commit: String,
}
