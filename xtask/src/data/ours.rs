//! The measured path: the real scheduler, executor and runner, with sandbox, grants and ledger on.

use std::{fs, path::Path, time::Instant};

use anyhow::{Context as _, Result, bail};

use super::{Measured, server::Server};
use crate::{
    place::{Place, Up},
    processes::{Process, descendants},
    step,
};

/// Passwords of the server's roles are this and the role's name.
const PASSWORD_PREFIX: &str = "canary-";

/// A project whose tasks read and load one table.
pub(crate) struct Ours {
    place: Place,
    up: Up,
}

impl Ours {
    /// Makes the project for a table of so many rows and starts everything.
    pub(crate) fn start(guests: &Path, server: &Server, rows: u64) -> Result<Self> {
        let folder = step::target().join(format!("bench/data-{rows}"));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("cofferdam.toml"), manifest(rows))?;
        let variables = [("BENCH_READER", "reader"), ("BENCH_WRITER", "writer")]
            .map(|(name, role)| (name.to_owned(), password(role)))
            .to_vec();
        let place = Place { folder, plugins: guests.to_owned(), build: "release", variables };
        place.cofferdam(&["init"])?;
        fs::write(place.folder.join(".cofferdam/gateways.toml"), gateways(&server.port))?;
        widen_grant(&place.folder)?;
        let up = place.up(&[], |_| {})?;
        place.cofferdam(&["release", "build", "--sign", "--push"])?;
        Ok(Self { place, up })
    }

    /// Reads the table into the guest.
    pub(crate) fn read(&self) -> Result<Measured> {
        self.measure("read")
    }

    /// Loads as many rows from the guest.
    pub(crate) fn load(&self) -> Result<Measured> {
        self.measure("load")
    }

    fn measure(&self, task: &str) -> Result<Measured> {
        let before = self.executors();
        before.iter().for_each(Process::forget_peak);
        let cpu_before: f64 = before.iter().map(Process::cpu_seconds).sum();
        let began = Instant::now();
        self.place.cofferdam(&["run", "--select", &format!("bulk.{task}")])?;
        let whole = began.elapsed().as_secs_f64();
        // The runner may have started meanwhile; what is new has used all it has used here.
        let after = self.executors();
        let cpu = after.iter().map(Process::cpu_seconds).sum::<f64>() - cpu_before;
        let peak_mib = after.iter().map(Process::peak_mib).sum();
        let seconds = self.attempt_seconds(task)?;
        println!("    {seconds:.2} s in the attempt, {whole:.2} s with the command");
        Ok(Measured { seconds, cpu, peak_mib: Some(peak_mib) })
    }

    /// Brokers and their runners. The second broker, of role `apply`, has nothing to do.
    fn executors(&self) -> Vec<Process> {
        let brokers = descendants(self.up.id()).into_iter().filter(|p| p.line.contains("cofferdam-executor"));
        brokers
            .flat_map(|broker| {
                let runners = descendants(broker.pid);
                std::iter::once(broker).chain(runners)
            })
            .collect()
    }

    /// How long the last attempt of a task took, as its result says.
    fn attempt_seconds(&self, task: &str) -> Result<f64> {
        let runs = self.place.folder.join(".cofferdam/executor-run/objects/runs");
        let mut results: Vec<_> = fs::read_dir(&runs)
            .with_context(|| format!("no results in {}", runs.display()))?
            .flatten()
            .map(|run| run.path().join(format!("bulk.{task}/attempt-1.json")))
            .filter(|file| file.exists())
            .collect();
        results.sort_by_key(|file| fs::metadata(file).and_then(|m| m.modified()).ok());
        let last = results.last().context("the attempt left no result")?;
        let result: serde_json::Value = serde_json::from_slice(&fs::read(last)?)?;
        if result["state"] != "succeeded" {
            bail!("the attempt did not succeed: {}", result["message"]);
        }
        Ok(result["duration_ms"].as_f64().context("a duration")? / 1e3)
    }
}

fn manifest(rows: u64) -> String {
    format!(
        "[project]\nname = \"bulk\"\ngateway = \"wh\"\n[plugins]\nbulk = \"bulk\"\nadapter-postgres = \"adapter-postgres\"\n\
         [gateways]\nwh = \"adapter-postgres\"\n\
         [[task]]\nid = \"bulk.read\"\nplugin = \"bulk\"\nentry = \"read\"\ngateway = \"wh\"\n\
         settings = {{ statement = \"SELECT id, n, x, label, at, price FROM raw.t{rows}\" }}\nreads = [\"raw.*\"]\n\
         [[task]]\nid = \"bulk.load\"\nplugin = \"bulk\"\nentry = \"load\"\ngateway = \"wh\"\n\
         settings = {{ schema = \"raw\", table = \"loaded\", rows = {rows} }}\nreads = [\"raw.*\"]\nwrites = [\"raw.*\"]\n"
    )
}

fn gateways(port: &str) -> String {
    format!(
        "default = \"wh\"\n[gateways.wh]\nengine = \"postgres\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         database = \"shop\"\nschema = \"raw\"\ntls = \"off\"\n\
         [gateways.wh.read]\nuser = \"reader\"\npassword = \"env://BENCH_READER\"\n\
         [gateways.wh.write]\nuser = \"writer\"\npassword = \"env://BENCH_WRITER\"\n"
    )
}

/// The starter grant lets out fewer rows and names other schemas.
fn widen_grant(folder: &Path) -> Result<()> {
    let grants = folder.join(".cofferdam/grants");
    for file in fs::read_dir(&grants)?.flatten() {
        let text = fs::read_to_string(file.path())?;
        let lines = text.lines().map(|line| match line.split_once('=').map(|(key, _)| key.trim()) {
            Some("max_rows") => "max_rows = 1000000000".to_owned(),
            Some("reads") => "reads = [\"raw.*\"]".to_owned(),
            Some("writes") => "writes = [\"raw.*\"]".to_owned(),
            _ => line.to_owned(),
        });
        fs::write(file.path(), lines.collect::<Vec<_>>().join("\n") + "\n")?;
    }
    Ok(())
}

/// The password of a role of the server.
pub(crate) fn password(role: &str) -> String {
    format!("{PASSWORD_PREFIX}{role}")
}
