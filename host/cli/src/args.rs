//! The arguments of `cofferdam`.
//!
//! In: the command line. Out: a [`Cofferdam`]. Never: takes a secret.
//! Fails: with `CD0001`, rendered like every other error.
//! Source: `docs/guides/command-line.md`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use cofferdam_ledger::Head;

/// Runs warehouse work in a sealed space: projects, releases, keys, grants, ledger, runs.
#[derive(Debug, Parser)]
#[command(name = "cofferdam", version, about, arg_required_else_help = true, propagate_version = true)]
pub struct Cofferdam {
    /// The project's folder; the nearest one from here upward unless given.
    #[arg(long, global = true, env = "COFFERDAM_PROJECT", value_name = "DIR")]
    pub project: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// JSON instead of text.
#[derive(Clone, Copy, Debug, Args)]
pub struct Json {
    /// Print JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make what a project needs: cofferdam.toml, keys, trust root, starter grant, gateways.
    Init {
        /// The folder [default: the working folder].
        dir: Option<PathBuf>,
    },
    /// Start a scheduler and two executors on this machine; Ctrl-C stops them.
    Up {
        /// Attempts each executor runs at once, 1 to 64.
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
        slots: u32,
        /// Where the scheduler listens; port 0 takes a free one.
        #[arg(long, default_value = "127.0.0.1:7440", value_name = "ADDR")]
        listen: String,
    },
    /// Build, sign, hand over and read releases.
    #[command(subcommand)]
    Release(Release),
    /// Run a job, some tasks, or everything, and watch.
    Run(Run),
    /// dbt's own commands, for projects in dbt's format as they are.
    #[command(subcommand)]
    Dbt(Box<crate::dbt::args::Dbt>),
    /// What the scheduler knows: executors, runs, releases.
    #[command(subcommand)]
    Get(Get),
    /// Stop a run.
    Cancel {
        /// The run.
        run: String,
        /// JSON or text.
        #[command(flatten)]
        json: Json,
    },
    /// What tasks said: logs never leave the customer's machines.
    Logs(Logs),
    /// What grants allow, by file and line.
    #[command(subcommand)]
    Grants(Grants),
    /// The tamper-evident record of an executor.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Warehouses of the executor on this machine: what is set up, and whether it is right.
    #[command(subcommand)]
    Gateway(Gateway),
    /// Keys of this project and its trust root.
    #[command(subcommand)]
    Keys(Keys),
    /// Look into a component without running it.
    #[command(subcommand)]
    Plugin(Plugin),
}

/// `gateway …`.
#[derive(Debug, Subcommand)]
pub enum Gateway {
    /// Connect, look at what the role may do, and say what is right and wrong.
    Test {
        /// The gateway [default: the default one].
        name: Option<String>,
        /// `read`, `write` or `admin` [default: every mode that has a credential].
        #[arg(long)]
        mode: Option<String>,
    },
    /// Say which gateways are set up, and where each setting comes from.
    List,
}

/// `release …`.
#[derive(Debug, Subcommand)]
pub enum Release {
    /// Build a release from cofferdam.toml.
    Build {
        /// Its number [default: the last one here + 1].
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        seq: Option<u64>,
        /// Write the unsigned body to this file as well.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// A folder of built plugins to look in first.
        #[arg(long, value_name = "DIR")]
        plugins: Option<PathBuf>,
        /// Sign it.
        #[arg(long)]
        sign: bool,
        /// Hand it to the scheduler.
        #[arg(long, requires = "sign")]
        push: bool,
        /// JSON or text.
        #[command(flatten)]
        json: Json,
    },
    /// Sign a release with the project's release key.
    Sign {
        /// Its number [default: the newest here].
        #[arg(long)]
        seq: Option<u64>,
        /// Another key file.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Hand a signed release to the scheduler.
    Push {
        /// Its number [default: the newest here].
        #[arg(long)]
        seq: Option<u64>,
    },
    /// Read a release aloud: what may run, with what, asking for what.
    Inspect {
        /// A file, a number, or a digest [default: the newest here].
        release: Option<String>,
        /// JSON or text.
        #[command(flatten)]
        json: Json,
    },
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// A job of the release; everything unless this or --select is given.
    pub job: Option<String>,
    /// Tasks: an id, a glob, `tag:x`, with `+` before for what it needs, behind for what needs it.
    #[arg(long, value_name = "SELECTOR", conflicts_with = "job")]
    pub select: Vec<String>,
    /// A parameter, e.g. `day=2026-11-21`; a value that is no JSON is taken as text.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
    /// The environment [default: prod].
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// The role of executors to run on, `run` or `apply` [default: run].
    #[arg(long)]
    pub role: Option<cofferdam_ids::Role>,
    /// The release's digest [default: the newest the scheduler has].
    #[arg(long, value_name = "DIGEST")]
    pub release: Option<cofferdam_ids::Sha256Digest>,
    /// Wait until it ends; this is the default.
    #[arg(long, overrides_with = "no_wait")]
    pub wait: bool,
    /// Start it and return.
    #[arg(long)]
    pub no_wait: bool,
    /// JSON or text.
    #[command(flatten)]
    pub json: Json,
}

/// `get …`.
#[derive(Debug, Subcommand)]
pub enum Get {
    /// Executors and what they last did.
    Executors {
        /// JSON or text.
        #[command(flatten)]
        json: Json,
    },
    /// Runs, newest first.
    Runs {
        /// JSON or text.
        #[command(flatten)]
        json: Json,
    },
    /// One run and its tasks.
    Run {
        /// The run.
        run: String,
        /// JSON or text.
        #[command(flatten)]
        json: Json,
    },
    /// Releases, newest first.
    Releases {
        /// JSON or text.
        #[command(flatten)]
        json: Json,
    },
}

/// `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// The run; with --last, the task.
    #[arg(value_name = "RUN")]
    pub first: Option<String>,
    /// The task; all of them unless given.
    #[arg(value_name = "TASK")]
    pub second: Option<String>,
    /// The newest run here; the next word is then the task.
    #[arg(long)]
    pub last: bool,
    /// The attempt [default: the last].
    #[arg(long, value_name = "N")]
    pub attempt: Option<u32>,
    /// The object folder [default: those of `cofferdam up`].
    #[arg(long, env = "COFFERDAM_OBJECTS", value_name = "DIR")]
    pub objects: Option<PathBuf>,
    /// JSON or text.
    #[command(flatten)]
    pub json: Json,
}

/// `grants …`.
#[derive(Debug, Subcommand)]
pub enum Grants {
    /// Which line of which grant allows what a task asks for, or why it is refused.
    Explain {
        /// The task.
        task: String,
        /// A release's file or number [default: the newest here].
        #[arg(long)]
        release: Option<String>,
        /// The folder of grants [default: the project's].
        #[arg(long, env = "COFFERDAM_GRANTS", value_name = "DIR")]
        grants: Option<PathBuf>,
    },
    /// Check every grant file and list what to look at twice.
    Lint {
        /// The folder of grants [default: the project's].
        #[arg(long, env = "COFFERDAM_GRANTS", value_name = "DIR")]
        grants: Option<PathBuf>,
    },
}

/// `ledger …`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Print the records.
    Show {
        /// An executor's data folder, or a ledger file [default: those of `cofferdam up`].
        #[arg(long, env = "COFFERDAM_DATA", value_name = "PATH")]
        data: Option<PathBuf>,
        /// Records of this task alone.
        #[arg(long)]
        task: Option<String>,
        /// JSON or text.
        #[command(flatten)]
        json: Json,
    },
    /// Is the record whole? Names the first bad one.
    Verify {
        /// An executor's data folder, or a ledger file [default: those of `cofferdam up`].
        #[arg(long, env = "COFFERDAM_DATA", value_name = "PATH")]
        data: Option<PathBuf>,
        /// Where the ledger is known to have stood, as `get executors --json` says it: `SIZE:SHA256`.
        /// Finds an end that was cut off or rewritten, too.
        #[arg(long, value_name = "HEAD", requires = "data", value_parser = crate::ledgers::head)]
        expect_head: Option<Head>,
        /// JSON or text.
        #[command(flatten)]
        json: Json,
    },
}

/// `keys …`.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// The keys on this machine, public halves only.
    List {
        /// JSON or text.
        #[command(flatten)]
        json: Json,
    },
    /// Make a key that is missing.
    Generate {
        /// `root`, `release` or `dispatch`.
        #[arg(value_parser = crate::keys::ROLES)]
        role: String,
    },
    /// The trust root: its digest and who may sign what.
    Show {
        /// JSON or text.
        #[command(flatten)]
        json: Json,
    },
    /// Sign the trust root anew from the keys here. Its digest changes; executors pin it anew.
    Root {
        /// Replace the one that is there.
        #[arg(long)]
        replace: bool,
    },
}

/// `plugin …`.
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// What a component is made for and what it asks the host for.
    Inspect {
        /// The component.
        file: PathBuf,
        /// JSON or text.
        #[command(flatten)]
        json: Json,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Cofferdam::command().debug_assert();
    }

    #[test]
    fn the_commands_are_these() {
        let help = Cofferdam::command().term_width(100).render_help().to_string();
        insta::assert_snapshot!(help, @r"
        The command line: projects, releases, keys, grants, ledger, plugins, runs.

        Usage: cofferdam [OPTIONS] <COMMAND>

        Commands:
          init     Make what a project needs: cofferdam.toml, keys, trust root, starter grant, gateways
          up       Start a scheduler and two executors on this machine; Ctrl-C stops them
          release  Build, sign, hand over and read releases
          run      Run a job, some tasks, or everything, and watch
          dbt      dbt's own commands, for projects in dbt's format as they are
          get      What the scheduler knows: executors, runs, releases
          cancel   Stop a run
          logs     What tasks said: logs never leave the customer's machines
          grants   What grants allow, by file and line
          ledger   The tamper-evident record of an executor
          gateway  Warehouses of the executor on this machine: what is set up, and whether it is right
          keys     Keys of this project and its trust root
          plugin   Look into a component without running it
          help     Print this message or the help of the given subcommand(s)

        Options:
              --project <DIR>  The project's folder; the nearest one from here upward unless given [env:
                               COFFERDAM_PROJECT=]
          -h, --help           Print help
          -V, --version        Print version
        ");
    }
}
