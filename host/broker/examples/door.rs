//! Measures what the door adds to a driver, and what a frame costs between runner and broker:
//! `cargo run --release -p cofferdam-broker --example door`. Prints lines for `cargo xtask bench`.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot be taken has no result")]

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use cofferdam_broker::{AttemptContext, AttemptIds, Door, NoLog, NothingEarlier, serve_lane};
use cofferdam_bundle::statement::{Request, SqlMode, TaskLimits};
use cofferdam_call::{
    Access, AttemptEnd, AttemptPlan, Call, Column, Confinement, EndState, FromRunner, GuestKind, Handle,
    Limits, Refusal, Reply, ToRunner, Usage, Value, read_frame, write_frame,
};
use cofferdam_cap_files::ReleaseFiles;
use cofferdam_cap_sql::{Engine, Finding, Gateways, Opening, Peer, RowsId, SqlDriver, SqlSession};
use cofferdam_grants::{Admission, GrantSet, Subject, parse};
use cofferdam_ids::{
    AttemptNo, DispatchId, Fence, GatewayName, ProjectId, Role, RunId, Sha256Digest, TaskId, Timestamp,
};
use cofferdam_ledger::Ledger;

/// A driver that does nothing, and gives frames of 1 MiB without rows.
struct Nothing(Vec<u8>);

impl SqlDriver for Nothing {
    fn inspect(&self, _: Access) -> Vec<Finding> {
        Vec::new()
    }

    fn engine(&self) -> Engine {
        Engine::Sqlite
    }

    fn default_schema(&self) -> &str {
        "main"
    }

    fn open(&self, _: Opening<'_>) -> Result<Box<dyn SqlSession>, Refusal> {
        Ok(Box::new(Self(self.0.clone())))
    }
}

impl SqlSession for Nothing {
    fn peer(&self) -> Peer {
        Peer::default()
    }

    fn query(&mut self, _: &str, _: &[Value]) -> Result<(RowsId, Vec<Column>), Refusal> {
        Ok((RowsId(1), Vec::new()))
    }

    fn next_frame(&mut self, _: RowsId, frame: &mut Vec<u8>) -> Result<Option<u64>, Refusal> {
        frame.extend_from_slice(&self.0);
        Ok(Some(0))
    }

    fn close_rows(&mut self, _: RowsId) {}

    fn execute(&mut self, _: &str, _: &[Value]) -> Result<u64, Refusal> {
        Ok(1)
    }

    fn begin(&mut self) -> Result<(), Refusal> {
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Refusal> {
        Ok(())
    }

    fn commit_once(&mut self, _: &str) -> Result<bool, Refusal> {
        Ok(true)
    }

    fn rollback(&mut self) -> Result<(), Refusal> {
        Ok(())
    }

    fn load(&mut self, _: &[String], _: &[Column]) -> Result<(), Refusal> {
        Ok(())
    }

    fn load_write(&mut self, _: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }

    fn load_finish(&mut self) -> Result<u64, Refusal> {
        Ok(0)
    }

    fn load_abandon(&mut self) {}
}

fn admission() -> Admission {
    let (project, plugin) = (Sha256Digest::of(b"root"), Sha256Digest::of(b"plugin"));
    let text = format!(
        "grant_format = 1\nid = \"shop\"\nowner = \"dba\"\nreason = \"bench\"\nexpires = 2030-01-01\n\
         [subject]\nproject = \"{}\"\ntasks = [\"model.*\"]\nplugins = [\"{}\"]\nroles = [\"run\"]\n\
         [[sql]]\ngateway = \"wh\"\nmode = \"write\"\nstatements = \"parsed\"\nreads = [\"raw.*\"]\n\
         writes = [\"marts.*\"]\nmax_rows = 1000000\n",
        project.prefixed(),
        plugin.prefixed()
    );
    let grants = GrantSet::from_files(vec![parse("shop.toml", &text).unwrap()]).unwrap();
    let task = TaskId::new("model.shop.orders").unwrap();
    let subject = Subject { project, task: &task, role: Role::Run, plugins: &[plugin] };
    let request = Request::Sql {
        gateway: gateway(),
        mode: SqlMode::Write,
        reads: vec!["raw.*".to_owned()],
        writes: vec!["marts.*".to_owned()],
    };
    let limits = TaskLimits { wall_ms: 3_600_000, mem_bytes: 256 << 20, log_bytes: 1 << 20 };
    let now = Timestamp::from_millis(1_795_000_000_000);
    grants.admit(&subject, &[request], &limits, &Confinement::default(), now).unwrap()
}

fn gateway() -> GatewayName {
    GatewayName::new("wh").unwrap()
}

fn door(folder: &Path) -> Door {
    let clock = || Arc::new(|| Timestamp::from_millis(0)) as cofferdam_ledger::Clock;
    let mut gateways = Gateways::default();
    gateways.insert(gateway(), Arc::new(Nothing(vec![7; 1 << 20])));
    Door::new(AttemptContext {
        ids: AttemptIds {
            project: ProjectId::new("prj_shop").unwrap(),
            fence: Fence(1),
            run: RunId::new("run_0192f3a0-0000-7000-8000-000000000000").unwrap(),
            task: TaskId::new("model.shop.orders").unwrap(),
            attempt: AttemptNo(1),
            dispatch: DispatchId::new("0192f3a0-0000-7000-8000-000000000001").unwrap(),
        },
        rights: Arc::new(admission()),
        files: Arc::new(ReleaseFiles::none()),
        gateways: Arc::new(gateways),
        ledger: Arc::new(Ledger::open(folder, clock()).unwrap()),
        log: Box::new(NoLog),
        earlier: Box::new(NothingEarlier),
        limits: Limits { wall_ms: 3_600_000, ..Limits::default() },
        clock: clock(),
    })
}

fn opened(door: &mut Door) -> Handle {
    match door.call(Call::SqlOpen { gateway: gateway(), access: Access::Write }, Vec::new()).unwrap().0 {
        Reply::Opened(handle) => handle,
        other => panic!("{other:?}"),
    }
}

/// The middle of many rounds.
fn median(rounds: usize, mut round: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..rounds).map(|_| round()).collect();
    times.sort();
    times[rounds / 2]
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let made = work();
    (made, begun.elapsed())
}

fn line(what: &str, time: Duration, budget: &str, reference: &str, beside: Duration) {
    let micros = |time: Duration| time.as_nanos() as f64 / 1e3;
    println!("bench\t{what}\t{:.2}\t{budget}\t{reference}\t{:.2}", micros(time), micros(beside));
}

fn calls(folder: &Path) {
    let mut door = door(&folder.join("calls"));
    let session = opened(&mut door);
    let query = || Call::SqlQuery {
        session,
        statement: "SELECT id, name FROM raw.orders WHERE day = ?".to_owned(),
        values: vec![Value::Text("2026-11-21".to_owned())],
        ahead: 0,
    };
    let read = median(20_000, || {
        let ((reply, _), took) = timed(|| door.call(query(), Vec::new()).unwrap());
        if let Reply::Rows { rows: Some(rows), .. } = reply {
            door.call(Call::Close { handle: rows }, Vec::new()).unwrap();
        }
        took
    });
    let trip = bare_socket(1, 1, 20_000);
    line("a read through the door, beyond the driver", read, "≤ 30 µs", "one byte there and back", trip);
    let effect = median(300, || {
        let statement = "DELETE FROM marts.orders".to_owned();
        let call = Call::SqlExecute { session, statement, values: Vec::new() };
        timed(|| door.call(call, Vec::new()).unwrap()).1
    });
    let mut file = File::create(folder.join("synced")).unwrap();
    let sync = median(300, || {
        timed(|| {
            file.write_all(&[b'x'; 600]).unwrap();
            file.sync_data().unwrap();
        })
        .1
    });
    line("an effect through the door, its intent synced", effect, "", "600 bytes and fdatasync", sync);
}

/// Serves a runner that asks for frames and sends some, over a real lane.
fn frames(folder: &Path) {
    const ROUNDS: usize = 2_000;
    let mut door = door(&folder.join("frames"));
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let plan = AttemptPlan {
        kind: GuestKind::Task,
        component: Sha256Digest::of(b""),
        adapters: Vec::new(),
        interfaces: Vec::new(),
        limits: Limits { wall_ms: 3_600_000, ..Limits::default() },
        invocation: None,
        describe: None,
    };
    let (out, back) = std::thread::scope(|scope| {
        let runner = scope.spawn(move || {
            read_frame::<ToRunner>(&mut theirs).unwrap();
            let mut ask = |call: Call, payload: &[u8]| {
                write_frame(&mut theirs, &FromRunner::Call(call), payload).unwrap();
                read_frame::<ToRunner>(&mut theirs).unwrap()
            };
            ask(Call::SqlOpen { gateway: gateway(), access: Access::Write }, &[]);
            let (statement, table) = ("SELECT 1".to_owned(), vec!["marts".to_owned(), "orders".to_owned()]);
            ask(Call::SqlQuery { session: Handle(1), statement, values: Vec::new(), ahead: 0 }, &[]);
            let out = median(ROUNDS, || timed(|| ask(Call::SqlNext { rows: Handle(2) }, &[])).1);
            ask(Call::SqlLoad { session: Handle(1), table, columns: Vec::new() }, &[]);
            let frame = vec![7; 1 << 20];
            let back = median(ROUNDS, || timed(|| ask(Call::SqlLoadWrite { load: Handle(3) }, &frame)).1);
            let end = AttemptEnd {
                state: EndState::Succeeded { rows_affected: None, summary: String::new() },
                usage: Usage::default(),
            };
            write_frame(&mut theirs, &FromRunner::End(Box::new(end)), &[]).unwrap();
            (out, back)
        });
        serve_lane(&ours, plan, &mut door);
        runner.join().unwrap()
    });
    let reference = "1 MiB through a bare socket pair";
    let bare = bare_socket(1, 1 << 20, ROUNDS);
    line("1 MiB frame, driver to runner", out, "≤ 500 µs", reference, bare);
    line("1 MiB frame, runner to driver", back, "≤ 500 µs", reference, bare_socket(1 << 20, 1, ROUNDS));
}

/// So many bytes there and so many back, between two threads.
fn bare_socket(there: usize, back: usize, rounds: usize) -> Duration {
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    let other = std::thread::spawn(move || {
        let (mut asked, answer) = (vec![0; there], vec![7; back]);
        while theirs.read_exact(&mut asked).is_ok() && theirs.write_all(&answer).is_ok() {}
    });
    let (asked, mut answer) = (vec![7; there], vec![0; back]);
    let each = median(rounds, || {
        timed(|| {
            ours.write_all(&asked).unwrap();
            ours.read_exact(&mut answer).unwrap();
        })
        .1
    });
    drop(ours);
    other.join().unwrap();
    each
}

fn main() {
    let folder = std::env::temp_dir().join(format!("cofferdam-door-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    calls(&folder);
    frames(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
}
