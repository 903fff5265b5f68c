//! Guests that misbehave on purpose: each is refused or stopped with its own code, the executor
//! lives, its neighbours' attempts finish, and its memory stays within the budget.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use cofferdam_tests::{Answer, House, Memory, ProjectFiles, Task, children_of, is_alive, resident_bytes};
use serde_json::Value;

/// Bytes the executor and its runner may hold of their own after all of it.
const RESIDENT_BYTES_MAX: u64 = 256 << 20;

/// What must come of a way to misbehave.
enum Claim {
    /// The host stops it with this code.
    Stopped(&'static str),
    /// The guest ends, and its summary tells what it was answered.
    Told(&'static str),
    /// The guest ends as failed by its own choice; its log tells why.
    Fails(&'static str),
}
use Claim::{Fails, Stopped, Told};

/// Every way of `hostile-task` and what must come of it.
const CLAIMS: &[(&str, Claim)] = &[
    ("behave", Told("behaved")),
    ("nothing", Told("nothing")),
    ("ask-adapter", Fails("FAILED")),
    ("spin", Stopped("CD0410")),
    ("sleep", Stopped("CD0410")),
    ("allocate", Stopped("CD0401")),
    ("grow-to-the-limit", Told("holds 24 MiB")),
    ("recurse", Stopped("CD0403")),
    ("panic", Stopped("CD0403")),
    ("exit", Stopped("CD0415")),
    ("huge-summary", Stopped("CD0406")),
    ("huge-log-line", Stopped("CD0406")),
    ("huge-statement", Told("limit")),
    ("flood-logs", Told("flooded")),
    ("flood-stdout", Told("flooded")),
    ("terminal-escapes", Told("red")),
    ("many-handles", Fails("STOPPED_AT")),
    ("guess-handles", Stopped("CD0403")),
    ("ungranted-relation", Told("refused CD02")),
    ("ungranted-gateway", Told("refused CD04")),
    ("ungranted-mode", Told("refused CD02")),
    ("stacked-statements", Told("refused CD02")),
    ("attach", Told("refused CD02")),
    ("file-outside", Told("no file")),
    ("environment", Told("nothing there")),
    ("host-files", Told("no file")),
    ("clocks", Told("coarse")),
    ("random", Told("true")),
    ("keep", Told("kept")),
    ("keep-a-path", Told("CD0322")),
    ("keep-too-large", Told("limit")),
    ("keep-too-many", Told("kept 16, then limit CD0321")),
    ("keep-too-much", Told("kept 8, then limit CD0323")),
];

/// Every way of `hostile-adapter`: the statement that asks for it, and what must come of it.
const ADAPTER_CLAIMS: &[(&str, Claim)] = &[
    ("trap-in-a-destructor", Stopped("CD0403")),
    ("trap", Stopped("CD0403")),
    ("spin", Stopped("CD0410")),
    ("huge-rows", Stopped("CD0406")),
    ("lying-frame", Told("64 bytes")),
    ("foreign-message", Fails("FAILED")),
];

/// Every way of `hostile-project`, and what `release build` must say of it.
const PROJECT_CLAIMS: &[(&str, &str)] = &[
    ("million-tasks", "CD04"),
    ("huge-id", "CD0"),
    ("bad-id", "CD0"),
    ("same-id-twice", "CD0"),
    ("needs-nobody", "CD0"),
    ("circle", "CD0"),
    ("escapes-in-problem", "owned"),
    ("file-outside", "CD0020"),
    ("file-above", "CD0020"),
    ("file-twice", "CD0020"),
    ("file-huge", "CD0407"),
    ("many-files", "CD0407"),
    ("spin", "CD0410"),
];

#[test]
fn every_way_to_misbehave_is_claimed() {
    let named = |ways: &[&str], claims: &[&str]| {
        let (mut ways, mut claims) = (ways.to_vec(), claims.to_vec());
        ways.sort_unstable();
        claims.sort_unstable();
        assert_eq!(ways, claims, "left: the guest's ways, right: what this file claims");
    };
    let tasks: Vec<_> = cofferdam_guest_hostile_task::WAYS.iter().map(|(name, _)| *name).collect();
    named(&tasks, &CLAIMS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let projects: Vec<_> = cofferdam_guest_hostile_project::WAYS.iter().map(|(name, _)| *name).collect();
    named(&projects, &PROJECT_CLAIMS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    named(
        cofferdam_guest_hostile_adapter::WAYS,
        &ADAPTER_CLAIMS.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
    );
}

fn check(house: &House, run: &Value, id: &str, claim: &Claim) -> Result<(), String> {
    let task = House::task(run, id);
    let state = task["state"].as_str().unwrap_or_default();
    let log = house.log(run, id);
    let fine = match claim {
        Stopped(code) => state == "failed" && task["code"] == *code,
        Told(words) => state == "succeeded" && log.contains(words),
        Fails(words) => state == "failed" && log.contains(words),
    };
    let tail: String = log.chars().rev().take(600).collect::<Vec<_>>().into_iter().rev().collect();
    if fine { Ok(()) } else { Err(format!("{id}: {state} {}\n{tail}\n", task["code"])) }
}

#[test]
fn hostile_tasks_are_stopped_and_their_neighbours_finish() {
    let mut tasks: Vec<Task> =
        CLAIMS.iter().map(|(way, _)| Task::hostile(&format!("h.{way}"), way)).collect();
    for task in &mut tasks {
        if ["h.spin", "h.sleep"].contains(&task.id.as_str()) {
            task.wall_ms = 1_500;
        }
    }
    tasks.extend((0..20).map(|n| Task::hostile(&format!("neighbour.{n}"), "behave")));
    let mut house = House::of(&ProjectFiles::of(tasks));
    house.up(&["--slots", "4"]);
    house.release().success();
    let executors = executors(&house);

    let run = house.run_all();

    let wrong: Vec<String> = CLAIMS
        .iter()
        .filter_map(|(way, claim)| check(&house, &run, &format!("h.{way}"), claim).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for n in 0..20 {
        assert_eq!(House::task(&run, &format!("neighbour.{n}"))["state"], "succeeded", "neighbour {n}");
    }
    for (pid, line) in &executors {
        assert!(is_alive(*pid), "the executor is gone: {line}");
        let resident: u64 =
            resident_bytes(*pid) + children_of(*pid).iter().map(|(c, _)| resident_bytes(*c)).sum::<u64>();
        assert!(resident < RESIDENT_BYTES_MAX, "{line} holds {} MiB", resident >> 20);
    }
    the_record_tells_what_was_refused(&house);
    logs_are_bounded_and_clean(&house, &run);
}

fn executors(house: &House) -> Vec<(u32, String)> {
    let found: Vec<_> = children_of(house.up_pid())
        .into_iter()
        .filter(|(_, line)| line.contains("cofferdam-executor"))
        .collect();
    assert_eq!(found.len(), 2, "a run and an apply executor: {found:?}");
    found
}

fn the_record_tells_what_was_refused(house: &House) {
    let denied = house.ledger("executor-run").iter().filter(|r| r.to_string().contains("cap.denied")).count();
    assert!(denied >= 5, "only {denied} refused calls are on record");
    house.cofferdam(&["ledger", "verify", "--data", ".cofferdam/executor-run"]).success();
}

fn logs_are_bounded_and_clean(house: &House, run: &Value) {
    for way in ["h.flood-logs", "h.flood-stdout"] {
        let bytes = house.log(run, way).len();
        assert!(bytes < 100_000, "{way} left {bytes} bytes of log behind a limit of 65,536");
    }
    let log = house.log(run, "h.terminal-escapes");
    assert!(!log.contains('\u{1b}') && !log.contains('\0') && !log.contains('\u{202e}'), "{log:?}");
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01 ERROR")), "a guest forged a line:\n{log}");
}

#[test]
fn hostile_adapters_end_their_attempt_alone() {
    let tasks = ADAPTER_CLAIMS.iter().map(|(way, _)| {
        let mut task = Task::hostile(&format!("a.{way}"), "ask-adapter");
        task.settings = vec![("statement".to_owned(), format!("{way:?}"))];
        task.wall_ms = if *way == "spin" { 1_500 } else { task.wall_ms };
        task.mem_bytes = 64 << 20;
        task
    });
    let mut tasks: Vec<Task> = tasks.collect();
    tasks.push(Task::hostile("neighbour.0", "nothing"));
    let project = ProjectFiles { adapter: Some("hostile-adapter".to_owned()), ..ProjectFiles::of(tasks) };
    let mut house = House::of(&project);
    house.up(&["--slots", "2"]);
    house.release().success();
    let executors = executors(&house);

    let run = house.run_all();

    let wrong: Vec<String> = ADAPTER_CLAIMS
        .iter()
        .filter_map(|(way, claim)| check(&house, &run, &format!("a.{way}"), claim).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(House::task(&run, "neighbour.0")["state"], "succeeded");
    assert!(executors.iter().all(|(pid, _)| is_alive(*pid)));
}

fn built_with(manifest: &str) -> Answer {
    let house = House::bare();
    house.write("cofferdam.toml", manifest);
    house.cofferdam(&["init"]).success();
    house.cofferdam(&["release", "build"])
}

#[test]
fn hostile_loaders_give_an_error_and_no_release() {
    for (way, said) in PROJECT_CLAIMS {
        let answer = built_with(&format!(
            "[project]\nname = \"proof\"\ngateway = \"wh\"\n[plugins]\nhostile-project = \"hostile-project\"\n\
             hostile-task = \"hostile-task\"\nadapter-sqlite = \"adapter-sqlite\"\n[gateways]\nwh = \"adapter-sqlite\"\n\
             [[loader]]\nplugin = \"hostile-project\"\nruns_with = \"hostile-task\"\nroot = \"\"\nvars = {{ way = {way:?} }}\n\
             [[job]]\nname = \"all\"\nselect = [\"*\"]\n"
        ));
        assert!(!answer.ok, "{way}: a release was built\n{}", answer.text());
        assert!(answer.text().contains(said), "{way}: {}", answer.text());
        assert!(!answer.text().contains('\u{1b}'), "{way}: an escape reached the terminal");
    }
}

#[test]
fn a_plugin_that_asks_for_sockets_is_refused_when_the_release_is_built() {
    let mut task = Task::hostile("t", "x");
    task.plugin = "hostile-network".to_owned();
    let answer = built_with(&ProjectFiles::of(vec![task]).manifest());
    assert!(!answer.ok);
    assert!(answer.text().contains("wasi:sockets"), "{}", answer.text());
    assert!(answer.text().contains("error[CD05"), "{}", answer.text());
}

#[test]
fn no_secret_of_the_broker_is_in_the_runner_during_a_call() {
    const CANARY: &str = "canary-7f1d0c9e5b";
    let mut house =
        House::of(&ProjectFiles::of(vec![Task::hostile("t", "behave"), Task::hostile("slow", "sleep")]));
    let secret = house.path().join(CANARY).join("warehouse.db");
    house.set("WAREHOUSE_PATH", &secret.to_string_lossy());
    let gateways =
        ProjectFiles::default().gateways().replace("warehouse/warehouse.db", "env://WAREHOUSE_PATH");
    house.write(".cofferdam/gateways.toml", &gateways);
    house.up(&[]);
    house.release().success();
    house.cofferdam(&["run", "all", "--no-wait"]).success();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let runner = loop {
        let runners = executors(&house).into_iter().flat_map(|(pid, _)| children_of(pid));
        if let Some((pid, _)) = runners.into_iter().find(|(_, line)| line.contains("runner")) {
            break pid;
        }
        assert!(std::time::Instant::now() < deadline, "no runner was started");
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    std::thread::sleep(std::time::Duration::from_millis(500));

    let (in_runner, searched) =
        Memory::of(runner).count(CANARY.as_bytes()).expect("the runner's memory is readable");
    let broker = executors(&house)[0].0;
    let (in_broker, _) =
        Memory::of(broker).count(CANARY.as_bytes()).expect("the broker's memory is readable");

    assert!(searched > 1 << 20, "only {searched} bytes were searched");
    assert!(in_broker > 0, "the canary is not even in the broker: the search proves nothing");
    assert_eq!(in_runner, 0, "the canary is in the runner");
}
