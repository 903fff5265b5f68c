//! The lease queue under a seeded simulator: executors that die, answers that are lost, reports that
//! come twice or late, runs that are cancelled. A failing seed is printed and replays exactly.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use cofferdam_bundle::statement::{Audience, Phase, Report, ReportState, Retry};
use cofferdam_ids::{DispatchId, ExecutorId, Fence, LeaseId, ProjectId, Role, RunId, TaskId, Timestamp};
use cofferdam_protocol::{
    api::{HeldLease, LeaseAnswer, RunState, TaskState},
    queue::{Ask, Grant, LEASE_LOST, PlannedTask, Queue, RunPlan, Taken},
};
use proptest::prelude::*;

const TERM: Duration = Duration::from_secs(60);

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

fn executor(n: u64) -> ExecutorId {
    ExecutorId::new(format!("exec_{n:064}")).unwrap()
}

fn run_id(n: u64) -> RunId {
    RunId::new(format!("run_{n:036}")).unwrap()
}

fn plan(dice: &mut Dice, n: u64) -> RunPlan {
    let size = 1 + dice.below(12) as usize;
    let tasks = (0..size).map(|i| PlannedTask {
        // Two runs share their tasks' names, so that they compete.
        id: TaskId::new(format!("task.{i}")).unwrap(),
        needs: (0..i).filter(|_| dice.chance(30)).collect(),
        retry: Retry { attempts: 1 + dice.below(3) as u32, backoff_min_s: 1, backoff_max_s: 8 },
    });
    RunPlan {
        run: run_id(n),
        project: ProjectId::new("prj_shop").unwrap(),
        audience: Audience {
            clusters: vec!["main".parse().unwrap()],
            pools: vec!["default".parse().unwrap()],
        },
        role: Role::Run,
        tasks: tasks.collect(),
    }
}

fn ask(n: u64, slots: u32) -> Ask {
    Ask {
        executor: executor(n),
        cluster: "main".parse().unwrap(),
        pool: "default".parse().unwrap(),
        role: Role::Run,
        slots,
    }
}

fn report(executor: &ExecutorId, grant: &Grant, state: ReportState, retryable: bool) -> Report {
    Report {
        kind: "report".into(),
        spec: 1,
        executor: executor.clone(),
        dispatch_id: grant.lease.dispatch_id.clone(),
        lease_id: grant.lease.id.clone(),
        fence: grant.fence,
        state,
        code: None,
        phase: Phase::Run,
        retryable,
        duration_s: None,
        rows_affected: None,
        ledger_seq: 1,
    }
}

/// Ids in order, as UUIDv7 would be.
struct Ids(u64);

impl Ids {
    fn next(&mut self) -> (LeaseId, DispatchId) {
        self.0 += 1;
        let n = self.0;
        (LeaseId::new(format!("lease_{n:036}")).unwrap(), DispatchId::new(format!("{n:036}")).unwrap())
    }
}

struct World {
    dice: Dice,
    queue: Queue,
    plans: HashMap<RunId, RunPlan>,
    ids: Ids,
    now: Timestamp,
    /// What executors believe they hold.
    held: Vec<(ExecutorId, Grant)>,
    /// Reports sent whose answer may have been lost.
    sent: Vec<(ExecutorId, Report)>,
    fences: HashMap<TaskId, Fence>,
    succeeded: HashSet<(RunId, TaskId)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut queue = Queue::new(Fence(0));
        let now = Timestamp::from_millis(1_000_000);
        let plans: Vec<RunPlan> = (0..1 + dice.below(3)).map(|n| plan(&mut dice, n)).collect();
        plans.iter().for_each(|plan| queue.add(plan.clone(), now));
        let plans = plans.into_iter().map(|plan| (plan.run.clone(), plan)).collect();
        Self {
            dice,
            queue,
            plans,
            ids: Ids(0),
            now,
            held: Vec::new(),
            sent: Vec::new(),
            fences: HashMap::new(),
            succeeded: HashSet::new(),
        }
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..30 => self.poll(),
            30..60 => self.end_an_attempt(),
            60..70 => self.renew(),
            70..75 => self.repeat_a_report(),
            75..76 => self.cancel(),
            76..80 => self.held.clear(),
            80..82 => self.restart(),
            _ => self.pass_time(),
        }
        self.check();
    }

    fn poll(&mut self) {
        let (who, slots) = (self.dice.below(3), 1 + self.dice.below(4) as u32);
        let ids = &mut self.ids;
        let grants = self.queue.lease(&ask(who, slots), self.now, TERM, &mut || ids.next());
        assert!(grants.len() <= slots as usize);
        // The answer may be lost: the executor never hears of its leases.
        let is_lost = self.dice.chance(15);
        for grant in grants {
            let last = self.fences.insert(grant.task.clone(), grant.fence);
            assert!(last.is_none_or(|last| last < grant.fence), "fences only rise");
            if !is_lost {
                self.held.push((executor(who), grant));
            }
        }
    }

    fn end_an_attempt(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let pick = self.dice.below(self.held.len() as u64) as usize;
        let (who, grant) = self.held.swap_remove(pick);
        let state = match self.dice.below(10) {
            0..6 => ReportState::Succeeded,
            6..8 => ReportState::Failed,
            8 => ReportState::Refused,
            _ => ReportState::Cancelled,
        };
        let report = report(&who, &grant, state, self.dice.chance(60));
        // Another executor cannot report it, nor can an older fence.
        let thief = executor(99);
        assert_ne!(
            self.queue.report(&thief, &Report { executor: thief.clone(), ..report.clone() }, self.now),
            Taken::Fresh
        );
        let old = Report { fence: Fence(grant.fence.0 - 1), ..report.clone() };
        assert_ne!(self.queue.report(&who, &old, self.now), Taken::Fresh);
        let before = self.current_fence(&grant);
        let taken = self.queue.report(&who, &report, self.now);
        if taken == Taken::Fresh {
            assert_eq!(before, Some(grant.fence), "only the newest lease may report");
            if state == ReportState::Succeeded {
                let first = self.succeeded.insert((grant.run.clone(), grant.task.clone()));
                assert!(first, "a task succeeds once");
            }
        }
        self.sent.push((who, report));
    }

    fn current_fence(&self, grant: &Grant) -> Option<Fence> {
        let task = &self.queue.tasks(&grant.run)?[grant.place];
        task.lease.as_ref().map(|_| task.fence)
    }

    fn repeat_a_report(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let pick = self.dice.below(self.sent.len() as u64) as usize;
        let (who, report) = self.sent[pick].clone();
        assert_ne!(self.queue.report(&who, &report, self.now), Taken::Fresh, "a report counts once");
    }

    fn renew(&mut self) {
        let now = self.now;
        let queue = &mut self.queue;
        self.held.retain(|(who, grant)| {
            let held = HeldLease { lease_id: grant.lease.id.clone(), fence: grant.fence };
            assert_eq!(queue.renew(&executor(99), &held, now, TERM), LeaseAnswer::Lost, "not the holder");
            queue.renew(who, &held, now, TERM) != LeaseAnswer::Lost
        });
    }

    fn cancel(&mut self) {
        let run = run_id(self.dice.below(self.plans.len() as u64));
        assert!(self.queue.cancel(&run, self.now));
    }

    /// The scheduler is stopped and comes back with what its tables hold.
    fn restart(&mut self) {
        self.queue.take_changes();
        let mut again = Queue::new(self.queue.last_fence());
        for run in self.queue.runs() {
            let (tasks, version) =
                (self.queue.tasks(run).unwrap().to_vec(), self.queue.version(run).unwrap());
            again.restore(self.plans[run].clone(), tasks, version, self.queue.is_cancelled(run));
        }
        again.forgive(self.now, TERM);
        self.queue = again;
    }

    fn pass_time(&mut self) {
        self.now = self.now.plus(Duration::from_millis(self.dice.below(20_000)));
        self.queue.expire(self.now);
    }

    fn check(&self) {
        let mut live = HashSet::new();
        for run in self.queue.runs() {
            let (tasks, plan) = (self.queue.tasks(run).unwrap(), &self.plans[run]);
            for (task, planned) in tasks.iter().zip(&plan.tasks) {
                assert_eq!(task.lease.is_some(), task.state == TaskState::Leased);
                if task.lease.is_some() {
                    assert!(live.insert(&planned.id), "{} is held by two live leases", planned.id);
                }
                assert!(task.attempt.0 <= planned.retry.attempts);
                if let TaskState::Ready | TaskState::Leased | TaskState::Succeeded = task.state {
                    let met = planned.needs.iter().all(|n| tasks[*n].state == TaskState::Succeeded);
                    assert!(met, "{} went ahead of what it needs", planned.id);
                }
                if task.state == TaskState::Skipped {
                    assert_blocked_by_an_ancestor(plan, tasks, task.because.unwrap(), &planned.needs);
                }
            }
            let all_final = tasks.iter().all(|t| t.state.is_final());
            assert_eq!(all_final, self.queue.state(run) != Some(RunState::Running));
        }
    }
}

fn assert_blocked_by_an_ancestor(
    plan: &RunPlan,
    tasks: &[cofferdam_protocol::queue::TaskStatus],
    because: usize,
    needs: &[usize],
) {
    let mut ancestors: Vec<usize> = needs.to_vec();
    let mut seen = HashSet::new();
    while let Some(i) = ancestors.pop() {
        if seen.insert(i) {
            ancestors.extend(&plan.tasks[i].needs);
        }
    }
    assert!(seen.contains(&because), "a skipped task names an ancestor");
    let state = tasks[because].state;
    let failed = matches!(state, TaskState::Failed | TaskState::Refused | TaskState::Cancelled);
    assert!(failed, "the ancestor did not succeed, but {state:?}");
}

/// Honest executors and no more trouble: everything comes to its end.
fn finish(world: &mut World) {
    for _ in 0..2_000 {
        if world.queue.runs().all(|run| world.queue.state(run) != Some(RunState::Running)) {
            return;
        }
        let ids = &mut world.ids;
        for grant in world.queue.lease(&ask(1, 64), world.now, TERM, &mut || ids.next()) {
            let report = report(&executor(1), &grant, ReportState::Succeeded, false);
            assert_eq!(world.queue.report(&executor(1), &report, world.now), Taken::Fresh);
        }
        world.now = world.now.plus(Duration::from_secs(5));
        world.queue.expire(world.now);
        world.check();
    }
    panic!("a run never ended");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_happens_leases_fences_and_skips_stay_sound_and_runs_end(seed: u64) {
        let mut world = World::new(seed);
        for _ in 0..400 {
            world.step();
        }
        finish(&mut world);
    }
}

/// seed → orders → report, one attempt more than none.
fn chain(attempts: u32) -> (Queue, Timestamp) {
    let mut dice = Dice(1);
    let mut plan = plan(&mut dice, 0);
    let task = |i: usize, needs: Vec<usize>| PlannedTask {
        id: TaskId::new(["seed", "orders", "report"][i]).unwrap(),
        needs,
        retry: Retry { attempts, backoff_min_s: 2, backoff_max_s: 60 },
    };
    plan.tasks = vec![task(0, vec![]), task(1, vec![0]), task(2, vec![1])];
    let now = Timestamp::from_millis(1_000_000);
    let mut queue = Queue::new(Fence(7));
    queue.add(plan, now);
    (queue, now)
}

fn lease_one(queue: &mut Queue, ids: &mut Ids, now: Timestamp) -> Grant {
    let mut grants = queue.lease(&ask(1, 4), now, TERM, &mut || ids.next());
    assert_eq!(grants.len(), 1);
    grants.remove(0)
}

fn states(queue: &Queue) -> Vec<TaskState> {
    queue.tasks(&run_id(0)).unwrap().iter().map(|t| t.state).collect()
}

#[test]
fn a_task_whose_lease_expired_is_offered_again_with_a_higher_fence() {
    let (mut queue, now) = chain(2);
    let mut ids = Ids(0);
    let first = lease_one(&mut queue, &mut ids, now);
    assert_eq!((first.attempt.0, first.fence), (1, Fence(8)));

    let later = now.plus(TERM);
    assert_eq!(queue.expire(later), 1);

    let second = lease_one(&mut queue, &mut ids, later);
    assert_eq!((second.attempt.0, second.fence), (2, Fence(9)));
    let late = report(&executor(1), &first, ReportState::Succeeded, false);
    assert_eq!(queue.report(&executor(1), &late, later), Taken::Stale);
}

#[test]
fn a_lease_lost_for_the_last_time_fails_the_task_and_skips_its_dependants() {
    let (mut queue, now) = chain(1);
    lease_one(&mut queue, &mut Ids(0), now);
    queue.expire(now.plus(TERM));
    assert_eq!(states(&queue), [TaskState::Failed, TaskState::Skipped, TaskState::Skipped]);
    let tasks = queue.tasks(&run_id(0)).unwrap();
    assert_eq!(tasks[0].code, Some(LEASE_LOST));
    assert_eq!((tasks[1].because, tasks[2].because), (Some(0), Some(0)), "both name the one that failed");
    assert_eq!(queue.state(&run_id(0)), Some(RunState::Failed));
}

#[test]
fn a_failed_attempt_waits_for_its_pause_before_it_is_tried_again() {
    let (mut queue, now) = chain(3);
    let mut ids = Ids(0);
    let grant = lease_one(&mut queue, &mut ids, now);
    let failed = report(&executor(1), &grant, ReportState::Failed, true);
    assert_eq!(queue.report(&executor(1), &failed, now), Taken::Fresh);
    assert_eq!(queue.report(&executor(1), &failed, now), Taken::Repeated, "the answer was lost");

    let early = now.plus(Duration::from_millis(1_999));
    assert!(queue.lease(&ask(1, 4), early, TERM, &mut || ids.next()).is_empty());
    assert_eq!(queue.next_event(now), Some(now.plus(Duration::from_secs(2))));
    assert_eq!(lease_one(&mut queue, &mut ids, now.plus(Duration::from_secs(2))).attempt.0, 2);
}

#[test]
fn a_failure_that_is_not_retryable_is_final_at_once() {
    let (mut queue, now) = chain(3);
    let grant = lease_one(&mut queue, &mut Ids(0), now);
    let refused = report(&executor(1), &grant, ReportState::Refused, false);
    assert_eq!(queue.report(&executor(1), &refused, now), Taken::Fresh);
    assert_eq!(states(&queue), [TaskState::Refused, TaskState::Skipped, TaskState::Skipped]);
}

#[test]
fn a_cancelled_run_starts_nothing_more_and_tells_who_holds_a_lease() {
    let (mut queue, now) = chain(3);
    let mut ids = Ids(0);
    let grant = lease_one(&mut queue, &mut ids, now);
    queue.cancel(&run_id(0), now);
    assert_eq!(states(&queue), [TaskState::Leased, TaskState::Cancelled, TaskState::Cancelled]);
    let held = HeldLease { lease_id: grant.lease.id.clone(), fence: grant.fence };
    assert_eq!(queue.renew(&executor(1), &held, now, TERM), LeaseAnswer::Cancel);
    let stopped = report(&executor(1), &grant, ReportState::Cancelled, true);
    assert_eq!(queue.report(&executor(1), &stopped, now), Taken::Fresh);
    assert_eq!(queue.state(&run_id(0)), Some(RunState::Cancelled));
}

#[test]
fn executors_of_another_pool_cluster_or_role_get_nothing() {
    let (mut queue, now) = chain(1);
    let mut ids = Ids(0);
    let others = [
        Ask { pool: "eu".parse().unwrap(), ..ask(1, 4) },
        Ask { cluster: "test".parse().unwrap(), ..ask(1, 4) },
        Ask { role: Role::Apply, ..ask(1, 4) },
        ask(1, 0),
    ];
    for other in others {
        assert!(queue.lease(&other, now, TERM, &mut || ids.next()).is_empty());
    }
    lease_one(&mut queue, &mut ids, now);
}
