//! A door with real files, a real grant and a ledger that can be read and made to fail.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use cofferdam_broker::{AttemptContext, AttemptIds, Door, Earlier, KeptPage, LogSink, Rights};
use cofferdam_bundle::statement::{Request, SqlMode, TaskLimits};
use cofferdam_call::{Access, Call, Confinement, Ending, Handle, KeptAttempt, Limits, Refusal, Reply};
use cofferdam_cap_files::{MemoryBlobs, ReleaseFile, ReleaseFiles};
use cofferdam_cap_sql::Gateways;
use cofferdam_grants::{GrantSet, Subject, parse};
use cofferdam_ids::{
    AttemptNo, DispatchId, Fence, GatewayName, ProjectId, Role, RunId, Sha256Digest, TaskId, Timestamp,
};
use cofferdam_ledger::{AppendLog, Event, Ledger, Sink, show};
use cofferdam_vault::Vault;

pub(crate) const SIGNED: &str = "SELECT 'signed'";

/// A ledger's bytes, and a switch that fills its disk.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) written: Arc<Mutex<Vec<u8>>>,
    pub(crate) durable: Arc<Mutex<usize>>,
    pub(crate) full: Arc<AtomicBool>,
}

impl Sink for Disk {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.written.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        *self.durable.lock().unwrap() = self.written.lock().unwrap().len();
        Ok(())
    }
}

impl Disk {
    pub(crate) fn durable_text(&self) -> String {
        let length = *self.durable.lock().unwrap();
        String::from_utf8(self.written.lock().unwrap()[..length].to_vec()).unwrap()
    }
}

#[derive(Clone, Default)]
pub(crate) struct Lines(pub(crate) Arc<Mutex<Vec<String>>>);

impl LogSink for Lines {
    fn line(&mut self, line: &str) -> io::Result<()> {
        self.0.lock().unwrap().push(line.to_owned());
        Ok(())
    }
}

/// One attempt with a file, then another without, a page each.
#[derive(Clone)]
pub(crate) struct Pages;

impl Earlier for Pages {
    fn kept(&mut self, name: &str, _start: &str, after: Option<&str>) -> io::Result<KeptPage> {
        let attempt = |task: &str, length: Option<u32>| KeptAttempt {
            task: task.to_owned(),
            attempt: 1,
            ending: Ending::Succeeded,
            code: String::new(),
            message: format!("{name} of {task}"),
            started_at: String::new(),
            ended_at: String::new(),
            length,
        };
        match after {
            None => Ok(KeptPage { attempts: vec![attempt("a", Some(2))], bytes: b"{}".to_vec(), more: true }),
            Some("a") => Ok(KeptPage { attempts: vec![attempt("b", None)], ..KeptPage::default() }),
            Some(_) => Err(io::ErrorKind::Other.into()),
        }
    }
}

pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) disk: Disk,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) gateways: Arc<Gateways>,
    pub(crate) log: Lines,
    pub(crate) earlier: Pages,
}

pub(crate) fn gateway() -> GatewayName {
    GatewayName::new("wh").unwrap()
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gateways = sqlite(folder.path());
        Self::with(folder, gateways)
    }

    pub(crate) fn with(folder: tempfile::TempDir, gateways: Gateways) -> Self {
        let disk = Disk::default();
        let log = AppendLog::onto(Box::new(disk.clone()), 0).unwrap();
        let ledger = Arc::new(Ledger::onto(log, Arc::new(|| Timestamp::from_millis(0))));
        Self { folder, disk, ledger, gateways: Arc::new(gateways), log: Lines::default(), earlier: Pages }
    }

    pub(crate) fn door(&self) -> Door {
        self.door_with(granted(), Limits::default())
    }

    pub(crate) fn door_with(&self, rights: Arc<dyn Rights>, limits: Limits) -> Door {
        let mut blobs = MemoryBlobs::default();
        let files: Vec<_> = [("models/a.sql", SIGNED), ("secrets/b.txt", "hidden")]
            .into_iter()
            .map(|(path, text)| ReleaseFile {
                path: path.to_owned(),
                sha256: blobs.add(text.as_bytes()),
                size: text.len() as u64,
            })
            .collect();
        Door::new(AttemptContext {
            ids: AttemptIds {
                project: ProjectId::new("prj_shop").unwrap(),
                fence: Fence(1),
                run: RunId::new("run_0192f3a0-0000-7000-8000-000000000000").unwrap(),
                task: TaskId::new("model.shop.orders").unwrap(),
                attempt: AttemptNo(1),
                dispatch: DispatchId::new("0192f3a0-0000-7000-8000-000000000001").unwrap(),
            },
            rights,
            files: Arc::new(ReleaseFiles::new(files, Arc::new(blobs)).unwrap()),
            gateways: Arc::clone(&self.gateways),
            ledger: Arc::clone(&self.ledger),
            log: Box::new(self.log.clone()),
            earlier: Box::new(self.earlier.clone()),
            limits,
            clock: Arc::new(|| Timestamp::from_millis(0)),
        })
    }

    /// Everything recorded so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.ledger.flush().unwrap();
        let bytes = self.disk.written.lock().unwrap().clone();
        show(&bytes[..]).map(|record| record.unwrap().unwrap().event).collect()
    }

    pub(crate) fn event_names(&self) -> Vec<String> {
        let short = |event: &Event| match event {
            Event::CapIntent(e) => format!("intent {}", e.capability),
            Event::CapResult(e) => format!("result {:?}", e.outcome),
            Event::CapDenied(e) => format!("denied {} {}", e.capability, e.code),
            other => other.name().to_owned(),
        };
        self.events().iter().map(short).collect()
    }
}

pub(crate) fn sqlite(folder: &Path) -> Gateways {
    let text = "[gateways.wh]\nengine = \"sqlite\"\npath = \"wh.db\"\nschemas = [\"raw\", \"marts\"]\n";
    Gateways::parse("gateways.toml", text, folder, &Vault::default()).unwrap()
}

/// Reads `raw` and `marts`, writes `marts`, 1,000 rows out, files under `models/`, a log.
pub(crate) fn granted() -> Arc<dyn Rights> {
    granted_with(&[])
}

/// As [`granted`], and more that is asked for.
pub(crate) fn granted_with(more: &[Request]) -> Arc<dyn Rights> {
    let project = Sha256Digest::of(b"root");
    let plugin = Sha256Digest::of(b"plugin");
    let text = format!(
        r#"grant_format = 1
id = "shop"
owner = "dba"
reason = "test"
expires = 2030-01-01

[subject]
project = "{}"
tasks = ["model.shop.*"]
plugins = ["{}"]
roles = ["run"]

[[sql]]
gateway = "wh"
mode = "write"
statements = "parsed"
reads = ["raw.*", "marts.*"]
writes = ["marts.*"]
max_rows = 1000

[[files]]
prefixes = ["models/"]

[telemetry]
log = true
read_kept = true
"#,
        project.prefixed(),
        plugin.prefixed()
    );
    let grants = GrantSet::from_files(vec![parse("shop.toml", &text).unwrap()]).unwrap();
    let task = TaskId::new("model.shop.orders").unwrap();
    let subject = Subject { project, task: &task, role: Role::Run, plugins: &[plugin] };
    let list = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let mut requests = vec![
        Request::Sql {
            gateway: gateway(),
            mode: SqlMode::Write,
            reads: list(&["raw.*", "marts.*"]),
            writes: list(&["marts.*"]),
        },
        Request::Files { prefixes: list(&["models/"]) },
        Request::Telemetry {},
    ];
    requests.extend_from_slice(more);
    let limits = TaskLimits { wall_ms: 600_000, mem_bytes: 256 << 20, log_bytes: 1 << 20 };
    let now = Timestamp::from_millis(1_795_000_000_000);
    Arc::new(grants.admit(&subject, &requests, &limits, &Confinement::default(), now).unwrap())
}

pub(crate) fn ask(door: &mut Door, call: Call) -> Result<Reply, Refusal> {
    door.call(call, Vec::new()).map(|(reply, _)| reply)
}

pub(crate) fn open(door: &mut Door, access: Access) -> Handle {
    match ask(door, Call::SqlOpen { gateway: gateway(), access }) {
        Ok(Reply::Opened(handle)) => handle,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn execute(door: &mut Door, session: Handle, statement: &str) -> Result<Reply, Refusal> {
    ask(door, Call::SqlExecute { session, statement: statement.to_owned(), values: vec![] })
}

pub(crate) fn query(door: &mut Door, session: Handle, statement: &str) -> Result<Handle, Refusal> {
    match ask(door, Call::SqlQuery { session, statement: statement.to_owned(), values: vec![], ahead: 0 })? {
        Reply::Rows { rows: Some(rows), .. } => Ok(rows),
        other => panic!("{other:?}"),
    }
}

/// The tables of a schema, seen past the door.
pub(crate) fn tables(folder: &Path, schema: &str) -> Vec<String> {
    use cofferdam_cap_sql::{CancelToken, Holder, Opening, SessionWall};
    let gateways = sqlite(folder);
    let driver = gateways.get(&gateway()).unwrap();
    let mut session = driver
        .open(Opening {
            access: Access::Read,
            wall: SessionWall::everything(),
            cancel: &CancelToken::default(),
            holder: Holder::operator(),
        })
        .unwrap();
    let mut found = Vec::new();
    for name in ["orders", "copy", "loaded"] {
        let text = format!("SELECT 1 FROM {schema}.{name}");
        if session.query(&text, &[]).is_ok() {
            found.push(name.to_owned());
        }
    }
    found
}
