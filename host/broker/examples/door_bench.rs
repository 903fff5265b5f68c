//! Measures what the door adds to a driver, and what a frame costs between guest and broker.
//!
//! `cargo run --release -p cofferdam-broker --example door_bench` prints one JSON line per measure.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot be taken has no result")]

use std::{
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use cofferdam_broker::{AttemptContext, AttemptIds, Door, NoLog, serve_lane};
use cofferdam_bundle::statement::{Request, SqlMode, TaskLimits};
use cofferdam_call::{
    Access, AttemptEnd, AttemptPlan, Call, Column, Confinement, EndState, FromRunner, GuestKind, Handle,
    Limits, Refusal, Reply, ToRunner, Usage, Value, read_frame, write_frame,
};
use cofferdam_cap_files::ReleaseFiles;
use cofferdam_cap_sql::{
    CancelToken, Engine, Finding, Gateways, Holder, Opening, Peer, PoolState, RowsId, SessionWall, SqlDriver,
    SqlSession,
};
use cofferdam_grants::{Admission, GrantSet, Subject, parse};
use cofferdam_ids::{
    AttemptNo, DispatchId, Fence, GatewayName, ProjectId, Role, RunId, Sha256Digest, TaskId, Timestamp,
};
use cofferdam_ledger::Ledger;
use cofferdam_vault::Vault;

/// A driver that does nothing, and gives frames of 1 MiB without rows.
struct Nothing(Vec<u8>);

impl SqlDriver for Nothing {
    fn inspect(&self, _: Access) -> Vec<Finding> {
        Vec::new()
    }

    fn pools(&self) -> Vec<PoolState> {
        Vec::new()
    }

    fn sweep(&self) -> Result<Vec<String>, Refusal> {
        Ok(Vec::new())
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

fn report(name: &str, count: u32, took: Duration) {
    let micros = took.as_secs_f64() * 1e6 / f64::from(count);
    println!("{{\"measure\":\"{name}\",\"count\":{count},\"micros\":{micros:.2}}}");
}

fn calls(folder: &Path) {
    let mut door = door(&folder.join("calls"));
    let session = opened(&mut door);
    let query = || Call::SqlQuery {
        session,
        statement: "SELECT id, name FROM raw.orders WHERE day = ?".to_owned(),
        values: vec![Value::Text("2026-11-21".to_owned())],
    };
    const COUNT: u32 = 20_000;
    let mut took = Duration::ZERO;
    for _ in 0..COUNT {
        let begun = Instant::now();
        let (reply, _) = door.call(query(), Vec::new()).unwrap();
        took += begun.elapsed();
        if let Reply::Rows { rows, .. } = reply {
            door.call(Call::Close { handle: rows }, Vec::new()).unwrap();
        }
    }
    report("a read through the door", COUNT, took);
    let begun = Instant::now();
    for _ in 0..500 {
        let statement = "DELETE FROM marts.orders".to_owned();
        door.call(Call::SqlExecute { session, statement, values: Vec::new() }, Vec::new()).unwrap();
    }
    report("an effect through the door, its intent synced", 500, begun.elapsed());
}

fn frames(folder: &Path) {
    const COUNT: u32 = 2_000;
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
    let took = std::thread::scope(|scope| {
        let runner = scope.spawn(move || {
            read_frame::<ToRunner>(&mut theirs).unwrap();
            let mut ask = |call: Call| {
                write_frame(&mut theirs, &FromRunner::Call(call), &[]).unwrap();
                read_frame::<ToRunner>(&mut theirs).unwrap()
            };
            ask(Call::SqlOpen { gateway: gateway(), access: Access::Read });
            let statement = "SELECT 1".to_owned();
            ask(Call::SqlQuery { session: Handle(1), statement, values: Vec::new() });
            let begun = Instant::now();
            for _ in 0..COUNT {
                ask(Call::SqlNext { rows: Handle(2) });
            }
            let took = begun.elapsed();
            let end = AttemptEnd {
                state: EndState::Succeeded { rows_affected: None, summary: String::new() },
                usage: Usage::default(),
            };
            write_frame(&mut theirs, &FromRunner::End(Box::new(end)), &[]).unwrap();
            took
        });
        serve_lane(&ours, plan, &mut door);
        runner.join().unwrap()
    });
    report("a frame of 1 MiB over a lane", COUNT, took);
}

fn sqlite(folder: &Path) {
    let text =
        "[gateways.wh]\nengine = \"sqlite\"\npath = \"wh.db\"\nschemas = [\"raw\", \"staging\", \"marts\"]\n";
    let gateways = Gateways::parse("gateways.toml", text, folder, &Vault::default()).unwrap();
    let driver = gateways.get(&gateway()).unwrap();
    let open = || {
        driver
            .open(Opening {
                access: Access::Write,
                wall: SessionWall::everything(),
                cancel: &CancelToken::default(),
                holder: Holder::operator(),
            })
            .unwrap()
    };
    drop(open());
    let begun = Instant::now();
    for _ in 0..200 {
        drop(open());
    }
    report("opening and closing a SQLite session with 3 schemas", 200, begun.elapsed());
    let mut session = open();
    let begun = Instant::now();
    for _ in 0..5_000 {
        let (rows, _) = session.query("SELECT 1", &[]).unwrap();
        session.close_rows(rows);
    }
    report("a query of one row on SQLite, closed", 5_000, begun.elapsed());
}

fn main() {
    let folder = std::env::temp_dir().join(format!("door-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    calls(&folder);
    frames(&folder);
    sqlite(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
}
