//! The ways to misbehave.

use std::{hint::black_box, time::Duration};

use crate::{
    cofferdam::{
        capability::{release_files, telemetry},
        types::{data::Access, failures::Failure},
        warehouse::warehouse,
    },
    done,
    exports::cofferdam::task::task::{Invocation, Outcome, TaskFailure},
    failed,
};

type Way = fn(&Invocation) -> Result<Outcome, TaskFailure>;

/// Each way by the name of its entry.
pub const WAYS: &[(&str, Way)] = &[
    ("behave", behave),
    ("nothing", nothing),
    ("ask-adapter", ask_adapter),
    ("spin", spin),
    ("sleep", sleep),
    ("allocate", allocate),
    ("grow-to-the-limit", grow_to_the_limit),
    ("recurse", recurse),
    ("panic", panic_now),
    ("exit", exit),
    ("huge-summary", huge_summary),
    ("huge-log-line", huge_log_line),
    ("huge-statement", huge_statement),
    ("flood-logs", flood_logs),
    ("flood-stdout", flood_stdout),
    ("terminal-escapes", terminal_escapes),
    ("many-handles", many_handles),
    ("guess-handles", guess_handles),
    ("ungranted-relation", ungranted_relation),
    ("ungranted-gateway", ungranted_gateway),
    ("ungranted-mode", ungranted_mode),
    ("stacked-statements", stacked_statements),
    ("attach", attach),
    ("file-outside", file_outside),
    ("environment", environment),
    ("host-files", host_files),
    ("clocks", clocks),
    ("random", random),
    ("keep", keep),
    ("keep-a-path", keep_a_path),
    ("keep-too-large", keep_too_large),
    ("keep-too-many", keep_too_many),
    ("keep-too-much", keep_too_much),
];

/// A neighbour that does honest work.
fn behave(_: &Invocation) -> Result<Outcome, TaskFailure> {
    let connection = open()?;
    let rows = connection.query("SELECT 1 AS one", &[]).map_err(told)?;
    while rows.next().map_err(told)?.is_some() {}
    done("behaved")
}

/// Starts, ends, and asks for nothing.
fn nothing(_: &Invocation) -> Result<Outcome, TaskFailure> {
    done("nothing")
}

/// Asks the gateway's adapter for whatever the settings say, as statement and as query.
fn ask_adapter(invocation: &Invocation) -> Result<Outcome, TaskFailure> {
    let statement = invocation.settings.iter().find(|s| s.name == "statement");
    let statement = statement.map(|s| s.json.trim_matches('"').to_owned()).unwrap_or_default();
    let connection = open()?;
    match connection.execute(&statement, &[]) {
        Ok(_) => done("executed"),
        Err(Failure::Invalid(_)) => {
            let rows = connection.query(&statement, &[]).map_err(told)?;
            let bytes = rows.next().map_err(told)?.map_or(0, |frame| frame.len());
            done(format!("{bytes} bytes"))
        }
        Err(failure) => Err(told(failure)),
    }
}

fn spin(_: &Invocation) -> Result<Outcome, TaskFailure> {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

fn sleep(_: &Invocation) -> Result<Outcome, TaskFailure> {
    std::thread::sleep(Duration::from_secs(3600));
    done("slept")
}

fn allocate(_: &Invocation) -> Result<Outcome, TaskFailure> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(black_box(vec![1; 1 << 20]));
    }
}

/// Takes what it is allowed and no more: this must succeed.
fn grow_to_the_limit(_: &Invocation) -> Result<Outcome, TaskFailure> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for _ in 0..24 {
        kept.push(black_box(vec![1; 1 << 20]));
    }
    done(format!("holds {} MiB", kept.len()))
}

fn recurse(_: &Invocation) -> Result<Outcome, TaskFailure> {
    fn deeper(n: u64) -> u64 {
        let here = black_box([n; 64]);
        // Always true, which the compiler cannot know.
        let more = if black_box(true) { deeper(n + 1) } else { 0 };
        black_box(more) + here[(n % 64) as usize]
    }
    done(deeper(0).to_string())
}

fn panic_now(_: &Invocation) -> Result<Outcome, TaskFailure> {
    panic!("on purpose")
}

fn exit(_: &Invocation) -> Result<Outcome, TaskFailure> {
    std::process::exit(0)
}

fn huge_summary(_: &Invocation) -> Result<Outcome, TaskFailure> {
    done("x".repeat(16 << 20))
}

fn huge_log_line(_: &Invocation) -> Result<Outcome, TaskFailure> {
    telemetry::log(telemetry::Level::Info, &"x".repeat(16 << 20));
    done("logged")
}

fn huge_statement(_: &Invocation) -> Result<Outcome, TaskFailure> {
    let connection = open()?;
    let statement = format!("SELECT '{}'", "x".repeat(3 << 20));
    expect_refusal(connection.query(&statement, &[]).map(|_| ()))
}

fn flood_logs(_: &Invocation) -> Result<Outcome, TaskFailure> {
    let line = "flood ".repeat(1000);
    for _ in 0..2_000 {
        telemetry::log(telemetry::Level::Info, &line);
    }
    done("flooded")
}

fn flood_stdout(_: &Invocation) -> Result<Outcome, TaskFailure> {
    let line = "flood ".repeat(1000);
    for _ in 0..2_000 {
        println!("{line}");
    }
    done("flooded")
}

fn terminal_escapes(_: &Invocation) -> Result<Outcome, TaskFailure> {
    telemetry::log(
        telemetry::Level::Info,
        "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}\0 forged\n2026-01-01 ERROR line",
    );
    done("\u{1b}[31mred\u{1b}[0m")
}

fn many_handles(_: &Invocation) -> Result<Outcome, TaskFailure> {
    let mut kept = Vec::new();
    for n in 0..100_000 {
        match warehouse::open("wh", Access::Read) {
            Ok(connection) => kept.push(connection),
            Err(failure) => return Err(failed("STOPPED_AT", &format!("{n}: {}", words(&failure)))),
        }
    }
    done("opened them all")
}

fn guess_handles(_: &Invocation) -> Result<Outcome, TaskFailure> {
    // SAFETY: there is none; a guest can write this, and the host must not care.
    let connection = unsafe { warehouse::Connection::from_handle(0x00ab_cdef) };
    let _ = connection.query("SELECT 1", &[]);
    done("guessed one")
}

fn ungranted_relation(_: &Invocation) -> Result<Outcome, TaskFailure> {
    expect_refusal(open()?.query("SELECT * FROM secret.salaries", &[]).map(|_| ()))
}

fn ungranted_gateway(_: &Invocation) -> Result<Outcome, TaskFailure> {
    expect_refusal(warehouse::open("other", Access::Read).map(|_| ()))
}

fn ungranted_mode(_: &Invocation) -> Result<Outcome, TaskFailure> {
    expect_refusal(warehouse::open("wh", Access::Admin).map(|_| ()))
}

fn stacked_statements(_: &Invocation) -> Result<Outcome, TaskFailure> {
    expect_refusal(open()?.execute("SELECT 1; DROP TABLE allowed.t", &[]).map(|_| ()))
}

fn attach(_: &Invocation) -> Result<Outcome, TaskFailure> {
    expect_refusal(open()?.execute("ATTACH '/etc/passwd' AS p", &[]).map(|_| ()))
}

fn file_outside(_: &Invocation) -> Result<Outcome, TaskFailure> {
    for path in ["/etc/passwd", "../../../etc/passwd", "a/../../b", ".cofferdam/keys/release.key", "\0"] {
        if release_files::read(path, 0, 10).is_ok() {
            return Err(failed("GOT_A_FILE", path));
        }
    }
    done("no file")
}

fn environment(_: &Invocation) -> Result<Outcome, TaskFailure> {
    let variables: Vec<_> = std::env::vars_os().collect();
    let arguments: Vec<_> = std::env::args_os().collect();
    if variables.is_empty() && arguments.is_empty() {
        return done("nothing there");
    }
    Err(failed("GOT_SOMETHING", &format!("{variables:?} {arguments:?}")))
}

fn host_files(_: &Invocation) -> Result<Outcome, TaskFailure> {
    for path in ["/etc/passwd", "/proc/self/environ", "/", "."] {
        if std::fs::read(path).is_ok() || std::fs::read_dir(path).is_ok() {
            return Err(failed("GOT_A_FILE", path));
        }
    }
    if std::fs::write("/tmp/hostile", "x").is_ok() {
        return Err(failed("WROTE_A_FILE", "/tmp/hostile"));
    }
    done("no file")
}

/// The clock is no finer than 100 microseconds.
fn clocks(_: &Invocation) -> Result<Outcome, TaskFailure> {
    let start = std::time::Instant::now();
    for _ in 0..1_000 {
        let step = start.elapsed().as_nanos();
        if !step.is_multiple_of(100_000) {
            return Err(failed("FINE_CLOCK", &format!("{step} ns")));
        }
    }
    done("coarse")
}

fn random(_: &Invocation) -> Result<Outcome, TaskFailure> {
    use std::hash::{BuildHasher as _, RandomState};
    let (one, other) = (RandomState::new().hash_one(1), RandomState::new().hash_one(1));
    done(format!("{}", one != other))
}

fn open() -> Result<warehouse::Connection, TaskFailure> {
    warehouse::open("wh", Access::Write).map_err(told)
}

/// Refused is what must happen; the code goes into the summary.
fn expect_refusal(result: Result<(), Failure>) -> Result<Outcome, TaskFailure> {
    match result {
        Ok(()) => Err(failed("NOT_REFUSED", "it was performed")),
        Err(failure) => done(words(&failure)),
    }
}

fn told(failure: Failure) -> TaskFailure {
    failed("FAILED", &words(&failure))
}

fn words(failure: &Failure) -> String {
    let (kind, detail) = match failure {
        Failure::Refused(d) => ("refused", d),
        Failure::Invalid(d) => ("invalid", d),
        Failure::Constraint(d) => ("constraint", d),
        Failure::Permission(d) => ("permission", d),
        Failure::Transient(d) => ("transient", d),
        Failure::Unavailable(d) => ("unavailable", d),
        Failure::Limit(d) => ("limit", d),
        Failure::Cancelled(d) => ("cancelled", d),
    };
    format!("{kind} {} {}", detail.code, detail.message)
}

/// Honest work: one small file.
fn keep(_: &Invocation) -> Result<Outcome, TaskFailure> {
    telemetry::keep("result.json", b"{}").map_err(told)?;
    done("kept")
}

fn keep_a_path(_: &Invocation) -> Result<Outcome, TaskFailure> {
    let answers =
        ["../result.json", ".hidden", "a/b", "UPPER", ""].map(|name| answer(telemetry::keep(name, b"")));
    done(answers.join(" "))
}

fn keep_too_large(_: &Invocation) -> Result<Outcome, TaskFailure> {
    done(answer(telemetry::keep("large", &vec![0; (1 << 20) + 1])))
}

fn keep_too_many(_: &Invocation) -> Result<Outcome, TaskFailure> {
    until_refused(0)
}

fn keep_too_much(_: &Invocation) -> Result<Outcome, TaskFailure> {
    until_refused(1 << 20)
}

fn until_refused(bytes: usize) -> Result<Outcome, TaskFailure> {
    let content = vec![0; bytes];
    for n in 0..1_000 {
        if let Err(failure) = telemetry::keep(&format!("f{n}"), &content) {
            return done(format!("kept {n}, then {}", answer(Err(failure))));
        }
    }
    done("kept everything")
}

fn answer(kept: Result<(), Failure>) -> String {
    match kept {
        Ok(()) => "kept".to_owned(),
        Err(failure) => words(&failure),
    }
}
