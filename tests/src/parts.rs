//! Scheduler and executors started one by one, so that a test can kill one of them.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Child, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::Value;

use crate::{House, signal};

/// How long a program may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// One program of ours; killed when dropped.
pub struct Part {
    child: Child,
}

impl Part {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        signal(self.pid(), "KILL");
        let _ = self.child.wait();
    }

    /// Asks it to end and waits; whether it ended well.
    pub fn terminate(&mut self) -> bool {
        signal(self.pid(), "TERM");
        self.child.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl House {
    /// Starts a scheduler on a port, its data under `.cofferdam/scheduler`.
    pub fn start_scheduler(&mut self, port: u16) -> Part {
        let listen = format!("127.0.0.1:{port}");
        let arguments = [
            "start",
            "--data",
            ".cofferdam/scheduler",
            "--listen",
            &listen,
            "--dispatch-key",
            ".cofferdam/keys/dispatch.key",
            "--lease-term-s",
            "5",
        ];
        self.start("cofferdam-scheduler", &arguments, &[])
    }

    /// Makes this folder's commands speak to a scheduler of its own, as a new client of it.
    pub fn be_person_of(&mut self, port: u16) {
        let client = self.new_client("person", "tests");
        self.set("COFFERDAM_URL", &format!("http://127.0.0.1:{port}"));
        self.set("COFFERDAM_CLIENT_ID", &client.0);
        self.set("COFFERDAM_CLIENT_SECRET", &client.1);
    }

    /// Starts an executor of the role `run` with a data folder and a client of its own.
    pub fn start_executor(&mut self, port: u16, name: &str) -> Part {
        let client = self.new_client("executor", name);
        self.start_executor_as(port, name, &client)
    }

    /// Starts an executor again, as the client it was before.
    pub fn start_executor_as(&mut self, port: u16, name: &str, client: &(String, String)) -> Part {
        let pin = self.root_digest();
        let url = format!("http://127.0.0.1:{port}");
        let data = format!(".cofferdam/executor-{name}");
        let environment = [
            ("COFFERDAM_URL", url.as_str()),
            ("COFFERDAM_CLIENT_ID", &client.0),
            ("COFFERDAM_CLIENT_SECRET", &client.1),
            ("COFFERDAM_DATA", &data),
            ("COFFERDAM_ROOT", ".cofferdam/trust/root.json"),
            ("COFFERDAM_ROOT_SHA256", &pin),
            ("COFFERDAM_GRANTS", ".cofferdam/grants"),
            ("COFFERDAM_GATEWAYS", ".cofferdam/gateways.toml"),
            ("COFFERDAM_ROLE", "run"),
            ("COFFERDAM_NAME", name),
            ("COFFERDAM_SLOTS", "2"),
            ("COFFERDAM_OBJECTS", ".cofferdam/objects"),
        ];
        self.start("cofferdam-executor", &["start"], &environment)
    }

    /// A new client of the scheduler: id and secret.
    pub fn new_client(&self, kind: &str, name: &str) -> (String, String) {
        let arguments =
            ["client", "create", "--data", ".cofferdam/scheduler", "--kind", kind, "--name", name];
        let output = self.program("cofferdam-scheduler", &arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let made: Value = serde_json::from_str(text.trim())
            .unwrap_or_else(|_| panic!("no client: {text}{}", String::from_utf8_lossy(&output.stderr)));
        let word =
            |name: &str| made[name].as_str().unwrap_or_else(|| panic!("no {name} in {made}")).to_owned();
        (word("client_id"), word("client_secret"))
    }

    fn start(&self, program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Part {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path().join(format!("{program}.stderr")))
            .unwrap();
        let mut command = self.program(program, arguments);
        command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let part = Part { child };
        let (ready, is_ready) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.contains("ready") {
                    let _ = ready.send(());
                }
            }
        });
        if is_ready.recv_timeout(READY_WITHIN).is_err() {
            let said = fs::read_to_string(self.path().join(format!("{program}.stderr"))).unwrap_or_default();
            panic!("{program} did not become ready:\n{said}");
        }
        part
    }
}
