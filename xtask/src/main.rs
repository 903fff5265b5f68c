//! `cargo xtask`: the project's own tasks. Each says what it does while it does it.
//!
//! In: the checkout. Out: what each command's help says, under `target/`.
//! Never: changes anything outside the checkout but the tool chain's target and the servers tests
//! start (`setup`).
//! Fails: with the step that failed and its own output above it.

mod bench;
mod data;
mod dbt;
mod dbt_bench;
mod demo;
mod guests;
mod noop;
mod parity;
mod place;
mod processes;
mod setup;
mod step;
mod test;
mod warehouse;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set up, demonstrate, test and measure Cofferdam")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes the machine ready: the wasm32-wasip2 target, and the servers tests start.
    Setup,
    /// Builds the plugins and hostile guests into target/guests.
    Guests,
    /// Runs a real project end to end on this machine and shows what happened.
    Demo {
        /// Forget what an earlier demo loaded.
        #[arg(long)]
        fresh: bool,
    },
    /// Formats, lints, documentation, licences and all tests: what CI runs.
    Test {
        /// Only the tests; no formatting, lints, documentation or licences.
        #[arg(long)]
        quick: bool,
    },
    /// Runs a project in dbt's format with dbt-core and with Cofferdam and compares everything.
    Parity(parity::Parity),
    /// Measures what the budgets name, each beside a reference, into docs/benchmarks.md.
    Bench {
        /// Something else instead.
        #[command(subcommand)]
        what: Option<Bench>,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// Many rows between PostgreSQL and a guest, beside other clients, into docs/benchmarks-data.md.
    Data {
        /// Rows of the tables.
        #[arg(long, value_delimiter = ',', default_value = "1000000,10000000")]
        rows: Vec<u64>,
    },
    /// Projects in dbt's format, beside dbt-core and dbt 2.x, into docs/benchmarks-dbt.md.
    Dbt(dbt_bench::DbtBench),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Setup => setup::run(),
        Command::Guests => guests::build().map(|_| ()),
        Command::Demo { fresh } => demo::run(fresh),
        Command::Test { quick } => test::run(quick),
        Command::Parity(asked) => parity::run(&asked),
        Command::Bench { what: None } => bench::run(),
        Command::Bench { what: Some(Bench::Data { rows }) } => data::run(&rows),
        Command::Bench { what: Some(Bench::Dbt(asked)) } => dbt_bench::run(&asked),
    }
}
