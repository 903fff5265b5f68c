//! Signed fixtures and an in-memory journal, for tests here and in other crates.
//!
//! The keys are made of fixed seeds that everyone can read: nothing signed here is worth anything.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use cofferdam_ids::{
    AttemptNo, ClusterName, DispatchId, ExecutorId, Fence, LeaseId, Nonce, PoolName, ProjectId, ReleaseSeq,
    Role, RunId, Sha256Digest, TaskId, Timestamp,
};

use crate::{
    DispatchContext, JournalView, OutstandingNonce, PinnedRoot, ReleaseContext, SigningKey, pin_root, sign,
    statement::{
        Audience, Dispatch, FileEntry, GatewayPlugin, Job, PluginEntry, Release, ReleasedTask, ReportField,
        Request, Retry, RoleKeys, Roles, RootKey, RunReason, SPEC, SchedulePolicy, SqlMode, TaskLimits,
        TrustRoot,
    },
    unverified_body_sha256,
};

/// A project `prj_shop` with one key per role, one executor, one release of one task and a
/// dispatch for it, all of which verify at [`Fixture::now`].
pub struct Fixture {
    /// Signs the root.
    pub root_key: SigningKey,
    /// Signs releases.
    pub release_key: SigningKey,
    /// Signs dispatches.
    pub dispatch_key: SigningKey,
    /// The executor's own.
    pub executor_key: SigningKey,
    /// The executor.
    pub executor: ExecutorId,
    /// Its cluster, `main`.
    pub cluster: ClusterName,
    /// Its pool, `default`.
    pub pool: PoolName,
    /// The nonce of its poll.
    pub nonce: Nonce,
    /// The wall clock.
    pub now: Timestamp,
    /// What it remembers.
    pub journal: MemoryJournal,
    root: PinnedRoot,
}

impl Default for Fixture {
    fn default() -> Self {
        Self::new()
    }
}

impl Fixture {
    /// The project at 2026-11-21T06:00:00Z.
    pub fn new() -> Self {
        let [root_key, release_key, dispatch_key, executor_key] =
            [1, 2, 3, 4].map(|n| SigningKey::from_seed([n; 32]));
        let now: Timestamp = must("2026-11-21T06:00:00Z".parse());
        let body = root_of(&root_key, &release_key, &dispatch_key);
        let envelope = sign(&body, &[&root_key]);
        let digest = must(unverified_body_sha256(&envelope, crate::statement::StatementKind::Root));
        Self {
            root: must(pin_root(&envelope, digest, now)),
            executor: ExecutorId::of_key(executor_key.key_id()),
            cluster: must(ClusterName::new("main")),
            pool: must(PoolName::new("default")),
            nonce: Nonce::from_bytes([9; 32]),
            journal: MemoryJournal::default(),
            root_key,
            release_key,
            dispatch_key,
            executor_key,
            now,
        }
    }

    /// The pinned root.
    pub fn root(&self) -> &PinnedRoot {
        &self.root
    }

    /// The root's body, to be changed and signed again.
    pub fn root_body(&self) -> TrustRoot {
        root_of(&self.root_key, &self.release_key, &self.dispatch_key)
    }

    /// The root's envelope.
    pub fn root_envelope(&self) -> Vec<u8> {
        sign(&self.root_body(), &[&self.root_key])
    }

    /// A release of one task, `model.shop.orders`, by plugin `task-dbt` on gateway `wh`.
    pub fn release(&self) -> Release {
        Release {
            kind: "release".into(),
            spec: SPEC,
            project: self.root.project().clone(),
            release_seq: ReleaseSeq(41),
            issued_at: self.now,
            not_before: self.now.minus(Duration::from_secs(3600)),
            not_after: self.now.plus(Duration::from_secs(30 * 86_400)),
            min_executor: "0.1.0".into(),
            audience: Audience { clusters: vec![self.cluster.clone()], pools: vec![self.pool.clone()] },
            plugins: vec![plugin("adapter-sqlite", "adapter"), plugin("task-dbt", "task")],
            gateways: vec![GatewayPlugin {
                gateway: must("wh".parse()),
                adapter: must("adapter-sqlite".parse()),
            }],
            files: vec![FileEntry {
                path: "models/orders.sql".into(),
                sha256: Sha256Digest::of(b"select 1"),
                size: 8,
            }],
            tasks: vec![task("model.shop.orders")],
            jobs: vec![Job { name: must("nightly".parse()), select: vec!["*".into()] }],
            schedule_policy: SchedulePolicy {
                min_interval_s: 3600,
                max_attempts: 3,
                windows: Vec::new(),
                manual: true,
            },
            reports: vec![ReportField::DurationS, ReportField::RowsAffected],
            provenance: None,
        }
    }

    /// The envelope of a release.
    pub fn sign_release(&self, release: &Release) -> Vec<u8> {
        sign(release, &[&self.release_key])
    }

    /// A dispatch of `model.shop.orders` from [`Fixture::release`].
    pub fn dispatch(&self) -> Dispatch {
        self.dispatch_of(&self.release())
    }

    /// A dispatch of the first task of a release.
    pub fn dispatch_of(&self, release: &Release) -> Dispatch {
        let envelope = self.sign_release(release);
        let digest = must(unverified_body_sha256(&envelope, crate::statement::StatementKind::Release));
        Dispatch {
            kind: "dispatch".into(),
            spec: SPEC,
            project: release.project.clone(),
            dispatch_id: must(DispatchId::new("0199f3a0-0000-7000-8000-00000000d001")),
            run_id: must(RunId::new("run_0199f3a0-0000-7000-8000-000000000001")),
            run_started_at: self.now,
            task: release.tasks.first().map_or_else(|| must(TaskId::new("none")), |t| t.id.clone()),
            release_sha256: digest,
            release_seq: release.release_seq,
            audience: self.executor.clone(),
            cluster: self.cluster.clone(),
            pool: self.pool.clone(),
            role: Role::Run,
            lease_id: must(LeaseId::new("lease_0199f3a0-0000-7000-8000-000000000001")),
            attempt: AttemptNo(1),
            fence: Fence(1),
            issued_at: self.now,
            not_after: self.now.plus(Duration::from_secs(120)),
            lease_ttl_s: 120,
            poll_nonce: self.nonce,
            params: Vec::new(),
            environment: must("prod".parse()),
            reason: RunReason::Manual,
            requested_by: "claimed:alice".into(),
        }
    }

    /// The envelope of a dispatch.
    pub fn sign_dispatch(&self, dispatch: &Dispatch) -> Vec<u8> {
        sign(dispatch, &[&self.dispatch_key])
    }

    /// What the executor knows when the dispatch comes: its poll is one second old.
    pub fn dispatch_context(&self) -> DispatchContext<'_> {
        DispatchContext {
            root: &self.root,
            me: &self.executor,
            cluster: &self.cluster,
            pool: &self.pool,
            role: Role::Run,
            nonce: Some(OutstandingNonce { nonce: self.nonce, age: Duration::from_secs(1) }),
            now: self.now,
            journal: &self.journal,
        }
    }

    /// What the executor knows when the release comes.
    pub fn release_context(&self) -> ReleaseContext<'_> {
        ReleaseContext {
            root: &self.root,
            now: self.now,
            executor_version: "0.1.0",
            cluster: &self.cluster,
            pool: &self.pool,
            journal: &self.journal,
        }
    }
}

/// A task of the fixture's release under another id.
pub fn task(id: &str) -> ReleasedTask {
    ReleasedTask {
        id: must(id.parse()),
        plugin: must("task-dbt".parse()),
        entry: "model".into(),
        roles: vec![Role::Run, Role::Apply],
        needs: Vec::new(),
        tags: vec!["nightly".into()],
        gateway: Some(must("wh".parse())),
        settings: Vec::new(),
        params_schema: Vec::new(),
        requests: vec![
            Request::Sql {
                gateway: must("wh".parse()),
                mode: SqlMode::Write,
                reads: vec!["raw.*".into()],
                writes: vec!["marts.*".into()],
            },
            Request::Telemetry {},
        ],
        limits: TaskLimits::default(),
        retry: Retry::default(),
    }
}

/// A plugin whose component is the bytes of its name.
pub fn plugin(name: &str, world: &str) -> PluginEntry {
    PluginEntry {
        name: must(name.parse()),
        sha256: Sha256Digest::of(name.as_bytes()),
        size: name.len() as u64,
        world: format!("cofferdam:worlds/{world}@0.1.0"),
        imports: vec!["cofferdam:capability/telemetry@0.1.0".into()],
    }
}

/// A journal that forgets everything when it is dropped.
#[derive(Clone, Debug)]
pub struct MemoryJournal {
    /// Dispatches consumed.
    pub dispatches: HashSet<DispatchId>,
    /// Highest fence per task.
    pub fences: HashMap<(ProjectId, TaskId), Fence>,
    /// Highest release.
    pub releases: HashMap<ProjectId, (ReleaseSeq, Sha256Digest)>,
    /// Attempts started.
    pub attempts: HashMap<(RunId, TaskId), u32>,
    /// The last run of each task.
    pub last_runs: HashMap<(ProjectId, TaskId), (RunId, Timestamp)>,
    /// The latest time written down.
    pub clock_floor: Timestamp,
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self {
            dispatches: HashSet::new(),
            fences: HashMap::new(),
            releases: HashMap::new(),
            attempts: HashMap::new(),
            last_runs: HashMap::new(),
            clock_floor: Timestamp::from_millis(0),
        }
    }
}

impl MemoryJournal {
    /// Remembers that a dispatch of a release was consumed now.
    pub fn consume(&mut self, dispatch: &Dispatch, now: Timestamp) {
        let task = (dispatch.project.clone(), dispatch.task.clone());
        self.dispatches.insert(dispatch.dispatch_id.clone());
        self.fences.insert(task.clone(), dispatch.fence);
        self.releases.insert(dispatch.project.clone(), (dispatch.release_seq, dispatch.release_sha256));
        let tried = self.attempts.entry((dispatch.run_id.clone(), dispatch.task.clone())).or_default();
        *tried += 1;
        if *tried == 1 {
            self.last_runs.insert(task, (dispatch.run_id.clone(), now));
        }
        self.clock_floor = self.clock_floor.max(now);
    }
}

impl JournalView for MemoryJournal {
    fn dispatch_seen(&self, dispatch: &DispatchId) -> bool {
        self.dispatches.contains(dispatch)
    }

    fn fence(&self, project: &ProjectId, task: &TaskId) -> Option<Fence> {
        self.fences.get(&(project.clone(), task.clone())).copied()
    }

    fn release_mark(&self, project: &ProjectId) -> Option<(ReleaseSeq, Sha256Digest)> {
        self.releases.get(project).copied()
    }

    fn attempts(&self, run: &RunId, task: &TaskId) -> u32 {
        self.attempts.get(&(run.clone(), task.clone())).copied().unwrap_or(0)
    }

    fn last_run_start(&self, project: &ProjectId, task: &TaskId) -> Option<(RunId, Timestamp)> {
        self.last_runs.get(&(project.clone(), task.clone())).cloned()
    }

    fn clock_floor(&self) -> Timestamp {
        self.clock_floor
    }
}

fn root_of(root: &SigningKey, release: &SigningKey, dispatch: &SigningKey) -> TrustRoot {
    let entry = |key: &SigningKey, owner: &str| RootKey {
        alg: "ed25519".into(),
        public: key.public().to_base64(),
        owner: owner.into(),
    };
    let role = |key: &SigningKey| RoleKeys { keyids: vec![key.key_id().clone()], threshold: 1 };
    TrustRoot {
        kind: "root".into(),
        spec: SPEC,
        project: must("prj_shop".parse()),
        version: 1,
        expires: must("2027-11-21T00:00:00Z".parse()),
        keys: vec![entry(root, "alice"), entry(release, "ci"), entry(dispatch, "scheduler")],
        roles: Roles { root: role(root), release: role(release), dispatch: role(dispatch) },
    }
}

fn must<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    result.expect("the fixture is sound")
}
