//! What one attempt may do: the release's requests, each with the line that allowed it.

use std::collections::BTreeSet;

use cofferdam_bundle::statement::{ReportField, TaskLimits};
use cofferdam_call::{Access, Interface, Limits};
use cofferdam_ids::{GatewayName, GrantId, Sha256Digest};
use serde::Serialize;

use crate::{
    file::{Beyond, GrantFile, StatementRule},
    pattern::RelationPattern,
    reading::Relation,
};

/// Which line of which grant allowed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrantFact {
    /// The grant.
    pub grant: GrantId,
    /// Digest of its file.
    pub grant_sha256: Sha256Digest,
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

impl GrantFact {
    pub(crate) fn of(grant: &GrantFile, line: u32) -> Self {
        Self { grant: grant.id.clone(), grant_sha256: grant.sha256, file: grant.file.clone(), line }
    }
}

/// A SQL request that was covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdmittedSql {
    /// The gateway.
    pub gateway: GatewayName,
    /// How far sessions may go: the request's mode.
    pub access: Access,
    /// How much of a statement must be known: the grant's.
    pub statements: StatementRule,
    /// What it may read: the request's.
    pub reads: Vec<RelationPattern>,
    /// What it may write, and so read: the request's.
    pub writes: Vec<RelationPattern>,
    /// What its statements may do beyond these relations: the grant's.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub also: BTreeSet<Beyond>,
    /// Rows the attempt may read out: the grant's.
    pub max_rows: u64,
    /// The line that allows it.
    pub grant: GrantFact,
}

impl AdmittedSql {
    /// Whether a relation may be read.
    pub fn allows_read(&self, relation: &Relation) -> bool {
        relation.is_temporary() || self.reads.iter().chain(&self.writes).any(|p| p.holds(relation))
    }

    /// Whether a relation may be written.
    pub fn allows_write(&self, relation: &Relation) -> bool {
        let named = || relation.is_temporary() || self.writes.iter().any(|p| p.holds(relation));
        self.access >= Access::Write && named()
    }

    /// Whether a statement on one of its sessions may reach beyond the relations it names.
    pub fn allows_beyond(&self, session: Access, beyond: &BTreeSet<Beyond>) -> bool {
        session == Access::Admin || beyond.is_subset(&self.also)
    }
}

/// A request for files that was covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdmittedFiles {
    /// Starts of paths.
    pub prefixes: Vec<String>,
    /// The line that allows it.
    pub grant: GrantFact,
}

/// What one attempt may do. Made by [`crate::GrantSet::admit`] alone.
#[derive(Clone, Debug)]
pub struct Admission {
    pub(crate) sql: Vec<AdmittedSql>,
    pub(crate) files: Vec<AdmittedFiles>,
    pub(crate) telemetry: Option<GrantFact>,
    pub(crate) kept: Option<GrantFact>,
    grants: Vec<GrantFact>,
    limits: TaskLimits,
    report_fields: Vec<ReportField>,
}

/// An admission as the ledger records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdmissionFacts {
    /// Every grant that is for the task, by the line of its `[subject]`.
    pub grants: Vec<GrantFact>,
    /// The SQL it may do.
    pub sql: Vec<AdmittedSql>,
    /// The files it may read.
    pub files: Vec<AdmittedFiles>,
    /// The line that lends it a log, if one does.
    pub telemetry: Option<GrantFact>,
    /// The line that lets it read what attempts of its run kept, if one does.
    pub kept: Option<GrantFact>,
}

/// What SQLite's authorizer should let through: the second wall behind the reading. A server has
/// the role of its credential instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SqlWall {
    /// Relations it may read; those it may write are among them.
    pub reads: Vec<RelationPattern>,
    /// Relations it may write.
    pub writes: Vec<RelationPattern>,
}

impl SqlWall {
    /// Whether a relation may be read.
    pub fn allows_read(&self, schema: &str, name: &str) -> bool {
        self.reads.iter().any(|p| p.matches_ignoring_case(schema, name))
    }

    /// Whether a relation may be written.
    pub fn allows_write(&self, schema: &str, name: &str) -> bool {
        self.writes.iter().any(|p| p.matches_ignoring_case(schema, name))
    }
}

impl Admission {
    pub(crate) fn new(grants: &[&GrantFile], asked: TaskLimits) -> Self {
        let least = |asked: u64, of: fn(&GrantFile) -> Option<u64>| {
            grants.iter().filter_map(|g| of(g)).fold(asked, u64::min)
        };
        let limits = TaskLimits {
            wall_ms: least(asked.wall_ms, |g| g.limits.wall_ms),
            mem_bytes: least(asked.mem_bytes, |g| g.limits.mem_bytes),
            log_bytes: least(asked.log_bytes, |g| g.limits.log_bytes),
        };
        let mut report_fields: Vec<_> = grants.iter().flat_map(|g| g.to_scheduler.iter().copied()).collect();
        report_fields.sort_unstable();
        report_fields.dedup();
        Self {
            sql: Vec::new(),
            files: Vec::new(),
            telemetry: None,
            kept: None,
            grants: grants.iter().map(|g| GrantFact::of(g, g.subject.line)).collect(),
            limits,
            report_fields,
        }
    }

    pub(crate) fn first_grant(&self) -> Option<&GrantFact> {
        self.grants.first()
    }

    /// The interfaces to be linked; nothing else exists for the guest.
    pub fn interfaces(&self) -> Vec<Interface> {
        let mut interfaces = Vec::new();
        if !self.sql.is_empty() {
            interfaces.extend([Interface::Warehouse, Interface::Sql]);
        }
        if !self.files.is_empty() {
            interfaces.push(Interface::ReleaseFiles);
        }
        if self.telemetry.is_some() || self.kept.is_some() {
            interfaces.push(Interface::Telemetry);
        }
        interfaces
    }

    /// What it may use: the lesser of release and grants.
    pub fn limits(&self) -> Limits {
        Limits {
            wall_ms: self.limits.wall_ms,
            memory_bytes: self.limits.mem_bytes,
            log_bytes: self.limits.log_bytes,
        }
    }

    /// Result fields the grants let out; the release must name them too.
    pub fn report_fields(&self) -> &[ReportField] {
        &self.report_fields
    }

    /// The SQL it may do.
    pub fn sql(&self) -> &[AdmittedSql] {
        &self.sql
    }

    /// The files it may read.
    pub fn files(&self) -> &[AdmittedFiles] {
        &self.files
    }

    /// The line that lends it a log, if one does.
    pub fn telemetry(&self) -> Option<&GrantFact> {
        self.telemetry.as_ref()
    }

    /// The line that lets it read what attempts of its run kept, if one does.
    pub fn kept(&self) -> Option<&GrantFact> {
        self.kept.as_ref()
    }

    /// What the engine of a session should let through: everything admitted on the gateway for
    /// this mode.
    pub fn sql_wall(&self, gateway: &GatewayName, access: Access) -> SqlWall {
        let mut wall = SqlWall { reads: Vec::new(), writes: Vec::new() };
        for rule in self.sql.iter().filter(|r| &r.gateway == gateway) {
            wall.reads.extend(rule.reads.iter().chain(&rule.writes).cloned());
            if access >= Access::Write && rule.access >= Access::Write {
                wall.writes.extend(rule.writes.iter().cloned());
            }
        }
        wall
    }

    /// What the ledger records of it.
    pub fn facts(&self) -> AdmissionFacts {
        AdmissionFacts {
            grants: self.grants.clone(),
            sql: self.sql.clone(),
            files: self.files.clone(),
            telemetry: self.telemetry.clone(),
            kept: self.kept.clone(),
        }
    }
}
