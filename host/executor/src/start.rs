//! Puts an executor together, runs it, and takes it apart again.
//!
//! In: settings. Out: nothing, once it was told to stop and everything is reported.
//! Never: asks for work before its start is recorded.
//! Fails: with the code of whatever is missing; and when journal or ledger cannot be written any
//! more, because then nothing may be started.
//! Source: the operator's guide.

use std::{
    fs,
    future::Future,
    io::Write as _,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use cofferdam_broker::GatewayKeeper;
use cofferdam_bundle::{PinnedRoot, pin_root};
use cofferdam_client::{Client, ClientCredentials, TlsOptions};
use cofferdam_ids::{BootId, Explain as _, GatewayName};
use cofferdam_ledger::{Event, ExecutorStarted, ExecutorStopped, GatewaySwept, Ledger};
use cofferdam_protocol::api::Enrol;
use tokio::{
    runtime,
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{
    artifacts::{Artifacts, fingerprint},
    attempts::Attempts,
    blobs::BlobStore,
    clock::WallClock,
    config::{Config, GatewayArgs},
    drive::{Driver, End, Events, Happened},
    error::ExecutorError,
    folder::{DataFolder, OwnKey},
    gate::Gate,
    grant_keeper::GrantKeeper,
    health::{self, Health},
    house::{House, VERSION},
    journal::Journal,
    objects::Objects,
    runners::{RunnerPool, RunnerProcess},
    scheduler::Scheduler,
    workers::{self, Queue},
};

/// Threads that fetch, and write results.
const WORK_THREADS: usize = 2;
/// How long stopped attempts may take to be reported before the executor ends all the same.
const STOPPED_TIME_MAX: Duration = Duration::from_secs(20);
/// The longest pause between tries to enrol.
const ENROL_PAUSE_MAX: Duration = Duration::from_secs(15);

/// Runs an executor by these settings until SIGTERM or SIGINT.
pub fn run(config: Config) -> Result<(), ExecutorError> {
    let client = client(&config)?;
    run_with(config, Arc::new(client), WallClock::system(), signalled())
}

/// The scheduler's client.
pub fn client(config: &Config) -> Result<Client, ExecutorError> {
    let tls = match &config.ca_file {
        Some(path) => TlsOptions::with_ca_file(path).map_err(ExecutorError::below)?,
        None => TlsOptions::native(),
    };
    let credentials = ClientCredentials::new(&config.client_id, &config.client_secret.0);
    Client::new(&config.url, credentials, tls).map_err(ExecutorError::below)
}

/// The trust root of a file, if it is the pinned one.
pub fn pinned(config: &Config, clock: &WallClock) -> Result<PinnedRoot, ExecutorError> {
    let path = config.root.clone();
    let bytes = fs::read(&path).map_err(|source| ExecutorError::Unreadable {
        what: "the trust root",
        path,
        source,
    })?;
    pin_root(&bytes, config.root_sha256, clock.now()).map_err(ExecutorError::below)
}

/// The gateways of the file, the environment and the env file. `owner_tag` names this executor in
/// warehouses.
pub fn gateways(config: &GatewayArgs, owner_tag: &str) -> Result<GatewayKeeper, ExecutorError> {
    let (file, env_file) = (config.gateways.as_deref(), config.env_file.as_deref());
    GatewayKeeper::open(file, env_file, owner_tag).map_err(ExecutorError::below)
}

/// Ends what an earlier process of this executor left running in its warehouses. All are asked at
/// once: one that is away delays the start, but not by the sum of all.
fn sweep(house: &House) {
    let (gateways, new) = house.gateways.attempt();
    for warning in gateways.warnings().iter().chain(&new) {
        tracing::warn!("{warning}");
    }
    thread::scope(|scope| {
        for name in gateways.names() {
            let gateways = &gateways;
            scope.spawn(move || match gateways.get(name).and_then(|driver| driver.sweep()) {
                Ok(sentences) => sentences.into_iter().for_each(|what| swept(house, name, what)),
                // The warehouse may be away for now; its attempts will say so.
                Err(refusal) => tracing::warn!(gateway = %name, code = %refusal.code, "{}", refusal.message),
            });
        }
    });
}

fn swept(house: &House, gateway: &GatewayName, what: String) {
    tracing::warn!(%gateway, "{what}");
    let event = Event::GatewaySwept(GatewaySwept { gateway: gateway.clone(), what });
    // A ledger that cannot be written stops attempts anyway.
    let _ = house.ledger.record(&event);
}

/// Runs an executor against any scheduler, until `stop` is ready and everything is reported.
pub fn run_with(
    config: Config,
    scheduler: Arc<dyn Scheduler>,
    clock: WallClock,
    stop: impl Future<Output = &'static str> + Send + 'static,
) -> Result<(), ExecutorError> {
    let failed = |e: std::io::Error| ExecutorError::RunnerStart(e.to_string());
    let work = runtime::Builder::new_multi_thread()
        .worker_threads(WORK_THREADS)
        .thread_name("work")
        .enable_all()
        .build()
        .map_err(failed)?;
    // Locked until the end.
    let folder = DataFolder::open(&config.data)?;
    let (house, journal, grants) = assemble(config, &folder, scheduler, clock, work.handle())?;
    let house = Arc::new(house);
    let conversation = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let ended = thread::scope(|scope| {
        let thread = thread::Builder::new().name("scheduler".into());
        let (house, handle) = (Arc::clone(&house), work.handle().clone());
        let thread = thread.spawn_scoped(scope, move || {
            conversation.block_on(converse(house, journal, grants, handle, stop))
        });
        thread.map_err(failed)?.join().map_err(|_| ExecutorError::RunnerStart("a thread panicked".into()))?
    });
    house.runners.end();
    work.shutdown_timeout(Duration::from_secs(2));
    ended
}

type Parts = (House, Journal, GrantKeeper);

fn assemble(
    config: Config,
    folder: &DataFolder,
    scheduler: Arc<dyn Scheduler>,
    clock: WallClock,
    work: &runtime::Handle,
) -> Result<Parts, ExecutorError> {
    let own = OwnKey::open(folder, || {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| ExecutorError::Key {
            path: folder.join("key"),
            why: format!("the kernel gave no random bytes: {e}"),
        })?;
        Ok(seed)
    })?;
    let root = pinned(&config, &clock)?;
    let grants = GrantKeeper::open(&config.grants)?;
    let gateways = Arc::new(gateways(&config.gateways, &owner_tag(&own.executor))?);
    let ledger = Ledger::open(&folder.join("ledger"), clock.reader()).map_err(ExecutorError::below)?;
    let journal = Journal::open(&folder.join("journal.log"))?;
    let (probe, lanes) = RunnerProcess::start(&config.program, 1, config.memory_bytes_max)?;
    let confinement = probe.confinement().clone();
    drop((probe, lanes));
    let (given, missing) = health::words(&confinement);
    if !missing.is_empty() {
        tracing::warn!("this kernel does not give runners: {}", missing.join(", "));
    }
    let state = health::State {
        executor: own.executor.to_string(),
        version: VERSION.to_owned(),
        at: Some(clock.now()),
        confinement: given,
        confinement_missing: missing,
        grants_sha256: grants.current().digest().to_string(),
        ..health::State::default()
    };
    let program = config.program.clone();
    let house = House {
        artifacts: match &config.cache {
            Some(cache) => Artifacts::shared(cache, program.clone())?,
            None => {
                Artifacts::open(folder.join("artifacts"), program.clone(), own.artifact_mac, fingerprint()?)
            }
        },
        blobs: BlobStore::open(folder.join("blobs")),
        runners: RunnerPool::new(program, config.slots, config.memory_bytes_max)?,
        attempts: Attempts::watched()?,
        objects: Objects::local(&config.objects, work.clone())?,
        health: Health::new(folder.join("health.json"), state),
        boot: BootId::new(uuid::Uuid::now_v7().to_string())
            .map_err(|e| ExecutorError::RunnerStart(e.to_string()))?,
        version: VERSION,
        ledger: Arc::new(ledger),
        config,
        own,
        root,
        clock,
        scheduler,
        gateways,
        confinement,
    };
    Ok((house, journal, grants))
}

/// The executor's life: enrol, say that it is ready, work, end.
async fn converse(
    house: Arc<House>,
    journal: Journal,
    grants: GrantKeeper,
    work: runtime::Handle,
    stop: impl Future<Output = &'static str> + Send + 'static,
) -> Result<(), ExecutorError> {
    let mut stop = Box::pin(stop);
    record_start(&house, grants.current().digest())?;
    let swept = Arc::clone(&house);
    // Before any work of this process, which would look the same in a warehouse.
    tokio::select! {
        _ = work.spawn_blocking(move || sweep(&swept)) => {}
        reason = &mut stop => return record_stop(&house, reason),
    }
    tokio::select! {
        enrolled = enrol(&house) => enrolled?,
        reason = &mut stop => return record_stop(&house, reason),
    }
    let (events, happened) = mpsc::unbounded_channel();
    let queue = Arc::new(Queue::default());
    let slots = workers::start(&house, &queue, &events)?;
    let (gate, gate_thread) =
        Gate::start(Arc::clone(&house), journal, grants, Arc::clone(&queue), events.clone(), work)?;
    say_ready(&house);
    let stopping = tokio::spawn(drain(Arc::clone(&house), events.clone(), stop));
    let end = Driver::new(Arc::clone(&house), gate.clone(), events).run(happened).await;
    gate.end();
    queue.close();
    let reason = match end {
        // It looks every 50 ms whether all is reported.
        End::Drained => match timeout(Duration::from_secs(1), stopping).await {
            Ok(Ok(reason)) => reason,
            _ => "it was told to",
        },
        End::GivenUp => "attempts did not end in time",
        End::Unwritable(error) => return Err(error),
    };
    // Attempts that did not end are ended with their runners, by the end of this process.
    if end_is_clean(&house) {
        let joined = slots.into_iter().chain([gate_thread]).all(|t| t.join().is_ok());
        tracing::debug!(joined, "all threads ended");
    }
    record_stop(&house, reason)
}

/// What names this executor in warehouses.
fn owner_tag(executor: &cofferdam_ids::ExecutorId) -> String {
    executor.as_str().trim_start_matches("exec_").chars().take(8).collect()
}

fn end_is_clean(house: &House) -> bool {
    house.attempts.count() == 0
}

fn record_start(house: &House, grants: cofferdam_ids::Sha256Digest) -> Result<(), ExecutorError> {
    let (config, (confinement, _)) = (&house.config, health::words(&house.confinement));
    let started = ExecutorStarted {
        executor: house.own.executor.clone(),
        boot: house.boot.clone(),
        version: house.version.to_owned(),
        cluster: config.cluster.clone(),
        pool: config.pool.clone(),
        role: config.role,
        root_sha256: house.root.digest(),
        grants_sha256: grants,
        confinement: confinement.clone(),
    };
    house.ledger.record_durable(&Event::ExecutorStarted(started)).map_err(ExecutorError::below)?;
    let executor = house.own.executor.short();
    let confinement = confinement.join(", ");
    tracing::info!(executor, role = %config.role, pool = %config.pool, confinement, "the executor starts");
    Ok(())
}

fn record_stop(house: &House, reason: &str) -> Result<(), ExecutorError> {
    let stopped = ExecutorStopped { boot: house.boot.clone(), reason: reason.to_owned() };
    house.ledger.record_durable(&Event::ExecutorStopped(stopped)).map_err(ExecutorError::below)?;
    tracing::info!(reason, "the executor has stopped");
    Ok(())
}

/// Makes the executor known; repeated while the scheduler is away.
async fn enrol(house: &House) -> Result<(), ExecutorError> {
    let config = &house.config;
    let enrol = Enrol {
        public: house.own.signing.public().to_base64(),
        name: config.name.clone(),
        cluster: config.cluster.clone(),
        pool: config.pool.clone(),
        role: config.role,
        version: house.version.to_owned(),
        slots: config.slots,
    };
    let mut pause = Duration::from_millis(200);
    loop {
        match house.scheduler.enrol(&enrol).await {
            Ok(_) => {
                house.health.reached(true);
                return Ok(());
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(code = %error.code(), %error, "could not enrol; trying again");
                sleep(pause).await;
                pause = (pause * 2).min(ENROL_PAUSE_MAX);
            }
            Err(error) => return Err(ExecutorError::below(error)),
        }
    }
}

fn say_ready(house: &House) {
    let line = serde_json::json!({
        "ready": true,
        "url": house.config.url,
        "executor": house.own.executor,
        "role": house.config.role,
        "confinement": health::words(&house.confinement).0,
    });
    // Whoever started us may not want to know.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Waits for the word to stop, lets what runs finish, and then stops it.
async fn drain(house: Arc<House>, events: Events, stop: impl Future<Output = &'static str>) -> &'static str {
    let reason = stop.await;
    tracing::info!(reason, attempts = house.attempts.count(), "no more work is taken");
    house.health.update(|state| state.draining = true);
    let _ = events.send(Happened::Drain);
    let until = Instant::now() + house.config.drain;
    while Instant::now() < until {
        sleep(Duration::from_millis(50)).await;
        if house.attempts.count() == 0 {
            break;
        }
    }
    if house.attempts.count() > 0 {
        let _ = events.send(Happened::StopAll);
        sleep(STOPPED_TIME_MAX).await;
        let _ = events.send(Happened::GiveUp);
    }
    reason
}

/// Ready when the process was told to stop.
async fn signalled() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be heard; stop the executor by SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    }
}
