//! What other clients make of the same table: whole processes, timed with their start.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use super::{Measured, ours::password, server::Server, timed};
use crate::step;

/// Python packages, as they were tried.
const PACKAGES: [&str; 5] = [
    "adbc-driver-postgresql==1.9.0",
    "adbc-driver-manager==1.9.0",
    "pyarrow",
    "connectorx",
    "psycopg[binary]",
];

/// Another client that reads the table.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    with: With,
}

#[derive(Clone, Copy)]
enum With {
    Psql,
    Bare,
    /// A Python text; `{dsn}` and `{table}` are filled in.
    Python(&'static str),
}

const READERS: [Peer; 5] = [
    Peer { name: "`psql` binary COPY to /dev/null, the limit", with: With::Psql },
    Peer { name: "bare Rust driver, binary COPY to Arrow columns", with: With::Bare },
    Peer {
        name: "ADBC, record batches",
        with: With::Python(
            "import adbc_driver_postgresql.dbapi as d\nwith d.connect('{dsn}') as c, c.cursor() as k:\n \
             k.execute('SELECT id, n, x, label, at, price FROM {table}')\n \
             print(sum(b.num_rows for b in k.fetch_record_batch()))\n",
        ),
    },
    Peer {
        name: "connectorx, Arrow",
        with: With::Python(
            "import connectorx as c\n\
             print(c.read_sql('{dsn}', 'SELECT id, n, x, label, at, price FROM {table}', return_type='arrow').num_rows)\n",
        ),
    },
    Peer {
        name: "psycopg, in batches of 10,000",
        with: With::Python(
            "import psycopg\nn = 0\nwith psycopg.connect('{dsn}') as c, c.cursor('k', binary=True) as k:\n \
             k.itersize = 10000\n k.execute('SELECT id, n, x, label, at, price FROM {table}')\n \
             while rows := k.fetchmany(10000):\n  n += len(rows)\nprint(n)\n",
        ),
    },
];

/// The other clients, ready to run.
pub(crate) struct Peers {
    python: Option<PathBuf>,
}

impl Peers {
    /// Installs the Python ones where PyPI can be reached.
    pub(crate) fn prepare() -> Result<Self> {
        let venv = step::target().join("bench/venv");
        let python = venv.join("bin/python");
        if !python.exists() {
            // Debian's own interpreter is built with profiles; others would flatter us.
            let interpreter =
                if PathBuf::from("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" };
            let made = Command::new(interpreter).args(["-m", "venv"]).arg(&venv).status();
            if !made.is_ok_and(|s| s.success()) {
                println!("    no Python environment can be made: its clients are left out");
                return Ok(Self { python: None });
            }
            let mut install = Command::new(&python);
            install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
            if step::run("install the Python clients", &mut install).is_err() {
                let _ = std::fs::remove_dir_all(&venv);
                println!("    they cannot be installed from here: left out");
                return Ok(Self { python: None });
            }
        }
        Ok(Self { python: Some(python) })
    }

    pub(crate) fn readers(&self) -> impl Iterator<Item = Peer> {
        READERS.into_iter()
    }

    /// Reads the table once.
    pub(crate) fn read(&self, peer: Peer, server: &Server, rows: u64) -> Result<Measured> {
        let table = format!("raw.t{rows}");
        match peer.with {
            With::Psql => {
                let copy = format!(
                    "\\copy (SELECT id, n, x, label, at, price FROM {table}) to /dev/null (format binary)"
                );
                timed(|| step::capture("psql", server.client().args(["-c", &copy])).map(drop))
            }
            With::Bare => {
                let mut command = Command::new(step::target().join("release/examples/bare_copy"));
                command.args([&server.port, &password("reader"), &table]);
                counted(&mut command, rows)
            }
            With::Python(text) => {
                let python = self.python.as_ref().context("there is no Python environment")?;
                let dsn =
                    format!("postgresql://reader:{}@127.0.0.1:{}/shop", password("reader"), server.port);
                let text = text.replace("{dsn}", &dsn).replace("{table}", &table);
                counted(Command::new(python).args(["-c", &text]), rows)
            }
        }
    }

    /// Loads the same rows by `\copy` from a file of text.
    pub(crate) fn copy_in(&self, server: &Server, rows: u64) -> Result<Measured> {
        let file = step::target().join(format!("bench/t{rows}.csv"));
        if !file.exists() {
            let out = format!("\\copy raw.t{rows} to '{}' (format csv)", file.display());
            step::capture("psql", server.client().args(["-c", &out]))?;
        }
        let table = "DROP TABLE IF EXISTS raw.copied; CREATE TABLE raw.copied (id bigint, n bigint, \
             x double precision, label text, at timestamptz, price numeric(12,2))";
        server.psql(table)?;
        let copy = format!("\\copy raw.copied from '{}' (format csv)", file.display());
        timed(|| step::capture("psql", server.client().args(["-c", &copy])).map(drop))
    }
}

/// Runs a client that prints how many rows it read, and checks it.
fn counted(command: &mut Command, rows: u64) -> Result<Measured> {
    let mut printed = String::new();
    let measured = timed(|| {
        printed = step::capture("a client", command)?;
        Ok(())
    })?;
    if printed.trim().parse() != Ok(rows) {
        bail!("it read {} rows of {rows}", printed.trim());
    }
    Ok(measured)
}
