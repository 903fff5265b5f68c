//! The PostgreSQL server all clients are measured on.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::step;

/// A running server with its tables.
pub(crate) struct Server {
    child: Child,
    /// Closed to end it.
    input: Option<ChildStdin>,
    pub(crate) port: String,
    socket: String,
}

impl Server {
    /// Starts it.
    pub(crate) fn start() -> Result<Self> {
        // With the whole workspace, whose tests have built it: alone, its dependencies are built anew.
        let mut build = step::cargo();
        build.args(["build", "--quiet", "--workspace", "--example", "postgres"]);
        step::capture("build the server's starter", &mut build)?;
        let mut child = Command::new(step::target().join("debug/examples/postgres"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the server has no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let [port, socket, _ca] = line.trim().split('\t').collect::<Vec<_>>()[..] else {
            bail!("the server did not start: {line}");
        };
        let (port, socket) = (port.to_owned(), socket.to_owned());
        let input = child.stdin.take();
        let server = Self { child, input, port, socket };
        server.psql("CREATE SCHEMA raw; GRANT USAGE, CREATE ON SCHEMA raw TO reader, writer")?;
        Ok(server)
    }

    /// `psql` as the superuser, over the socket.
    pub(crate) fn client(&self) -> Command {
        self.client_of("shop")
    }

    /// The same on another database.
    pub(crate) fn client_of(&self, database: &str) -> Command {
        let mut command = Command::new("psql");
        command.args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            database,
            "-h",
            &self.socket,
        ]);
        command.args(["-p", &self.port]);
        command
    }

    /// Runs statements; gives what they print.
    pub(crate) fn psql(&self, sql: &str) -> Result<String> {
        step::capture("psql", self.client().args(["-At", "-c", sql]))
    }

    /// Makes `raw.t<rows>`, filled.
    pub(crate) fn fill(&self, rows: u64) -> Result<()> {
        println!("==> a table of {rows} rows");
        self.psql(&format!(
            "CREATE TABLE IF NOT EXISTS raw.t{rows} (id bigint, n int, x double precision, label text, \
             at timestamptz, price numeric(12,2)); TRUNCATE raw.t{rows}; \
             INSERT INTO raw.t{rows} SELECT i, i % 1000, i * 0.5, 'label-' || lpad(i::text, 14, '0'), \
             timestamptz '2024-01-01' + i * interval '1 second', (i % 100000000)::numeric / 100 \
             FROM generate_series(1, {rows}) i; \
             GRANT SELECT ON raw.t{rows} TO reader, writer"
        ))?;
        self.psql(&format!("VACUUM ANALYZE raw.t{rows}"))?;
        Ok(())
    }

    /// MB of a million rows as binary COPY.
    pub(crate) fn megabytes_per_million(&self) -> Result<f64> {
        let (folder, rows) = (step::target().join("bench"), 100_000);
        std::fs::create_dir_all(&folder)?;
        let file: PathBuf = folder.join("sample.copy");
        self.psql(&format!(
            "CREATE TABLE IF NOT EXISTS raw.sample AS SELECT * FROM raw.t1000000 LIMIT {rows}"
        ))
        .or_else(|_| self.psql("SELECT 1"))?;
        let copy = format!("\\copy raw.sample to '{}' (format binary)", file.display());
        step::capture("psql", self.client().args(["-c", &copy]))?;
        Ok(std::fs::metadata(&file)?.len() as f64 * (1e6 / f64::from(rows)) / 1e6)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}
