//! `describe`: a project loader in the sandbox, lent nothing but the files it is to read.
//!
//! In: a component, the files on standard input as
//! `{"files":[{"path":"…","host_path":"…"}]}`, and what to describe. Out: one JSON line:
//! `{"described":{"tasks":[…],"files":[{"path","sha256","size"}]}}`, `{"problems":[…]}` or
//! `{"error":{"code","message","fix"}}`; what the loader made lies in a folder, by digest.
//! Never: needs a scheduler, a key or a grant; runs the loader in this process.
//! Fails: with exit code 1 and the error as JSON.
//! Source: the design, §6: `describe` runs with nothing linked but the release's files.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use cofferdam_broker::{
    AttemptContext, AttemptIds, DescribeRights, Door, Gateways, LogSink, NothingEarlier, serve_lane,
};
use cofferdam_call::{
    AttemptPlan, Descr, EndState, Generated, GuestKind, Interface, Limits, NamedJson, Problem,
    TaskDescription,
};
use cofferdam_cap_files::{ReleaseFile, ReleaseFiles};
use cofferdam_ids::{
    AttemptNo, ByteCount, Code, DispatchId, Explain, Fence, GrantId, ProjectId, RunId, Sha256Digest, TaskId,
};
use cofferdam_ledger::{AppendLog, Ledger, Sink};
use serde::{Deserialize, Serialize};

use crate::{
    artifacts::{Artifacts, compile},
    blobs::Blob,
    clock::WallClock,
    error::{ExecutorError, clean},
    pack::Packing,
    release::FILES_BYTES_MAX,
    runners::RunnerProcess,
};

/// Bytes of the list of files.
const LIST_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a component.
const COMPONENT_BYTES_MAX: u64 = cofferdam_runner::COMPONENT_BYTES_MAX;
/// What a loader may use.
const LIMITS: Limits = Limits { wall_ms: 120_000, memory_bytes: 512 << 20, log_bytes: 1 << 20 };

/// Flags of `describe`.
#[derive(clap::Args)]
pub struct DescribeArgs {
    /// The loader's component.
    #[arg(long)]
    plugin: PathBuf,
    /// Folder of the project inside the release.
    #[arg(long, default_value = "")]
    root: String,
    /// The gateway its tasks work on.
    #[arg(long)]
    gateway: String,
    /// The name of the gateway's adapter plugin.
    #[arg(long, default_value = "")]
    adapter: String,
    /// A variable: a name, `=`, and a JSON value.
    #[arg(long = "var", value_name = "NAME=JSON")]
    vars: Vec<String>,
    /// Where compiled loaders are kept, each under an authentication code; none are kept without it.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Where files the loader makes go, each under its digest; without it there can be none.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    files: Vec<HostFile>,
    /// Settings of the loader. They may be long, so they do not come as arguments.
    #[serde(default)]
    settings: Vec<NamedJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostFile {
    path: String,
    host_path: PathBuf,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Described(Described),
    Problems(Vec<Problem>),
    Error(Told),
}

#[derive(Serialize)]
struct Described {
    tasks: Vec<TaskDescription>,
    files: Vec<Made>,
}

/// A file the loader made.
#[derive(Serialize)]
struct Made {
    path: String,
    sha256: Sha256Digest,
    size: u64,
}

#[derive(Serialize)]
struct Told {
    code: Code,
    message: String,
    fix: String,
}

/// Describes, prints the answer, and says whether there was one.
pub fn main(args: &DescribeArgs) -> ExitCode {
    let (answer, code) = match describe(args, Path::new("/proc/self/exe"), io::stdin()) {
        Ok(answer) => (answer, ExitCode::SUCCESS),
        Err(error) => {
            let mut message = error.to_string();
            if let Some(cause) = std::error::Error::source(&error) {
                message = format!("{message}: {cause}");
            }
            let told = Told { code: error.code(), message, fix: error.fix() };
            (Answer::Error(told), ExitCode::FAILURE)
        }
    };
    let line = serde_json::to_string(&answer).unwrap_or_default();
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

fn describe(args: &DescribeArgs, program: &Path, list: impl io::Read) -> Result<Answer, ExecutorError> {
    let question = read_question(list)?;
    let vars = args.vars.iter().map(|v| variable(v)).collect::<Result<_, _>>()?;
    // The project is read and hashed while the loader's machine code is; both take their time.
    let (files, loader) = std::thread::scope(|scope| {
        let files = scope.spawn(|| read_files(question.files));
        let loader = loader(args, program);
        let unread = |_| ExecutorError::FileList("reading the files broke off".to_owned());
        (files.join().map_err(unread).flatten(), loader)
    });
    let (files, Loader { component, runner: _runner, lanes }) = (files?, loader?);
    let plan = AttemptPlan {
        kind: GuestKind::Project,
        component,
        adapters: Vec::new(),
        interfaces: vec![Interface::ReleaseFiles, Interface::Telemetry],
        limits: LIMITS,
        invocation: None,
        describe: Some(Descr {
            root: args.root.clone(),
            gateway: args.gateway.clone(),
            adapter: args.adapter.clone(),
            vars,
            settings: question.settings,
        }),
    };
    let mut door = Door::new(context(files)?);
    let lane = lanes.first().ok_or_else(|| ExecutorError::RunnerStart("it has no lane".into()))?;
    let served = serve_lane(lane, plan, &mut door);
    door.finish();
    match served.end.state {
        EndState::Described(found) => {
            let files = made(found.files, args.output.as_deref())?;
            Ok(Answer::Described(Described { tasks: found.tasks, files }))
        }
        EndState::Problems(problems) => Ok(Answer::Problems(problems)),
        EndState::Stopped { code, message } => {
            let stopped = cofferdam_runner::Stopped { code, message };
            let (message, fix) = (stopped.message.clone(), stopped.fix());
            Ok(Answer::Error(Told { code, message, fix }))
        }
        EndState::Failed { .. } | EndState::Succeeded { .. } => {
            Err(ExecutorError::RunnerDied("it ended a project as if it were a task".into()))
        }
    }
}

/// The loader's machine code, from a folder whose key no other user can read, or compiled anew.
fn compiled(
    cache: Option<&Path>,
    program: &Path,
    component: Sha256Digest,
    bytes: &[u8],
) -> Result<Arc<Vec<u8>>, ExecutorError> {
    let make = || compile(program, &Blob::take_in(bytes, component, bytes.len() as u64)?);
    match cache {
        Some(cache) => Ok(Artifacts::shared(cache, program.to_owned())?.get_or(component, make)?.bytes),
        None => make().map(Arc::new),
    }
}

/// Puts what the loader made into a folder. Its paths are for whoever builds the release to judge.
fn made(files: Vec<Generated>, folder: Option<&Path>) -> Result<Vec<Made>, ExecutorError> {
    let unwritable = |path: &Path, source: io::Error| ExecutorError::Objects {
        path: path.display().to_string(),
        source: source.into(),
    };
    let mut made = Vec::with_capacity(files.len());
    for file in files {
        let sha256 = Sha256Digest::of(&file.content);
        let folder = folder.ok_or_else(|| ExecutorError::Setting {
            flag: "output",
            why: "the loader made files, and no folder for them was named".to_owned(),
        })?;
        let place = folder.join(sha256.to_string());
        if !place.exists() {
            let part = folder.join(format!(".{sha256}.{}.part", std::process::id()));
            let written = fs::write(&part, &file.content).and_then(|()| fs::rename(&part, &place));
            written.map_err(|source| unwritable(&place, source))?;
        }
        made.push(Made { path: clean(&file.path, 1 << 10), sha256, size: file.content.len() as u64 });
    }
    Ok(made)
}

fn variable(text: &str) -> Result<NamedJson, ExecutorError> {
    let bad =
        |why: &str| ExecutorError::Setting { flag: "var", why: format!("`{}`: {why}", clean(text, 80)) };
    let (name, json) = text.split_once('=').ok_or_else(|| bad("write NAME=JSON"))?;
    serde_json::from_str::<serde_json::Value>(json).map_err(|e| bad(&format!("not JSON: {e}")))?;
    Ok(NamedJson { name: name.to_owned(), json: json.to_owned() })
}

fn read_component(path: &Path) -> Result<(Sha256Digest, Vec<u8>), ExecutorError> {
    let unreadable =
        |source| ExecutorError::Unreadable { what: "the component", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(COMPONENT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > COMPONENT_BYTES_MAX {
        let limit = ByteCount(COMPONENT_BYTES_MAX);
        return Err(unreadable(io::Error::other(format!("it is longer than {limit}"))));
    }
    Ok((Sha256Digest::of(&bytes), bytes))
}

/// A runner that has the loader.
struct Loader {
    component: Sha256Digest,
    /// Ends with its owner.
    runner: RunnerProcess,
    lanes: Vec<UnixStream>,
}

fn loader(args: &DescribeArgs, program: &Path) -> Result<Loader, ExecutorError> {
    let (component, bytes) = read_component(&args.plugin)?;
    let artifact = compiled(args.cache.as_deref(), program, component, &bytes)?;
    drop(bytes);
    let (runner, lanes) = RunnerProcess::start(program, 1, LIMITS.memory_bytes)?;
    runner.load(component, &artifact)?;
    Ok(Loader { component, runner, lanes })
}

fn bad_list(error: &dyn std::fmt::Display) -> ExecutorError {
    ExecutorError::FileList(clean(&error.to_string(), 512))
}

fn read_question(list: impl io::Read) -> Result<Question, ExecutorError> {
    let mut text = Vec::new();
    list.take(LIST_BYTES_MAX).read_to_end(&mut text).map_err(|e| bad_list(&e))?;
    serde_json::from_slice(&text).map_err(|e| bad_list(&e))
}

fn read_files(files: Vec<HostFile>) -> Result<ReleaseFiles, ExecutorError> {
    let mut packing = Packing::new()?;
    let mut entries = Vec::with_capacity(files.len());
    let mut sum = 0;
    for file in files {
        let unreadable =
            |source| ExecutorError::Unreadable { what: "the file", path: file.host_path.clone(), source };
        let bytes = fs::read(&file.host_path).map_err(unreadable)?;
        let size = bytes.len() as u64;
        sum += size;
        if sum > FILES_BYTES_MAX {
            let (size, limit) = (ByteCount(sum), ByteCount(FILES_BYTES_MAX));
            return Err(ExecutorError::FilesTooLarge { size, limit });
        }
        let sha256 = packing.take_in(&bytes)?;
        entries.push(ReleaseFile { path: file.path, sha256, size });
    }
    ReleaseFiles::new(entries, Arc::new(packing.seal()?)).map_err(|e| bad_list(&e))
}

fn context(files: ReleaseFiles) -> Result<AttemptContext, ExecutorError> {
    let clock = WallClock::system().reader();
    let log = AppendLog::onto(Box::new(Nowhere), 0).map_err(|e| ExecutorError::Journal(e.to_string()))?;
    let named = |e: cofferdam_ids::InvalidName| ExecutorError::FileList(e.to_string());
    Ok(AttemptContext {
        ids: AttemptIds {
            project: ProjectId::new("prj_describe").map_err(named)?,
            fence: Fence(0),
            run: RunId::new("run_describe").map_err(named)?,
            task: TaskId::new("describe").map_err(named)?,
            attempt: AttemptNo(1),
            dispatch: DispatchId::new("describe").map_err(named)?,
        },
        rights: Arc::new(DescribeRights::new(GrantId::new("release-build").map_err(named)?)),
        files: Arc::new(files),
        gateways: Arc::new(Gateways::default()),
        // Nothing is kept of a build: nothing outside of the files can be reached.
        ledger: Arc::new(Ledger::onto(log, Arc::clone(&clock))),
        log: Box::new(Stderr),
        earlier: Box::new(NothingEarlier),
        limits: LIMITS,
        clock,
    })
}

struct Nowhere;

impl Sink for Nowhere {
    fn write_all(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The loader's log, for whoever builds.
struct Stderr;

impl LogSink for Stderr {
    fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(io::stderr(), "{line}")
    }
}
