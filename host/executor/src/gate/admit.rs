//! Steps 7 to 9 and 11: policy, parameters, grants, and the durable record before the start.

use std::sync::Arc;

use cofferdam_bundle::{
    Verified, check_params, check_policy, named_runs,
    statement::{Argument, Dispatch, PluginEntry, ReleasedTask, ReportField, Request},
};
use cofferdam_call::{AttemptPlan, GuestKind, Invocation, NamedJson};
use cofferdam_grants::{Admission, GrantFact, Subject};
use cofferdam_ids::{GatewayName, RunId, Sha256Digest, Timestamp};
use cofferdam_ledger::{AttemptRef, Event, GrantRef, PluginRef, TaskAdmitted};

use super::{Gate, Waiting};
use crate::{
    drive::Happened,
    error::ExecutorError,
    grant_keeper::Change,
    house::House,
    journal::Entry,
    release::{KnownRelease, ReadyRelease},
    workers::Job,
};

/// An attempt that may run.
pub struct Admitted {
    /// The order.
    pub dispatch: Verified<Dispatch>,
    /// The release.
    pub release: Arc<KnownRelease>,
    /// What it may do.
    pub admission: Admission,
    /// When it was admitted.
    pub at: Timestamp,
    task: usize,
    arguments: Vec<Argument>,
    plugins: Vec<PluginRef>,
    adapters: Vec<(GatewayName, Sha256Digest)>,
}

impl Admitted {
    /// The task as the release has it.
    pub fn task(&self) -> &ReleasedTask {
        &self.release.release().tasks[self.task]
    }

    /// Its own run, and those the dispatch names beside it where the release lets it.
    pub fn runs(&self) -> Vec<RunId> {
        let mut runs = named_runs(&self.arguments, self.task());
        runs.push(self.dispatch.statement().run_id.clone());
        runs
    }

    /// Which attempt this is, in the words of the ledger.
    pub fn attempt_ref(&self) -> AttemptRef {
        let dispatch = self.dispatch.statement();
        AttemptRef {
            run: dispatch.run_id.clone(),
            task: dispatch.task.clone(),
            attempt: dispatch.attempt,
            dispatch: dispatch.dispatch_id.clone(),
        }
    }

    /// Result fields that release and grants both let out.
    pub fn report_fields(&self) -> Vec<ReportField> {
        let granted = self.admission.report_fields();
        self.release.release().reports.iter().filter(|f| granted.contains(f)).copied().collect()
    }

    /// What the runner is told.
    pub fn plan(&self) -> AttemptPlan {
        let (dispatch, task) = (self.dispatch.statement(), self.task());
        let json = |list: &[Argument]| {
            list.iter().map(|a| NamedJson { name: a.name.clone(), json: a.json.clone() }).collect()
        };
        AttemptPlan {
            kind: GuestKind::Task,
            component: self.plugins[0].sha256,
            adapters: self.adapters.clone(),
            interfaces: self.admission.interfaces(),
            limits: self.admission.limits(),
            invocation: Some(Invocation {
                task: task.id.to_string(),
                entry: task.entry.clone(),
                gateway: task.gateway.as_ref().map(ToString::to_string),
                run: dispatch.run_id.to_string(),
                attempt: dispatch.attempt.0,
                environment: dispatch.environment.to_string(),
                started_at: dispatch.run_started_at.to_string(),
                settings: json(&task.settings),
                arguments: json(&self.arguments),
            }),
            describe: None,
        }
    }

    fn record(&self, house: &House) -> Event {
        let dispatch = self.dispatch.statement();
        let facts = self.admission.facts();
        let grants = facts.sql.iter().map(|s| &s.grant).chain(facts.files.iter().map(|f| &f.grant));
        let grants = grants.chain(facts.telemetry.iter()).chain(facts.kept.iter()).map(grant_ref);
        Event::TaskAdmitted(Box::new(TaskAdmitted {
            at: self.attempt_ref(),
            executor: house.own.executor.clone(),
            project: dispatch.project.clone(),
            environment: dispatch.environment.clone(),
            fence: dispatch.fence,
            release_sha256: dispatch.release_sha256,
            release_seq: dispatch.release_seq,
            requested_by: Some(crate::error::clean(&dispatch.requested_by, 128)),
            plugins: self.plugins.clone(),
            grants: grants.collect(),
        }))
    }
}

fn grant_ref(fact: &GrantFact) -> GrantRef {
    GrantRef { id: fact.grant.clone(), sha256: fact.grant_sha256, line: fact.line }
}

impl Gate {
    /// Takes over changed grants, at the border between attempts.
    pub(super) fn refresh_grants(&mut self) {
        let change = self.grants.refresh();
        let (digest, problem) =
            (self.grants.current().digest().to_string(), self.grants.problem().map(str::to_owned));
        match change {
            Change::None => return,
            Change::Replaced => tracing::info!(%digest, "other grants are in force"),
            Change::Broken(problem) => {
                tracing::error!(
                    "the grants changed and cannot be used; those before stay in force: {problem}"
                );
            }
        }
        self.house.health.update(|state| {
            state.grants_sha256 = digest;
            state.grants_problem = problem;
        });
    }

    /// Steps 7 to 9 for a dispatch whose release is verified.
    pub(super) fn admit(&mut self, dispatch: Waiting, known: &Arc<KnownRelease>) {
        let now = self.house.clock.now();
        let (order, release) = (dispatch.statement(), known.release());
        let mark = self.journal_mark(order, known.digest, now);
        if let Err(error) = mark {
            return self.fail(order, &error, &[]);
        }
        if let Err(refused) = check_policy(order, release, self.journal.view(), now) {
            return self.refuse_verified(order, &refused);
        }
        let Some(number) = release.tasks.iter().position(|t| t.id == order.task) else {
            let refused = cofferdam_bundle::Refused::UnknownTask { task: order.task.clone() };
            return self.refuse_verified(order, &refused);
        };
        let task = &release.tasks[number];
        let arguments = match check_params(order, task) {
            Ok(arguments) => arguments,
            Err(refused) => return self.refuse_verified(order, &refused),
        };
        let (plugins, adapters) = match parts(known, task) {
            Ok(parts) => parts,
            Err(error) => return self.fail(order, &error, &[]),
        };
        let digests: Vec<_> = plugins.iter().map(|p| p.sha256).collect();
        let subject = Subject {
            project: self.house.root.digest(),
            task: &task.id,
            role: self.house.config.role,
            plugins: &digests,
        };
        let grants = self.grants.current();
        let admission =
            match grants.admit(&subject, &task.requests, &task.limits, &self.house.confinement, now) {
                Ok(admission) => admission,
                Err(refused) => return self.refuse_admission(order, &refused),
            };
        let entry = Entry::Attempt {
            at: now,
            project: order.project.clone(),
            run: order.run_id.clone(),
            task: order.task.clone(),
        };
        if let Err(error) = self.journal.note(&entry) {
            return self.fail(order, &error, &[]);
        }
        let release = Arc::clone(known);
        self.hand_to_workers(Admitted {
            dispatch,
            release,
            admission,
            at: now,
            task: number,
            arguments,
            plugins,
            adapters,
        });
    }

    /// Remembers the release as the highest seen, once.
    fn journal_mark(
        &mut self,
        order: &Dispatch,
        digest: Sha256Digest,
        now: Timestamp,
    ) -> Result<(), ExecutorError> {
        use cofferdam_bundle::JournalView as _;
        let mark = (order.release_seq, digest);
        if self.journal.view().release_mark(&order.project) == Some(mark) {
            return Ok(());
        }
        let (project, seq) = (order.project.clone(), order.release_seq);
        self.journal.note(&Entry::Release { at: now, project, seq, sha256: digest })
    }

    /// Step 11 for all that were admitted: one sync of the journal and one of the ledger, and
    /// then, not before, the workers get them.
    pub(super) fn start_admitted(&mut self) {
        let admitted = std::mem::take(&mut self.admitted);
        if admitted.is_empty() {
            return;
        }
        let recorded = admitted.iter().try_for_each(|attempt| {
            self.house.ledger.record(&attempt.record(&self.house)).map(|_| ()).map_err(ExecutorError::below)
        });
        let durable = recorded
            .and_then(|()| self.journal.commit())
            .and_then(|()| self.house.ledger.flush().map_err(ExecutorError::below));
        let now = self.house.clock.now();
        for attempt in admitted {
            let order = attempt.dispatch.statement();
            let ready = self.ready_release(attempt.release.digest);
            match (&durable, ready) {
                (Ok(()), Some(ready)) if now < order.not_after => self.queue.push(job(attempt, ready)),
                (Ok(()), _) => {
                    let late = ExecutorError::ReadyTooLate(now.since(order.not_after));
                    self.fail(order, &late, &attempt.report_fields());
                }
                (Err(error), _) => {
                    let words = ExecutorError::Journal(error.to_string());
                    self.fail(order, &words, &attempt.report_fields());
                }
            }
        }
        if let Err(error) = durable {
            self.tell(Happened::Unwritable(error));
        }
    }
}

fn job(attempt: Admitted, ready: Arc<ReadyRelease>) -> Job {
    Job { attempt, ready }
}

type Parts = (Vec<PluginRef>, Vec<(GatewayName, Sha256Digest)>);

/// The task's plugin first, then the adapters behind the gateways it asks for.
fn parts(known: &KnownRelease, task: &ReleasedTask) -> Result<Parts, ExecutorError> {
    let release = known.release();
    let missing = |what: &str| ExecutorError::World {
        component: what.to_owned(),
        why: "the release does not bring it".to_owned(),
    };
    let find = |name: &cofferdam_ids::PluginName| -> Result<&PluginEntry, ExecutorError> {
        release.plugins.iter().find(|p| &p.name == name).ok_or_else(|| missing(name.as_str()))
    };
    let own = find(&task.plugin)?;
    let mut plugins = vec![PluginRef { name: own.name.clone(), sha256: own.sha256 }];
    let mut adapters = Vec::new();
    for request in &task.requests {
        let Request::Sql { gateway, .. } = request else { continue };
        if adapters.iter().any(|(g, _)| g == gateway) {
            continue;
        }
        let named = release.gateways.iter().find(|g| &g.gateway == gateway);
        let adapter = find(&named.ok_or_else(|| missing(gateway.as_str()))?.adapter)?;
        adapters.push((gateway.clone(), adapter.sha256));
        if plugins.iter().all(|p| p.sha256 != adapter.sha256) {
            plugins.push(PluginRef { name: adapter.name.clone(), sha256: adapter.sha256 });
        }
    }
    Ok((plugins, adapters))
}
