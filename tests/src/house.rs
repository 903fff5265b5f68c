//! The real programs on a loopback port, in a folder of their own, stopped when dropped.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{ProjectFiles, signal};

/// How long `cofferdam up` may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to stop.
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// The folder with the built guests; `cargo xtask test` sets it.
pub fn guests() -> PathBuf {
    folder("COFFERDAM_GUESTS")
}

fn folder(name: &str) -> PathBuf {
    match std::env::var_os(name) {
        Some(folder) => PathBuf::from(folder),
        None => panic!("{name} is not set: run the tests by `cargo xtask test`, which builds what they need"),
    }
}

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    /// Whether it exited with 0.
    pub ok: bool,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Answer {
    /// The answer, which must have been a success.
    pub fn success(self) -> Self {
        assert!(self.ok, "the command failed:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Both streams, for searching.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The last line of the output that is JSON.
    pub fn json(&self) -> Value {
        let lines = self.stdout.lines().rev();
        lines.filter_map(|line| serde_json::from_str(line).ok()).next().unwrap_or_else(|| {
            serde_json::from_str(&self.stdout)
                .unwrap_or_else(|_| panic!("no JSON in:\n{}\n{}", self.stdout, self.stderr))
        })
    }
}

/// A project folder with, once [`House::up`], a scheduler and executors.
pub struct House {
    folder: TempDir,
    up: Option<Child>,
    said: Arc<Mutex<Vec<String>>>,
    environment: Vec<(String, String)>,
}

impl House {
    /// A folder with the project's files, keys, a trust root and the project's own grant.
    pub fn of(project: &ProjectFiles) -> Self {
        let house = Self::bare();
        house.write("cofferdam.toml", &project.manifest());
        for (path, text) in &project.files {
            house.write(path, text);
        }
        house.cofferdam(&["init"]).success();
        house.write(".cofferdam/gateways.toml", &project.gateways());
        let digest = house.root_digest();
        // The starter grant names the plugins by digest; the test's own grant takes them over.
        let mut plugins = Vec::new();
        for starter in fs::read_dir(house.path().join(".cofferdam/grants")).unwrap().flatten() {
            let text = fs::read_to_string(starter.path()).unwrap();
            plugins.extend(
                text.split('"')
                    .filter(|word| word.starts_with("sha256:") && *word != digest)
                    .map(str::to_owned),
            );
            fs::remove_file(starter.path()).unwrap();
        }
        house.write(".cofferdam/grants/proof.toml", &project.grant(&digest, &plugins));
        house
    }

    /// An empty folder.
    pub fn bare() -> Self {
        let folder = tempfile::Builder::new().prefix("cofferdam-").tempdir().unwrap();
        Self { folder, up: None, said: Arc::default(), environment: Vec::new() }
    }

    /// Adds a variable to the environment of every program started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Where the project lies.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the project.
    pub fn write(&self, path: &str, text: &str) {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// A command of ours, by its program's name, in the project's folder.
    pub fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(folder("COFFERDAM_BIN").join(name));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("COFFERDAM_PLUGINS", guests())
            .env("COFFERDAM_CACHE", guests().with_file_name("compiled"))
            .env("NO_COLOR", "1");
        command.envs(self.environment.iter().map(|(n, v)| (n, v))).stdin(Stdio::null());
        command
    }

    /// Runs `cofferdam` to its end.
    pub fn cofferdam(&self, arguments: &[&str]) -> Answer {
        let output = self.program("cofferdam", arguments).output().unwrap();
        Answer {
            ok: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts scheduler and executors and waits until they are ready.
    pub fn up(&mut self, arguments: &[&str]) {
        let mut all = vec!["up", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let mut child =
            self.program("cofferdam", &all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (ready, is_ready) = mpsc::channel();
        let readers: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for reader in readers {
            let (ready, said) = (ready.clone(), Arc::clone(&self.said));
            std::thread::spawn(move || {
                for line in BufReader::new(reader).lines().map_while(Result::ok) {
                    let is_ready = line.contains("ready");
                    said.lock().unwrap().push(line);
                    if is_ready {
                        let _ = ready.send(());
                    }
                }
            });
        }
        self.up = Some(child);
        if is_ready.recv_timeout(READY_WITHIN).is_err() {
            panic!("`cofferdam up` did not become ready:\n{}", self.said());
        }
    }

    /// What `cofferdam up` said so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    /// The process of `cofferdam up`.
    pub fn up_pid(&self) -> u32 {
        self.up.as_ref().unwrap().id()
    }

    /// Builds, signs and pushes a release.
    pub fn release(&self) -> Answer {
        self.cofferdam(&["release", "build", "--sign", "--push"])
    }

    /// Runs the job `all` and gives the run as it ended.
    pub fn run_all(&self) -> Value {
        self.cofferdam(&["run", "all", "--json"]).json()
    }

    /// Digest of the trust root, as grants write it.
    pub fn root_digest(&self) -> String {
        let shown = self.cofferdam(&["keys", "show", "--json"]).success().json();
        format!("sha256:{}", shown["root_sha256"].as_str().unwrap().trim_start_matches("sha256:"))
    }

    /// A task's state in a run.
    pub fn task<'a>(run: &'a Value, id: &str) -> &'a Value {
        let tasks = run["tasks"].as_array().unwrap_or_else(|| panic!("no tasks in {run}"));
        tasks.iter().find(|t| t["task"] == id).unwrap_or_else(|| panic!("no task {id} in {run}"))
    }

    /// Every record of an executor's ledger.
    pub fn ledger(&self, executor: &str) -> Vec<Value> {
        let file = self.path().join(".cofferdam").join(executor).join("ledger/ledger.jsonl");
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The log of a task's last attempt in a run.
    pub fn log(&self, run: &Value, task: &str) -> String {
        let run = run["run"].as_str().unwrap();
        self.cofferdam(&["logs", run, task]).text()
    }

    /// Stops everything, as Ctrl-C would, and says whether it ended well.
    pub fn down(&mut self) -> bool {
        let Some(mut child) = self.up.take() else { return true };
        signal(child.id(), "TERM");
        let asked = Instant::now();
        while asked.elapsed() < STOPPED_WITHIN {
            if let Ok(Some(status)) = child.try_wait() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.down();
    }
}
