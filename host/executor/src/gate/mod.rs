//! The gate: every dispatch passes it, alone and in order, before anything is compiled or run.
//!
//! In: answers to polls, and releases as they arrive. Out: admitted attempts for the workers, and
//! reports of those that were refused.
//! Never: leaves out or reorders a step; starts an attempt whose admission is not durable. One
//! thread owns it, and with it the journal and the grants, so no two dispatches are judged at once.
//! Fails: closed. A refusal is recorded with its code and reported where the order was really
//! the scheduler's and meant for this executor.
//! Source: §3 of the trust design, "order of verification".

mod admit;
mod refuse;

use std::{
    collections::HashMap,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use cofferdam_bundle::{
    DispatchContext, OutstandingNonce, Refused, ReleaseContext, Verified, recheck_release,
    statement::Dispatch, verify_dispatch, verify_release,
};
use cofferdam_ids::{Fence, LeaseId, Nonce, Sha256Digest, Timestamp};
use tokio::runtime::Handle;

pub use admit::Admitted;

use crate::{
    drive::{Events, Happened},
    error::ExecutorError,
    grant_keeper::GrantKeeper,
    house::House,
    journal::{Entry, Journal},
    release::{KnownRelease, ReadyRelease, fetch_envelope, prepare},
    workers::Queue,
};

/// Releases kept verified; the longest unused is forgotten first.
const RELEASES_MAX: usize = 8;

/// The answer to a poll.
#[derive(Debug)]
pub struct Answered {
    /// The nonce of the poll.
    pub nonce: Nonce,
    /// When it was sent.
    pub sent_at: Instant,
    /// How many dispatches it asked for.
    pub asked: usize,
    /// Envelopes, from the scheduler.
    pub dispatches: Vec<serde_json::Value>,
}

enum Message {
    Answered(Answered),
    Envelope(Sha256Digest, Result<Vec<u8>, ExecutorError>),
    Ready(Sha256Digest, Result<ReadyRelease, ExecutorError>),
    End,
}

/// Where messages to the gate go in.
#[derive(Clone)]
pub struct GateSender(mpsc::Sender<Message>);

impl GateSender {
    /// A poll was answered.
    pub fn answered(&self, answered: Answered) {
        // A gate that is gone means an executor that ends: the leases run out.
        let _ = self.0.send(Message::Answered(answered));
    }

    /// No more messages are wanted.
    pub fn end(&self) {
        let _ = self.0.send(Message::End);
    }
}

/// A dispatch that is verified and waits for its release.
type Waiting = Verified<Dispatch>;

enum Release {
    Fetching(Vec<Waiting>),
    Known { known: Arc<KnownRelease>, progress: Progress, used: Instant },
}

enum Progress {
    Verified,
    Preparing(Vec<Admitted>),
    Ready(Arc<ReadyRelease>),
}

/// What the gate owns.
pub struct Gate {
    house: Arc<House>,
    journal: Journal,
    grants: GrantKeeper,
    releases: HashMap<Sha256Digest, Release>,
    queue: Arc<Queue>,
    events: Events,
    runtime: Handle,
    me: mpsc::Sender<Message>,
    admitted: Vec<Admitted>,
}

impl Gate {
    /// Starts the gate's thread.
    pub fn start(
        house: Arc<House>,
        journal: Journal,
        grants: GrantKeeper,
        queue: Arc<Queue>,
        events: Events,
        runtime: Handle,
    ) -> Result<(GateSender, JoinHandle<()>), ExecutorError> {
        let (me, messages) = mpsc::channel();
        let sender = GateSender(me.clone());
        let admitted = Vec::new();
        let gate =
            Self { house, journal, grants, releases: HashMap::new(), queue, events, runtime, me, admitted };
        let thread = thread::Builder::new()
            .name("gate".into())
            .spawn(move || gate.run(&messages))
            .map_err(|e| ExecutorError::RunnerStart(e.to_string()))?;
        Ok((sender, thread))
    }

    fn run(mut self, messages: &mpsc::Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            match message {
                Message::Answered(answered) => self.answered(answered),
                Message::Envelope(digest, envelope) => self.envelope(digest, envelope),
                Message::Ready(digest, ready) => self.ready(digest, ready),
                Message::End => return,
            }
            self.start_admitted();
        }
    }

    /// Steps 1 to 5 for every dispatch of an answer.
    fn answered(&mut self, answered: Answered) {
        self.refresh_grants();
        let now = self.house.clock.now();
        // The nonce is spent with this answer, whatever it holds.
        let nonce = OutstandingNonce { nonce: answered.nonce, age: answered.sent_at.elapsed() };
        let mut taken: Vec<(LeaseId, Fence, Duration)> = Vec::new();
        let mut verified = Vec::new();
        let mut reports = Vec::new();
        for (number, value) in answered.dispatches.iter().enumerate() {
            let envelope = serde_json::to_vec(value).unwrap_or_default();
            if number >= answered.asked {
                self.refuse_unasked();
                break;
            }
            match self.verify(&envelope, nonce, now) {
                Ok(dispatch) => {
                    taken.push(lease(dispatch.statement()));
                    verified.push(dispatch);
                }
                Err(refused) => {
                    if let Some((lease, report)) = self.refuse_dispatch(&envelope, &refused) {
                        taken.push(lease);
                        reports.push(report);
                    }
                }
            }
        }
        // The conversation must know of a lease before it hears of its end.
        self.tell(Happened::Taken(taken));
        for (lease, report) in reports {
            self.tell(Happened::Ended(lease, report));
        }
        for dispatch in verified {
            self.queue_release(dispatch);
        }
    }

    fn verify(
        &mut self,
        envelope: &[u8],
        nonce: OutstandingNonce,
        now: Timestamp,
    ) -> Result<Waiting, Refused> {
        let house = &self.house;
        let context = DispatchContext {
            root: &house.root,
            me: &house.own.executor,
            cluster: &house.config.cluster,
            pool: &house.config.pool,
            role: house.config.role,
            nonce: Some(nonce),
            now,
            journal: self.journal.view(),
        };
        let verified = verify_dispatch(envelope, &context)?;
        let dispatch = verified.statement();
        if house.attempts.holds(&dispatch.lease_id) {
            // A second order under a lease that is held would take the first one's place.
            return Err(Refused::DispatchSeen { dispatch: dispatch.dispatch_id.clone() });
        }
        let entry = Entry::Consumed {
            at: now,
            dispatch: dispatch.dispatch_id.clone(),
            not_after: dispatch.not_after,
            project: dispatch.project.clone(),
            task: dispatch.task.clone(),
            fence: dispatch.fence,
        };
        // Known at once; whether it is durable is asked before the attempt starts.
        if let Err(error) = self.journal.note(&entry) {
            tracing::error!(%error, "the journal cannot be written");
            self.tell(Happened::Unwritable(error));
        }
        house.attempts.hold(&dispatch.lease_id);
        Ok(verified)
    }

    /// Step 6, as far as the release is here already.
    fn queue_release(&mut self, dispatch: Waiting) {
        let digest = dispatch.statement().release_sha256;
        match self.releases.get_mut(&digest) {
            Some(Release::Fetching(waiting)) => waiting.push(dispatch),
            Some(Release::Known { known, used, .. }) => {
                *used = Instant::now();
                let known = Arc::clone(known);
                match recheck_release(&known.verified, &dispatch, &self.release_context()) {
                    Ok(()) => self.admit(dispatch, &known),
                    Err(refused) => self.refuse_verified(dispatch.statement(), &refused),
                }
            }
            None => {
                self.forget_old_releases();
                self.releases.insert(digest, Release::Fetching(vec![dispatch]));
                let (house, me) = (Arc::clone(&self.house), self.me.clone());
                self.runtime.spawn(async move {
                    let envelope = fetch_envelope(&house, digest).await;
                    let _ = me.send(Message::Envelope(digest, envelope));
                });
            }
        }
    }

    fn envelope(&mut self, digest: Sha256Digest, envelope: Result<Vec<u8>, ExecutorError>) {
        let Some(Release::Fetching(waiting)) = self.releases.remove(&digest) else { return };
        let envelope = match envelope {
            Ok(envelope) => envelope,
            Err(error) => {
                for dispatch in waiting {
                    self.fail(dispatch.statement(), &error, &[]);
                }
                return;
            }
        };
        for dispatch in waiting {
            // The first that lets the release through makes it known to the others.
            if self.releases.contains_key(&digest) {
                self.queue_release(dispatch);
                continue;
            }
            match verify_release(&envelope, &dispatch, &self.release_context()) {
                Ok(verified) => {
                    let known = Arc::new(KnownRelease { verified, digest });
                    let (progress, used) = (Progress::Verified, Instant::now());
                    self.releases
                        .insert(digest, Release::Known { known: Arc::clone(&known), progress, used });
                    self.admit(dispatch, &known);
                }
                Err(refused) => self.refuse_verified(dispatch.statement(), &refused),
            }
        }
    }

    /// Hands an admitted attempt on, or lets it wait while its release is made ready.
    fn hand_to_workers(&mut self, attempt: Admitted) {
        let digest = attempt.release.digest;
        let Some(Release::Known { known, progress, .. }) = self.releases.get_mut(&digest) else { return };
        match progress {
            Progress::Ready(_) => self.admitted.push(attempt),
            Progress::Preparing(waiting) => waiting.push(attempt),
            Progress::Verified => {
                *progress = Progress::Preparing(vec![attempt]);
                let (house, known, me) = (Arc::clone(&self.house), Arc::clone(known), self.me.clone());
                self.runtime.spawn(async move {
                    let ready = prepare(house, known).await;
                    let _ = me.send(Message::Ready(digest, ready));
                });
            }
        }
    }

    fn ready(&mut self, digest: Sha256Digest, ready: Result<ReadyRelease, ExecutorError>) {
        let Some(Release::Known { progress, .. }) = self.releases.get_mut(&digest) else { return };
        // Where it failed, it is prepared again for the next dispatch.
        let Progress::Preparing(waiting) = std::mem::replace(progress, Progress::Verified) else { return };
        match ready {
            Ok(ready) => {
                *progress = Progress::Ready(Arc::new(ready));
                self.admitted.extend(waiting);
            }
            Err(error) => {
                for attempt in waiting {
                    self.fail(attempt.dispatch.statement(), &error, &attempt.report_fields());
                }
            }
        }
    }

    fn ready_release(&self, digest: Sha256Digest) -> Option<Arc<ReadyRelease>> {
        match self.releases.get(&digest) {
            Some(Release::Known { progress: Progress::Ready(ready), .. }) => Some(Arc::clone(ready)),
            _ => None,
        }
    }

    fn release_context(&self) -> ReleaseContext<'_> {
        ReleaseContext {
            root: &self.house.root,
            now: self.house.clock.now(),
            executor_version: self.house.version,
            cluster: &self.house.config.cluster,
            pool: &self.house.config.pool,
            journal: self.journal.view(),
        }
    }

    /// Keeps the number of releases bounded; those that are fetched or prepared stay.
    fn forget_old_releases(&mut self) {
        while self.releases.len() >= RELEASES_MAX {
            let idle = self.releases.iter().filter_map(|(digest, release)| match release {
                Release::Known { progress: Progress::Verified | Progress::Ready(_), used, .. } => {
                    Some((*used, *digest))
                }
                _ => None,
            });
            let Some((_, oldest)) = idle.min_by_key(|(used, _)| *used) else { return };
            self.releases.remove(&oldest);
        }
    }

    fn tell(&self, happened: Happened) {
        let _ = self.events.send(happened);
    }
}

fn lease(dispatch: &Dispatch) -> (LeaseId, Fence, Duration) {
    let term = Duration::from_secs(u64::from(dispatch.lease_ttl_s));
    (dispatch.lease_id.clone(), dispatch.fence, term)
}
