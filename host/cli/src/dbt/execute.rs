//! Runs nodes and says what becomes of them, as it happens.
//!
//! In: a session, a signed release, nodes. Out: what came of each.
//! Never: decides what runs next; the scheduler does.
//! Fails: with the client's code once the scheduler was away too long.
//! Source: `docs/guides/move-a-dbt-project.md`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::Write as _,
    time::{Duration, Instant},
};

use cofferdam_bundle::statement::Argument;
use cofferdam_client::ClientError;
use cofferdam_ids::{Sha256Digest, TaskId};
use cofferdam_protocol::api::{RunState, RunView, StartRun, TaskState, TaskView};

use super::{
    lines::{self, Command},
    manifest::{Manifest, Node},
    outcome::{Done, Status},
    session::Session,
};
use crate::{
    failure::{Failure, Outcome},
    now,
    text::Paint,
};

/// Milliseconds one watch waits for a change.
const WATCH_MS: u32 = 20_000;
/// How long the scheduler may be away.
const AWAY_MAX: Duration = Duration::from_secs(60);

/// What is to be run.
pub(crate) struct Order<'a> {
    pub(crate) release: Sha256Digest,
    /// Each node and its task.
    pub(crate) nodes: BTreeMap<TaskId, &'a Node>,
    pub(crate) params: Vec<Argument>,
    pub(crate) command: Command,
    pub(crate) fail_fast: bool,
    pub(crate) quiet: bool,
    /// Whether no node waits for another, as dbt's tests do not.
    pub(crate) alone: bool,
    pub(crate) paint: Paint,
}

/// What came of one node.
pub(crate) struct Ended<'a> {
    pub(crate) node: &'a Node,
    pub(crate) task: TaskView,
    pub(crate) run: String,
    pub(crate) done: Done,
    pub(crate) thread: usize,
}

/// Runs them to their end, in the order they ended.
pub(crate) async fn run<'a>(session: &Session, order: &Order<'a>) -> Outcome<(Vec<Ended<'a>>, bool)> {
    let begin = |select: Vec<String>| StartRun {
        release: Some(order.release),
        select,
        params: order.params.clone(),
        ..StartRun::default()
    };
    let all = begin(order.nodes.keys().map(ToString::to_string).collect());
    let mut view = session.client.start_run(&all).await.map_err(|e| Failure::of(&e))?;
    let mut progress = Progress::new(session, order);
    let mut cancelled = false;
    let mut interrupted = false;
    let mut away_since: Option<Instant> = None;
    progress.take(&view);
    loop {
        if view.state != RunState::Running {
            let left = progress.left(&view);
            if left.is_empty() || cancelled || interrupted {
                progress.skip(&view);
                return Ok((progress.ended, interrupted));
            }
            // What was skipped because something else failed: it stands alone, and is run after all.
            view = session.client.start_run(&begin(left)).await.map_err(|e| Failure::of(&e))?;
            progress.take(&view);
            continue;
        }
        if progress.failed && order.fail_fast && !cancelled {
            cancelled = true;
            let _ = session.client.cancel_run(&view.run).await;
        }
        let answer: Result<RunView, ClientError> = tokio::select! {
            answer = session.client.watch_run(&view.run, view.version, WATCH_MS) => answer,
            _ = tokio::signal::ctrl_c() => {
                if std::mem::replace(&mut interrupted, true) {
                    return Ok((progress.ended, true));
                }
                say(order.quiet, "Stopping: the nodes that run are told to stop");
                session.client.cancel_run(&view.run).await
            }
        };
        match answer {
            Ok(changes) => {
                away_since = None;
                progress.take(&changes);
                view = view.with(changes);
            }
            Err(error)
                if error.is_transient()
                    && away_since.get_or_insert_with(Instant::now).elapsed() < AWAY_MAX =>
            {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(error) => return Err(Failure::of(&error)),
        }
    }
}

struct Progress<'a, 'b> {
    session: &'b Session,
    order: &'b Order<'a>,
    numbers: HashMap<TaskId, (usize, usize)>,
    threads: Vec<bool>,
    over: HashSet<TaskId>,
    ended: Vec<Ended<'a>>,
    failed: bool,
    /// Nodes that are not silent.
    spoken: usize,
}

impl<'a, 'b> Progress<'a, 'b> {
    fn new(session: &'b Session, order: &'b Order<'a>) -> Self {
        Self {
            session,
            order,
            numbers: HashMap::new(),
            threads: Vec::new(),
            over: HashSet::new(),
            ended: Vec::new(),
            failed: false,
            spoken: order.nodes.values().filter(|node| !makes_nothing(order, node)).count(),
        }
    }

    /// Says what changed.
    fn take(&mut self, view: &RunView) {
        let waits = |task: &TaskView| self.order.alone && task.state == TaskState::Skipped;
        let mut fresh: Vec<&TaskView> = view
            .tasks
            .iter()
            .filter(|task| !self.over.contains(&task.task) && !waits(task))
            .filter(|task| task.state.is_final() || task.state == TaskState::Leased)
            .filter(|task| !self.is_silent(task))
            .collect();
        // As things happened: what ended first makes room for what started after it.
        // What was skipped, was skipped because of something that ended.
        fresh.sort_by_key(|task| {
            (task.ended_at.or(task.started_at), task.state == TaskState::Skipped, task.started_at)
        });
        for task in fresh {
            let Some(node) = self.order.nodes.get(&task.task).copied() else { continue };
            let (number, thread) = self.number(task, node);
            if task.state.is_final() {
                self.end(view, task, node, number, thread);
            }
        }
    }

    /// What was skipped and waits for nothing that could be mended.
    fn left(&self, view: &RunView) -> Vec<String> {
        let skipped = |task: &&TaskView| self.order.alone && task.state == TaskState::Skipped;
        let left: Vec<String> = view.tasks.iter().filter(skipped).map(|task| task.task.to_string()).collect();
        // Each run does a part of it, or there is nothing to be done about the rest.
        if left.len() < view.tasks.len() { left } else { Vec::new() }
    }

    /// Says that the rest is skipped.
    fn skip(&mut self, view: &RunView) {
        for task in view.tasks.iter().filter(|task| task.state.is_final()) {
            if self.is_silent(task) {
                continue;
            }
            let Some(node) = self.order.nodes.get(&task.task).copied() else { continue };
            if !self.over.contains(&task.task) {
                let (number, thread) = self.number(task, node);
                self.end(view, task, node, number, thread);
            }
        }
    }

    /// An ephemeral model makes nothing: dbt speaks of one only where it fails.
    fn is_silent(&self, task: &TaskView) -> bool {
        let node = self.order.nodes.get(&task.task);
        node.is_some_and(|node| makes_nothing(self.order, node)) && task.state != TaskState::Failed
    }

    /// How many nodes are spoken of.
    fn total(&self) -> usize {
        self.spoken.max(self.numbers.len())
    }

    /// The node's number and thread; says that it starts where it was not seen before.
    fn number(&mut self, task: &TaskView, node: &Node) -> (usize, usize) {
        if let Some(known) = self.numbers.get(&task.task) {
            return *known;
        }
        let number = self.numbers.len() + 1;
        let thread = self.threads.iter().position(|busy| !busy).unwrap_or_else(|| {
            self.threads.push(false);
            self.threads.len() - 1
        });
        self.threads[thread] = true;
        self.numbers.insert(task.task.clone(), (number, thread + 1));
        if task.attempt.0 > 0 && self.order.command == Command::Run {
            say(self.order.quiet, &lines::start(number, self.total(), node));
        }
        (number, thread + 1)
    }

    fn end(&mut self, view: &RunView, task: &TaskView, node: &'a Node, number: usize, thread: usize) {
        self.over.insert(task.task.clone());
        if let Some(busy) = self.threads.get_mut(thread - 1) {
            *busy = false;
        }
        let done = self.session.objects.done(view.run.as_str(), task, node.is_test());
        self.failed |= done.status.is_bad();
        for (is_warning, words) in self.session.objects.said(view.run.as_str(), task) {
            match is_warning {
                true if done.status == Status::Warn || done.status.is_bad() => {}
                true => say(self.order.quiet, &format!("[WARNING]: {}", lines::block(&words))),
                false => say(self.order.quiet, &lines::block(&words)),
            }
        }
        let line = lines::end(number, self.total(), node, &done, self.order.command, self.order.paint);
        let silent = self.order.quiet && !done.status.is_bad();
        let compiled = self.order.command == Command::Compile && done.status == Status::Success;
        say(silent || compiled, &line);
        let run = view.run.to_string();
        self.ended.push(Ended { node, task: task.clone(), run, done, thread });
    }
}

fn makes_nothing(order: &Order<'_>, node: &Node) -> bool {
    order.command == Command::Run && node.is_ephemeral()
}

/// Prints a line with the time. A reader that has gone away is no reason to fail.
pub(crate) fn say(quiet: bool, line: &str) {
    if quiet {
        return;
    }
    let at = now().to_string();
    let _ = writeln!(std::io::stdout(), "{}  {line}", at.get(11..19).unwrap_or_default());
}

/// The tasks of nodes: by their own id, or by the one a long name was given.
pub(crate) fn tasks<'a, 'b>(
    manifest: &'a Manifest,
    named: &HashMap<String, TaskId>,
    ids: impl Iterator<Item = &'b String>,
) -> BTreeMap<TaskId, &'a Node> {
    ids.filter_map(|id| Some((named.get(id)?.clone(), manifest.node(id)?))).collect()
}
