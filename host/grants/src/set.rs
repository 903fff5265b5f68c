//! All grants of an executor, and who is admitted by them.

use std::collections::HashMap;

use cofferdam_bundle::statement::{Request, SqlMode, TaskLimits};
use cofferdam_call::{Access, Confinement};
use cofferdam_ids::{Role, Sha256Digest, TaskId, Timestamp};

use crate::{
    GrantProblem,
    admission::{Admission, AdmittedFiles, AdmittedSql, GrantFact},
    file::{FilesRule, GrantFile, SqlRule},
    pattern::RelationPattern,
    problem::ProblemKind,
    refused::GrantRefused,
};

/// Whoever wants to be admitted.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Digest of the project's trust root.
    pub project: Sha256Digest,
    /// The task.
    pub task: &'a TaskId,
    /// The role it runs in.
    pub role: Role,
    /// Every component that takes part: the task's and its adapters'.
    pub plugins: &'a [Sha256Digest],
}

/// All grants of an executor, in the order they were given.
#[derive(Clone, Debug, Default)]
pub struct GrantSet {
    files: Vec<GrantFile>,
}

impl GrantSet {
    /// Takes grant files; two with one id are refused.
    pub fn from_files(files: Vec<GrantFile>) -> Result<Self, GrantProblem> {
        let mut seen = HashMap::new();
        for grant in &files {
            if let Some(first) = seen.insert(&grant.id, &grant.file) {
                return Err(GrantProblem {
                    file: grant.file.clone(),
                    line: 1,
                    what: format!("grant id `{}` is taken by {first}", grant.id),
                    nearest: None,
                    kind: ProblemKind::DoubleId,
                });
            }
        }
        Ok(Self { files })
    }

    /// The grants.
    pub fn files(&self) -> &[GrantFile] {
        &self.files
    }

    /// Digest of all grants together, whatever their order.
    pub fn digest(&self) -> Sha256Digest {
        let mut digests: Vec<_> = self.files.iter().map(|g| g.sha256).collect();
        digests.sort_unstable();
        let bytes: Vec<u8> = digests.iter().flat_map(|d| *d.as_bytes()).collect();
        Sha256Digest::of(&bytes)
    }

    /// Admits a task whose every request is covered by a rule of a grant for it, or says which is
    /// not. Rights of matching grants add up; so do their limits and demands on confinement.
    pub fn admit(
        &self,
        subject: &Subject<'_>,
        requests: &[Request],
        limits: &TaskLimits,
        confinement: &Confinement,
        now: Timestamp,
    ) -> Result<Admission, GrantRefused> {
        let matching: Vec<&GrantFile> =
            self.files.iter().filter(|g| miss(g, subject, now).is_none()).collect();
        if matching.is_empty() {
            let (task, nearest) = (subject.task.clone(), self.nearest(subject, now));
            return Err(GrantRefused::NoGrant { task, nearest });
        }
        for grant in &matching {
            if let Some(need) = grant.require_confinement.iter().find(|n| !n.is_given(confinement)) {
                return Err(GrantRefused::Confinement { file: grant.file.clone(), line: 1, need: *need });
            }
        }
        let mut admission = Admission::new(&matching, *limits);
        for request in requests {
            cover(&matching, subject.task, request, &mut admission)?;
        }
        Ok(admission)
    }

    /// Why no grant matches, by the one that comes nearest.
    pub(crate) fn nearest(&self, subject: &Subject<'_>, now: Timestamp) -> String {
        let misses = self.files.iter().filter_map(|g| miss(g, subject, now).map(|m| (m, g)));
        match misses.max_by_key(|((rank, _), _)| *rank) {
            Some(((_, why), grant)) => format!("{}:{} {why}", grant.file, grant.subject.line),
            None => "there are no grants".to_owned(),
        }
    }
}

/// Why a grant is not for a subject now: how near it came, and the reason.
pub(crate) fn miss(grant: &GrantFile, subject: &Subject<'_>, now: Timestamp) -> Option<(u8, String)> {
    let rule = &grant.subject;
    if rule.project != subject.project {
        return Some((
            0,
            format!("is for project {}, this is {}", rule.project.short(), subject.project.short()),
        ));
    }
    if !rule.tasks.iter().any(|t| t.matches(subject.task.as_str())) {
        return Some((1, "names other tasks".to_owned()));
    }
    if !rule.roles.contains(&subject.role) {
        return Some((2, format!("does not name role `{}`", subject.role)));
    }
    if let Some(plugin) = subject.plugins.iter().find(|p| !rule.plugins.contains(p)) {
        return Some((3, format!("does not name plugin {}", plugin.prefixed())));
    }
    (now >= grant.expires).then(|| (4, format!("expired at {}", grant.expires)))
}

pub(crate) const fn access_of(mode: SqlMode) -> Access {
    match mode {
        SqlMode::Read => Access::Read,
        SqlMode::Write => Access::Write,
        SqlMode::Admin => Access::Admin,
    }
}

/// A request in the grant file's words.
pub(crate) fn words(request: &Request) -> String {
    let list = |items: &[String]| if items.is_empty() { "nothing".to_owned() } else { items.join(", ") };
    match request {
        Request::Sql { gateway, mode, reads, writes } => {
            let mode = access_of(*mode);
            format!("sql {mode} on `{gateway}` (reads {}; writes {})", list(reads), list(writes))
        }
        Request::Files { prefixes } if prefixes.iter().all(String::is_empty) => "all files".to_owned(),
        Request::Files { prefixes } => format!("files {}", prefixes.join(", ")),
        Request::Telemetry {} => "telemetry".to_owned(),
        Request::Kept {} => "what attempts of its run kept".to_owned(),
    }
}

fn cover(
    grants: &[&GrantFile],
    task: &TaskId,
    request: &Request,
    admission: &mut Admission,
) -> Result<(), GrantRefused> {
    let refuse =
        |nearest: String| GrantRefused::NotCovered { task: task.clone(), request: words(request), nearest };
    match request {
        Request::Sql { gateway, mode, reads, writes } => {
            let asked =
                AskedSql { mode: *mode, reads: patterns(task, reads)?, writes: patterns(task, writes)? };
            let mut nearest = format!("no `[[sql]]` names gateway `{gateway}`");
            for grant in grants {
                for rule in grant.sql.iter().filter(|r| &r.gateway == gateway) {
                    match asked.beyond(rule) {
                        None => {
                            admission.sql.push(asked.admit(rule, grant));
                            return Ok(());
                        }
                        Some(why) => nearest = format!("{}:{} {why}", grant.file, rule.line),
                    }
                }
            }
            Err(refuse(nearest))
        }
        Request::Files { prefixes } => {
            let all = vec![String::new()];
            let asked = if prefixes.is_empty() { &all } else { prefixes };
            let covers = |rule: &FilesRule| {
                asked.iter().all(|a| rule.prefixes.iter().any(|p| a.starts_with(p.as_str())))
            };
            for grant in grants {
                if let Some(rule) = grant.files.iter().find(|r| covers(r)) {
                    let fact = GrantFact::of(grant, rule.line);
                    admission.files.push(AdmittedFiles { prefixes: asked.clone(), grant: fact });
                    return Ok(());
                }
            }
            Err(refuse("no `[[files]]` has prefixes that hold them all".to_owned()))
        }
        Request::Telemetry {} => {
            let rule = grants.iter().find_map(|g| g.telemetry.filter(|t| t.log).map(|t| (g, t)));
            let Some((grant, rule)) = rule else {
                return Err(refuse("no `[telemetry]` says `log = true`".to_owned()));
            };
            admission.telemetry.get_or_insert_with(|| GrantFact::of(grant, rule.line));
            Ok(())
        }
        Request::Kept {} => {
            let rule = grants.iter().find_map(|g| g.telemetry.filter(|t| t.read_kept).map(|t| (g, t)));
            let Some((grant, rule)) = rule else {
                return Err(refuse("no `[telemetry]` says `read_kept = true`".to_owned()));
            };
            admission.kept.get_or_insert_with(|| GrantFact::of(grant, rule.line));
            Ok(())
        }
    }
}

fn patterns(task: &TaskId, texts: &[String]) -> Result<Vec<RelationPattern>, GrantRefused> {
    let bad = |text: &String| GrantRefused::BadRequest {
        task: task.clone(),
        pattern: text.chars().take(80).collect(),
    };
    texts.iter().map(|t| RelationPattern::new(t).map_err(|_| bad(t))).collect()
}

struct AskedSql {
    mode: SqlMode,
    reads: Vec<RelationPattern>,
    writes: Vec<RelationPattern>,
}

impl AskedSql {
    /// What of it goes beyond a rule.
    fn beyond(&self, rule: &SqlRule) -> Option<String> {
        if self.mode > rule.mode {
            return Some(format!("grants mode `{}`", access_of(rule.mode)));
        }
        let readable = |p: &&RelationPattern| rule.reads.iter().chain(&rule.writes).any(|r| r.covers(p));
        if let Some(read) = self.reads.iter().find(|p| !readable(p)) {
            return Some(format!("does not grant reading `{read}`"));
        }
        let writable = |p: &&RelationPattern| rule.writes.iter().any(|r| r.covers(p));
        self.writes.iter().find(|p| !writable(p)).map(|write| format!("does not grant writing `{write}`"))
    }

    /// The request itself is what is admitted: a grant never widens it.
    fn admit(&self, rule: &SqlRule, grant: &GrantFile) -> AdmittedSql {
        AdmittedSql {
            gateway: rule.gateway.clone(),
            access: access_of(self.mode),
            statements: rule.statements,
            reads: self.reads.clone(),
            writes: self.writes.clone(),
            also: rule.also.iter().copied().collect(),
            max_rows: rule.max_rows,
            grant: GrantFact::of(grant, rule.line),
        }
    }
}
