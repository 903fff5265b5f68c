//! What each command does. An error here fails the whole batch; a `Problem` is only an answer.

use std::collections::hash_map::Entry;

use cofferdam_bundle::statement::{Release, Report};
use cofferdam_ids::{ProjectId, RunId, Sha256Digest};
use cofferdam_protocol::api::{Enrol, HeldLease};
use sqlx::Row as _;
use uuid::Uuid;

use super::*;
use crate::{
    limits::{BOOTS_MAX, TOKEN_LIFE},
    store::{
        command::{RunMeta, Start},
        words::{number, to_json, word},
    },
};

impl Writer {
    pub(super) async fn apply(&mut self, command: Command, batch: &mut Batch) -> Result<(), sqlx::Error> {
        match command {
            Command::Token { sha256, client, reply } => {
                self.token(&sha256, &client).await?;
                batch.answer(reply, Ok(()));
            }
            Command::Enrol { client, keys_max, executor, enrol, reply } => {
                let answer = self.enrol(&client, keys_max, &executor, &enrol).await?;
                batch.answer(reply, answer);
            }
            Command::Project { project, root_sha256, envelope, reply } => {
                let answer = self.project(&project, root_sha256, envelope).await?;
                batch.answer(reply, answer);
            }
            Command::Release { release, sha256, envelope, reply } => {
                let answer = self.release(&release, sha256, envelope).await?;
                batch.answer(reply, answer);
            }
            Command::Start { start, reply } => {
                let run = self.start(*start).await?;
                batch.new_work = true;
                batch.changed = true;
                batch.answer(reply, Ok(run));
            }
            Command::Cancel { run, reply } => {
                self.book.queue.cancel(&run, self.clock);
                batch.changed = true;
                batch.answer(reply, Ok(()));
            }
            Command::Poll { client, facts, ask, reply } => {
                let answer = self.poll(client, facts, &ask, !reply.is_closed(), &mut batch.polls).await?;
                batch.changed |= answer.as_ref().is_ok_and(|orders| !orders.is_empty());
                batch.answer(reply, answer);
            }
            Command::Renew { executors, leases, reply } => {
                let answers = leases.iter().map(|lease| self.renew(&executors, lease)).collect();
                batch.answer(reply, Ok(answers));
            }
            Command::Report { reports, reply } => {
                let mut answers = Vec::with_capacity(reports.len());
                for report in &reports {
                    answers.push(self.report(report).await?);
                }
                batch.changed = true;
                batch.new_work = true;
                batch.answer(reply, Ok(answers));
            }
            Command::Close { reply } => {
                batch.close = true;
                batch.answer(reply, Ok(()));
            }
        }
        Ok(())
    }

    async fn token(&mut self, sha256: &Sha256Digest, client: &str) -> Result<(), sqlx::Error> {
        let now = self.clock.as_millis();
        sqlx::query("DELETE FROM tokens WHERE expires_at <= ?").bind(now).execute(&mut self.db).await?;
        sqlx::query("INSERT INTO tokens (sha256, client, expires_at) VALUES (?, ?, ?)")
            .bind(sha256.as_bytes().as_slice())
            .bind(client)
            .bind(self.clock.plus(TOKEN_LIFE).as_millis())
            .execute(&mut self.db)
            .await?;
        Ok(())
    }

    async fn enrol(
        &mut self,
        client: &str,
        keys_max: u32,
        executor: &ExecutorId,
        enrol: &Enrol,
    ) -> Result<Result<(), Problem>, sqlx::Error> {
        let sql = "SELECT client, cluster, pool, role FROM executors WHERE id = ?";
        let known = sqlx::query(sql).bind(executor.as_str()).fetch_optional(&mut self.db).await?;
        if let Some(row) = known {
            if row.try_get::<&str, _>("client")? != client {
                let fix = "make a new key for this executor, or use the client the key belongs to";
                return Ok(Err(Problem::enrolment("this key belongs to an executor of another client", fix)));
            }
            let place = [row.try_get::<&str, _>("cluster")?, row.try_get("pool")?, row.try_get("role")?];
            if place != [enrol.cluster.as_str(), enrol.pool.as_str(), &word(&enrol.role)] {
                let why = format!(
                    "this key is enrolled for cluster `{}`, pool `{}` and role `{}`, and stays there",
                    place[0], place[1], place[2]
                );
                let fix = "make a new key, or free this one with `cofferdam-scheduler client forget-keys`";
                return Ok(Err(Problem::enrolment(why, fix)));
            }
            sqlx::query("UPDATE executors SET name = ?, version = ?, slots = ? WHERE id = ?")
                .bind(&enrol.name)
                .bind(&enrol.version)
                .bind(enrol.slots)
                .bind(executor.as_str())
                .execute(&mut self.db)
                .await?;
            return Ok(Ok(()));
        }
        let sql = "SELECT count(*) FROM executors WHERE client = ?";
        let keys: u32 = sqlx::query_scalar(sql).bind(client).fetch_one(&mut self.db).await?;
        if keys >= keys_max {
            let why = format!("this client has enrolled {keys} keys, as many as it may");
            let fix = "free its keys with `cofferdam-scheduler client forget-keys`, or make a client for each \
                       executor";
            return Ok(Err(Problem::enrolment(why, fix)));
        }
        sqlx::query(
            "INSERT INTO executors (id, client, public, name, cluster, pool, role, version, slots, enrolled_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(executor.as_str())
        .bind(client)
        .bind(&enrol.public)
        .bind(&enrol.name)
        .bind(enrol.cluster.as_str())
        .bind(enrol.pool.as_str())
        .bind(word(&enrol.role))
        .bind(&enrol.version)
        .bind(enrol.slots)
        .bind(self.clock.as_millis())
        .execute(&mut self.db)
        .await?;
        Ok(Ok(()))
    }

    async fn project(
        &mut self,
        project: &ProjectId,
        root_sha256: Sha256Digest,
        envelope: Vec<u8>,
    ) -> Result<Result<(), Problem>, sqlx::Error> {
        let sql = "SELECT root_sha256 FROM projects WHERE id = ?";
        let known: Option<String> =
            sqlx::query_scalar(sql).bind(project.as_str()).fetch_optional(&mut self.db).await?;
        if let Some(known) = known {
            let known: Sha256Digest = known.parse().map_err(|_| sqlx::Error::RowNotFound)?;
            return Ok(if known == root_sha256 { Ok(()) } else { Err(Problem::other_root(known)) });
        }
        sqlx::query("INSERT INTO projects (id, root_sha256, envelope, received_at) VALUES (?, ?, ?, ?)")
            .bind(project.as_str())
            .bind(root_sha256.to_string())
            .bind(envelope)
            .bind(self.clock.as_millis())
            .execute(&mut self.db)
            .await?;
        Ok(Ok(()))
    }

    async fn release(
        &mut self,
        release: &Arc<Release>,
        sha256: Sha256Digest,
        envelope: Vec<u8>,
    ) -> Result<Result<(), Problem>, sqlx::Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM releases WHERE sha256 = ?)";
        if sqlx::query_scalar(sql).bind(sha256.to_string()).fetch_one(&mut self.db).await? {
            return Ok(Ok(()));
        }
        let sql = "SELECT coalesce(max(seq), 0) FROM releases WHERE project = ?";
        let last: i64 =
            sqlx::query_scalar(sql).bind(release.project.as_str()).fetch_one(&mut self.db).await?;
        let seq = release.release_seq.0;
        if number(seq) <= last {
            return Ok(Err(Problem::sequence(seq, last.unsigned_abs())));
        }
        let jobs: Vec<_> = release.jobs.iter().map(|job| &job.name).collect();
        sqlx::query(
            "INSERT INTO releases (sha256, project, seq, issued_at, tasks, jobs, envelope, received_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(sha256.to_string())
        .bind(release.project.as_str())
        .bind(number(seq))
        .bind(release.issued_at.as_millis())
        .bind(number(release.tasks.len() as u64))
        .bind(to_json(&jobs)?)
        .bind(envelope)
        .bind(self.clock.as_millis())
        .execute(&mut self.db)
        .await?;
        self.releases.put(sha256, Arc::clone(release));
        Ok(Ok(()))
    }

    async fn start(&mut self, start: Start) -> Result<RunId, sqlx::Error> {
        if let Some(key) = &start.idempotency_key {
            let sql = "SELECT id FROM runs WHERE client = ? AND idempotency_key = ?";
            let known: Option<String> =
                sqlx::query_scalar(sql).bind(&start.client).bind(key).fetch_optional(&mut self.db).await?;
            if let Some(known) = known {
                return RunId::new(known).map_err(|e| sqlx::Error::Decode(e.into()));
            }
        }
        let meta = RunMeta { started_at: self.clock, ..start.meta };
        sqlx::query(
            "INSERT INTO runs (id, project, release_sha256, release_seq, job, environment, role, params, reason,
                               requested_by, client, idempotency_key, state, cancelled, version, started_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'running', 0, 0, ?)",
        )
        .bind(meta.run.as_str())
        .bind(meta.project.as_str())
        .bind(meta.release_sha256.to_string())
        .bind(number(meta.release_seq.0))
        .bind(meta.job.as_ref().map(|job| job.as_str()))
        .bind(meta.environment.as_str())
        .bind(word(&meta.role))
        .bind(to_json(&meta.params)?)
        .bind(word(&meta.reason))
        .bind(&meta.requested_by)
        .bind(&start.client)
        .bind(&start.idempotency_key)
        .bind(self.clock.as_millis())
        .execute(&mut self.db)
        .await?;
        let run = meta.run.clone();
        self.book.metas.insert(run.clone(), Arc::new(meta));
        self.book.queue.add(start.plan, self.clock);
        Ok(run)
    }

    async fn poll(
        &mut self,
        client: String,
        facts: Option<PollFacts>,
        ask: &Ask,
        is_waited_for: bool,
        polls: &mut Polls,
    ) -> Result<Result<Vec<Order>, Problem>, sqlx::Error> {
        if let Some(facts) = facts {
            if let Err(problem) = self.poll_came(&facts, ask).await? {
                return Ok(Err(problem));
            }
            polls.insert(ask.executor.clone(), (client, facts));
        }
        // Nobody would hear of these leases.
        if !is_waited_for {
            return Ok(Ok(Vec::new()));
        }
        let mut fresh_ids = || {
            let lease = LeaseId::new(format!("lease_{}", Uuid::now_v7())).expect("a UUID makes a lease id");
            let dispatch = DispatchId::new(Uuid::now_v7().to_string()).expect("a UUID is a dispatch id");
            (lease, dispatch)
        };
        let grants = self.book.queue.lease(ask, self.clock, self.term, &mut fresh_ids);
        let orders = grants.into_iter().filter_map(|grant| {
            let meta = Arc::clone(self.book.metas.get(&grant.run)?);
            Some(Order { grant, meta, issued_at: self.clock })
        });
        Ok(Ok(orders.collect()))
    }

    /// Remembers that a poll came; refuses one that came before or is of an earlier start.
    async fn poll_came(&mut self, facts: &PollFacts, ask: &Ask) -> Result<Result<(), Problem>, sqlx::Error> {
        let executor = &ask.executor;
        if let Entry::Vacant(entry) = self.boots.entry(executor.clone()) {
            let sql = "SELECT boot, poll_seq FROM executors WHERE id = ? AND boot IS NOT NULL";
            let row = sqlx::query(sql).bind(executor.as_str()).fetch_optional(&mut self.db).await?;
            if let Some(row) = row {
                let boot = BootId::new(row.try_get::<&str, _>("boot")?)
                    .map_err(|e| sqlx::Error::Decode(e.into()))?;
                entry.insert((boot, row.try_get::<i64, _>("poll_seq")?.unsigned_abs()));
            }
        }
        match self.boots.get(executor) {
            Some((boot, seq)) if *boot == facts.boot => {
                if facts.poll_seq <= *seq {
                    return Ok(Err(Problem::poll("this poll, or a later one, was answered before")));
                }
            }
            _ => {
                if !self.new_boot(executor, &facts.boot).await? {
                    return Ok(Err(Problem::poll("the executor was started again since this start of it")));
                }
            }
        }
        self.boots.insert(executor.clone(), (facts.boot.clone(), facts.poll_seq));
        Ok(Ok(()))
    }

    /// Remembers a start of an executor; whether it is a new one.
    async fn new_boot(&mut self, executor: &ExecutorId, boot: &BootId) -> Result<bool, sqlx::Error> {
        let sql = "INSERT INTO executor_boots (executor, boot, seen_at)
                   SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM executors WHERE id = ?1)
                   ON CONFLICT DO NOTHING";
        let done = sqlx::query(sql)
            .bind(executor.as_str())
            .bind(boot.as_str())
            .bind(self.clock.as_millis())
            .execute(&mut self.db)
            .await?;
        let sql = "DELETE FROM executor_boots WHERE executor = ?1 AND boot IN (
                       SELECT boot FROM executor_boots WHERE executor = ?1
                       ORDER BY seen_at DESC LIMIT -1 OFFSET ?2)";
        sqlx::query(sql).bind(executor.as_str()).bind(BOOTS_MAX).execute(&mut self.db).await?;
        Ok(done.rows_affected() == 1)
    }

    fn renew(&mut self, executors: &[ExecutorId], lease: &HeldLease) -> LeaseAnswer {
        let queue = &mut self.book.queue;
        match queue.holder(&lease.lease_id).filter(|holder| executors.contains(holder)).cloned() {
            Some(holder) => queue.renew(&holder, lease, self.clock, self.term),
            None => LeaseAnswer::Lost,
        }
    }

    async fn report(&mut self, report: &Report) -> Result<ReportAnswer, sqlx::Error> {
        match self.book.queue.report(&report.executor, report, self.clock) {
            Taken::Fresh | Taken::Repeated => return Ok(ReportAnswer::Taken),
            Taken::Stale => return Ok(ReportAnswer::Stale),
            Taken::Unknown => {}
        }
        // A run that has ended, or an attempt from before a restart.
        let sql = "SELECT EXISTS (SELECT 1 FROM attempts WHERE lease_id = ? AND executor = ? AND fence = ?
                                  AND state IS NOT NULL)";
        let taken: bool = sqlx::query_scalar(sql)
            .bind(report.lease_id.as_str())
            .bind(report.executor.as_str())
            .bind(number(report.fence.0))
            .fetch_one(&mut self.db)
            .await?;
        Ok(if taken { ReportAnswer::Taken } else { ReportAnswer::Stale })
    }
}
