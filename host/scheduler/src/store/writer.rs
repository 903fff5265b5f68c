//! The single writer: takes commands, applies as many as wait in one transaction, answers after commit.
//!
//! In: [`Command`]s. Out: answers, sent only when what they say is durable; [`Signals`] for those who wait.
//! Never: answers before the commit; a failed commit throws its memory away and reads it again.
//! Fails: a command that cannot be done is answered with a `Problem`; the others go on.
//! Source: `docs/adr/0008-scheduler-store-single-writer.md`.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use cofferdam_ids::{BootId, DispatchId, ExecutorId, LeaseId, Role, Timestamp};
use cofferdam_protocol::{
    api::{LeaseAnswer, ReportAnswer},
    queue::{Ask, Taken},
};
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    command::{Command, Order, PollFacts, Reply},
    database_time,
    flush::{Polls, flush},
    load::{Book, load},
    release_cache::ReleaseCache,
};
use crate::{
    Problem,
    limits::{BATCH_MAX, COMMANDS_WAITING_MAX, SWEEP_EVERY},
};

mod apply;

/// Rings when those who wait may find something new.
pub(crate) struct Signals {
    run: watch::Sender<u64>,
    apply: watch::Sender<u64>,
    /// A run changed.
    pub(crate) runs: watch::Sender<u64>,
    /// A run ended.
    pub(crate) ends: watch::Sender<u64>,
}

impl Signals {
    /// Work may have become ready for executors of a role.
    pub(crate) fn work(&self, role: Role) -> &watch::Sender<u64> {
        match role {
            Role::Run => &self.run,
            Role::Apply => &self.apply,
        }
    }
}

impl Default for Signals {
    fn default() -> Self {
        let bell = || watch::Sender::new(0);
        Self { run: bell(), apply: bell(), runs: bell(), ends: bell() }
    }
}

/// Sends commands to the writer.
#[derive(Clone)]
pub(crate) struct WriterHandle(mpsc::Sender<Command>);

impl WriterHandle {
    /// Sends a command and waits for its durable answer.
    pub(crate) async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        let gone = || Problem::internal("the writer has stopped");
        self.0.send(command(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Ends the writer after what it was sent before.
    pub(crate) async fn close(&self) {
        let _ = self.ask(|reply| Command::Close { reply }).await;
    }
}

/// Starts the writer on its connection.
pub(crate) async fn start(
    mut db: SqliteConnection,
    releases: ReleaseCache,
    signals: Arc<Signals>,
    term: Duration,
) -> Result<WriterHandle, sqlx::Error> {
    let mut book = load(&mut db, &releases).await?;
    let now = database_time(&mut db).await?;
    book.queue.forgive(now, term);
    let (sender, commands) = mpsc::channel(COMMANDS_WAITING_MAX);
    let writer = Writer { db, book, boots: HashMap::new(), releases, signals, term, clock: now };
    tokio::spawn(writer.run(commands));
    Ok(WriterHandle(sender))
}

struct Writer {
    db: SqliteConnection,
    book: Book,
    /// The latest start of each executor and its last poll.
    boots: HashMap<ExecutorId, (BootId, u64)>,
    releases: ReleaseCache,
    signals: Arc<Signals>,
    term: Duration,
    /// Never goes back, whatever the machine's clock does.
    clock: Timestamp,
}

/// An answer that waits for the commit.
type Pending = Box<dyn FnOnce(bool) + Send>;

/// One transaction under way.
#[derive(Default)]
struct Batch {
    pending: Vec<Pending>,
    /// Something may be leased now that could not be before.
    new_work: bool,
    changed: bool,
    ended: bool,
    close: bool,
    polls: Polls,
}

impl Batch {
    /// Answers once the batch is durable; with an error where it will not be.
    fn answer<T: Send + 'static>(&mut self, reply: Reply<T>, answer: Result<T, Problem>) {
        self.pending.push(Box::new(move |durable| {
            let failed = || Err(Problem::internal("the transaction was not committed"));
            // Whoever asked may have gone.
            let _ = reply.send(if durable { answer } else { failed() });
        }));
    }
}

/// Begins a transaction; gives the database's clock.
async fn begin(db: &mut SqliteConnection) -> Result<Timestamp, sqlx::Error> {
    let sql = "BEGIN IMMEDIATE; SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)";
    sqlx::query_scalar(sql).fetch_one(db).await.map(Timestamp::from_millis)
}

impl Writer {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let wait = self.pause();
            let first = tokio::time::timeout(wait, commands.recv()).await;
            let mut waiting = Vec::new();
            match first {
                Ok(Some(command)) => {
                    waiting.push(command);
                    while waiting.len() < BATCH_MAX
                        && let Ok(command) = commands.try_recv()
                    {
                        waiting.push(command);
                    }
                }
                Ok(None) => break,
                Err(_) => {}
            }
            let timer = waiting.is_empty();
            let begun = Instant::now();
            let commands_taken = waiting.len();
            let mut batch = Batch { new_work: timer, ..Batch::default() };
            let ended = self.transact(waiting, &mut batch).await;
            let durable = ended.is_ok();
            if let Err(error) = ended {
                tracing::error!(%error, "a batch was not committed");
                self.recover().await;
            }
            tracing::debug!(commands = commands_taken, micros = begun.elapsed().as_micros(), "batch");
            batch.pending.into_iter().for_each(|answer| answer(durable));
            if batch.changed {
                self.signals.runs.send_modify(|n| *n += 1);
            }
            if durable && batch.ended {
                self.signals.ends.send_modify(|n| *n += 1);
            }
            for role in [Role::Run, Role::Apply] {
                if batch.new_work && self.book.queue.has_ready(role, self.clock) {
                    self.signals.work(role).send_modify(|n| *n += 1);
                }
            }
            if batch.close {
                break;
            }
        }
        if let Err(error) = self.db.close().await {
            tracing::error!(%error, "the store was not closed cleanly");
        }
    }

    /// How long nothing happens by itself.
    fn pause(&self) -> Duration {
        let next = self.book.queue.next_event(self.clock);
        next.map_or(SWEEP_EVERY, |at| at.since(self.clock)).clamp(Duration::from_millis(1), SWEEP_EVERY)
    }

    /// One batch: begin, what time did, what was asked, write, commit.
    async fn transact(&mut self, commands: Vec<Command>, batch: &mut Batch) -> Result<(), sqlx::Error> {
        self.clock = self.clock.max(begin(&mut self.db).await?);
        batch.new_work |= self.book.queue.expire(self.clock) > 0;
        for command in commands {
            self.apply(command, batch).await?;
        }
        let ended = flush(&mut self.db, &mut self.book, &batch.polls, self.clock).await?;
        batch.ended = !ended.is_empty();
        for run in ended {
            self.book.queue.remove(&run);
            self.book.metas.remove(&run);
        }
        Ok(())
    }

    /// After a failed transaction memory may be ahead of the tables: reads it again until it can.
    async fn recover(&mut self) {
        loop {
            // Fails where the engine has rolled back by itself.
            let _ = sqlx::query("ROLLBACK").execute(&mut self.db).await;
            match load(&mut self.db, &self.releases).await {
                Ok(book) => {
                    self.book = book;
                    self.boots.clear();
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "the store cannot be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}
