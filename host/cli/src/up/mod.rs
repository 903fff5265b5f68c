//! `up`: a scheduler, a run and an apply executor on this machine.
//!
//! In: a project's folder. Out: three supervised processes, `up.json` for other commands.
//! Never: leaves a process behind when it ends in good order, or starts twice in one folder.
//! Fails: with `CD0006` to `CD0008`, with the last lines of what ended.
//! Source: `docs/guides/first-five-minutes.md`.

mod child;
mod leftover;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use cofferdam_ids::{Role, Timestamp};
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

use crate::{
    config::Config,
    connect::{Clients, Credentials, UpFile},
    failure::{ALREADY_UP, CHILD_ENDED, Failure, Outcome, PROGRAM},
    folder::{self, Folder},
    keys, programs,
    text::{Colour, Paint},
};

use self::child::Child;

/// How long a program may take until it is ready.
const READY_MAX: Duration = Duration::from_secs(30);
/// How long the programs may take to stop.
const STOP_MAX: Duration = Duration::from_secs(12);
/// Seconds executors may finish what they run, within [`STOP_MAX`].
const DRAIN_S: u64 = 8;

/// MiB of guest memory an executor lends all attempts together.
const MEMORY_MIB: u32 = 2048;

/// What the person asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Attempts each executor runs at once.
    pub slots: u32,
    /// Where the scheduler listens.
    pub listen: String,
}

/// A scheduler and executors that this process started.
pub(crate) struct Session {
    children: Vec<Child>,
    up_file: PathBuf,
    _lock: File,
}

impl Session {
    /// Stops everything.
    pub(crate) async fn stop(self) {
        stop_children(self.children, &self.up_file).await;
    }
}

/// Starts a scheduler and executors of these roles; none where some are up in the folder already.
pub(crate) async fn begin(
    folder: &Folder,
    config: &Config,
    options: &Options,
    roles: &[Role],
    now: Timestamp,
) -> Outcome<Option<Session>> {
    let root_sha256 = keys::root_digest(folder, now)?.to_string();
    let lock = match lock(folder) {
        Err(failure) if failure.code() == ALREADY_UP => return Ok(None),
        lock => lock?,
    };
    leftover::stop(folder).await?;
    let clients = clients(folder).await?;
    let mut children = Vec::new();
    let up_file = folder.up_file();
    match start(folder, config, options, roles, &clients, root_sha256, &mut children).await {
        Ok(_) => Ok(Some(Session { children, up_file, _lock: lock })),
        Err(failure) => {
            stop_children(children, &up_file).await;
            Err(failure)
        }
    }
}

async fn stop_children(mut children: Vec<Child>, up_file: &Path) {
    let _ = fs::remove_file(up_file);
    // Executors first: what they report on their way out still finds a scheduler.
    children.reverse();
    let scheduler = children.pop();
    child::stop_all(children, STOP_MAX).await;
    child::stop_all(scheduler.into_iter().collect(), STOP_MAX).await;
}

/// Starts everything, waits for a signal, stops everything.
pub async fn up(folder: &Folder, options: &Options, now: Timestamp, paint: Paint) -> Outcome<()> {
    let begun = Instant::now();
    let config = folder.config()?;
    let root_sha256 = keys::root_digest(folder, now)?;
    let _lock = lock(folder)?;
    leftover::stop(folder).await?;
    let mut stop = Stop::new()?;
    let clients = clients(folder).await?;
    let mut children: Vec<Child> = Vec::new();
    let (root, roles) = (root_sha256.to_string(), [Role::Run, Role::Apply]);
    let started = tokio::select! {
        started = start(folder, &config, options, &roles, &clients, root, &mut children) => started.map(Some),
        () = stop.asked() => Ok(None),
    };
    let outcome = match started {
        Ok(Some(url)) => {
            print!("{}", told(&url, options, begun.elapsed(), paint));
            let _ = std::io::Write::flush(&mut std::io::stdout());
            tokio::select! {
                ended = child::any_ended(&mut children) => Err(ended),
                () = stop.asked() => Ok(()),
            }
        }
        Ok(None) => Ok(()),
        Err(failure) => Err(failure),
    };
    stop_children(children, &folder.up_file()).await;
    if outcome.is_ok() {
        println!("stopped");
    }
    outcome
}

/// Starts the programs in turn; gives the scheduler's address once all are ready.
async fn start(
    folder: &Folder,
    config: &Config,
    options: &Options,
    roles: &[Role],
    clients: &Clients,
    root_sha256: String,
    children: &mut Vec<Child>,
) -> Outcome<String> {
    let mut scheduler = Command::new(programs::beside("cofferdam-scheduler")?);
    scheduler.arg("start").arg("--data").arg(folder.inner("scheduler"));
    scheduler.args(["--listen", &options.listen]).arg("--dispatch-key").arg(folder.key_file("dispatch"));
    scheduler.env_remove("COFFERDAM_TLS_CERT").env_remove("COFFERDAM_TLS_KEY");
    children.push(Child::start("scheduler", scheduler, &folder.inner("up/scheduler.log"))?);
    let url = ready(children).await?.ok_or_else(|| {
        Failure::new(PROGRAM, "the scheduler did not say where it listens", "install programs of one version")
    })?;
    for role in roles.iter().copied() {
        let client = match role {
            Role::Run => &clients.executor_run,
            Role::Apply => &clients.executor_apply,
        };
        let command = executor(folder, config, options, role, client, &url, &root_sha256)?;
        let name = format!("executor-{role}");
        let log = folder.inner(&format!("up/{name}.log"));
        children.push(Child::start(&name, command, &log)?);
    }
    let pids = |children: &[Child]| children.iter().map(|child| (child.name.clone(), child.pid)).collect();
    let up = UpFile { url: url.clone(), pid: std::process::id(), children: pids(children) };
    folder::replace(&folder.up_file(), &folder::json_text(&up), 0o600)?;
    ready(children).await?;
    Ok(url)
}

/// Waits until every child is ready; gives the first address one of them names.
async fn ready(children: &mut [Child]) -> Outcome<Option<String>> {
    let mut url = None;
    for child in children {
        let said = child.ready(READY_MAX).await?;
        url = url.or(said);
    }
    Ok(url)
}

fn executor(
    folder: &Folder,
    config: &Config,
    options: &Options,
    role: Role,
    client: &Credentials,
    url: &str,
    root_sha256: &str,
) -> Outcome<Command> {
    let data = folder.inner(&format!("executor-{role}"));
    let mut command = Command::new(programs::beside("cofferdam-executor")?);
    command.arg("start").current_dir(folder.root());
    let first = |names: Option<String>, or: &str| names.unwrap_or_else(|| or.to_owned());
    let pool = first(config.audience.pools.first().map(ToString::to_string), "default");
    let cluster = first(config.audience.clusters.first().map(ToString::to_string), "main");
    command
        .env("COFFERDAM_URL", url)
        .env("COFFERDAM_CLIENT_ID", &client.client_id)
        .env("COFFERDAM_CLIENT_SECRET", &client.client_secret)
        .env("COFFERDAM_DATA", &data)
        .env("COFFERDAM_OBJECTS", data.join("objects"))
        .env("COFFERDAM_CACHE", folder.compiled())
        .env("COFFERDAM_ROOT", folder.root_file())
        .env("COFFERDAM_ROOT_SHA256", root_sha256)
        .env("COFFERDAM_GRANTS", folder.grants())
        .env("COFFERDAM_GATEWAYS", folder.gateways())
        .env("COFFERDAM_ROLE", role.to_string())
        .env("COFFERDAM_POOL", pool)
        .env("COFFERDAM_CLUSTER", cluster)
        .env("COFFERDAM_SLOTS", options.slots.to_string())
        .env("COFFERDAM_MEMORY_MIB", MEMORY_MIB.to_string())
        .env("COFFERDAM_NAME", format!("local-{role}"))
        .env("COFFERDAM_DRAIN_S", DRAIN_S.to_string())
        .env_remove("COFFERDAM_CLIENT_SECRET_FILE")
        .env_remove("COFFERDAM_CA_FILE");
    Ok(command)
}

/// The scheduler's OAuth clients; made on the first start.
async fn clients(folder: &Folder) -> Outcome<Clients> {
    folder::private_folder(&folder.inner("scheduler"))?;
    let file = folder.clients_file();
    // Clients are rows of the scheduler's database: without it the secrets open nothing.
    let database = folder.inner("scheduler/scheduler.db");
    if let (true, Some(clients)) = (database.exists(), folder::read_json(&file)?) {
        return Ok(clients);
    }
    let clients = Clients {
        person: create(folder, "person", "local").await?,
        executor_run: create(folder, "executor", "local-run").await?,
        executor_apply: create(folder, "executor", "local-apply").await?,
    };
    folder::replace(&file, &folder::json_text(&clients), 0o600)?;
    Ok(clients)
}

async fn create(folder: &Folder, kind: &str, name: &str) -> Outcome<Credentials> {
    let program = programs::beside("cofferdam-scheduler")?;
    let mut command = Command::new(&program);
    command.args(["client", "create", "--data"]).arg(folder.inner("scheduler"));
    command.args(["--kind", kind, "--name", name]).stdin(Stdio::null());
    let output = command.output().await.map_err(|e| Failure::file("run", &program, &e))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    found.or_else(|| serde_json::from_str(&text).ok()).filter(|_| output.status.success()).ok_or_else(|| {
        let words = String::from_utf8_lossy(&output.stderr);
        Failure::new(CHILD_ENDED, "the scheduler could not make a client", "read what it said above")
            .after(child::quoted("cofferdam-scheduler", &words))
    })
}

/// One `up` per folder. The lock is the kernel's, so a crash leaves none behind.
fn lock(folder: &Folder) -> Outcome<File> {
    let path: PathBuf = folder.inner("up.lock");
    let fail = |e: std::io::Error| Failure::file("lock", &path, &e);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::Error(error)) => Err(fail(error)),
        Err(fs::TryLockError::WouldBlock) => {
            let up: Option<UpFile> = folder::read_json(&folder.up_file()).unwrap_or_default();
            let failure = Failure::new(
                ALREADY_UP,
                "Cofferdam is up in this folder already",
                "use it as it is, or stop it with Ctrl-C where it was started",
            );
            Err(match up {
                Some(up) => failure.why(format!("process {} serves {}", up.pid, up.url)),
                None => failure,
            })
        }
    }
}

fn told(url: &str, options: &Options, took: Duration, paint: Paint) -> String {
    format!(
        "{} at {url} after {:.1} s: a scheduler, a run and an apply executor with {} slots each\n\n\
         in another terminal\n  \
         cofferdam release build --sign --push   what may run\n  \
         cofferdam run                           run it and watch\n  \
         cofferdam get executors                 who does what\n\n\
         Ctrl-C stops everything\n",
        paint.paint(Colour::Green, "ready"),
        took.as_secs_f64(),
        options.slots,
    )
}

/// Ctrl-C or SIGTERM.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Outcome<Self> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(PROGRAM, "signals cannot be listened for", "check the limits of this process")
                    .because(&error)
            })
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_says_where_it_is_and_what_to_do() {
        let options = Options { slots: 4, listen: String::new() };
        let text = told("http://127.0.0.1:7440", &options, Duration::from_millis(1234), Paint::off());
        insta::assert_snapshot!(text, @r"
        ready at http://127.0.0.1:7440 after 1.2 s: a scheduler, a run and an apply executor with 4 slots each

        in another terminal
          cofferdam release build --sign --push   what may run
          cofferdam run                           run it and watch
          cofferdam get executors                 who does what

        Ctrl-C stops everything
        ");
    }

    #[test]
    fn a_folder_is_up_once() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path());
        folder::private_folder(&folder.inner("")).unwrap();
        let held = lock(&folder).unwrap();
        let up = UpFile { url: "http://127.0.0.1:7440".into(), pid: 12, children: Vec::new() };
        folder::replace(&folder.up_file(), &folder::json_text(&up), 0o600).unwrap();
        insta::assert_snapshot!(lock(&folder).unwrap_err().render(), @r"
        error[CD0007]: Cofferdam is up in this folder already
          why: process 12 serves http://127.0.0.1:7440
          fix: use it as it is, or stop it with Ctrl-C where it was started
        ");
        drop(held);
        assert!(lock(&folder).is_ok(), "a process that went away holds no lock");
    }
}
