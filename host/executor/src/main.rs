//! The `cofferdam-executor` binary.

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};
use cofferdam_executor::{
    check,
    config::{Config, ConfigArgs},
    describe::{self, DescribeArgs},
    gateway::{self, GatewayCommand},
    start,
};
use cofferdam_ids::{Explain, render};

/// Runs a project's signed tasks next to its warehouse.
#[derive(Parser)]
#[command(name = "cofferdam-executor", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Enrol with the scheduler and run its tasks until told to stop.
    Start(Box<ConfigArgs>),
    /// Say what of the settings, the scheduler and this machine is right and what is not.
    Check(Box<ConfigArgs>),
    /// Say which gateways are set up, and what is right and wrong with them.
    #[command(subcommand)]
    Gateway(GatewayCommand),
    /// Describe a project's tasks by its loader, for `cofferdam release build`.
    Describe(DescribeArgs),
    /// The sandbox; started by the executor itself.
    #[command(hide = true)]
    Runner,
    /// The compiler; started by the executor itself.
    #[command(hide = true)]
    Compile,
}

fn main() -> ExitCode {
    // The children come first: they must give everything up before a second thread exists.
    match Cli::parse().command {
        Command::Runner => match cofferdam_runner::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        },
        Command::Compile => match cofferdam_runner::compile() {
            Ok(()) => ExitCode::SUCCESS,
            // It has told the parent already.
            Err(_) => ExitCode::FAILURE,
        },
        Command::Describe(args) => describe::main(&args),
        Command::Check(args) => match check::main(*args, secret()) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        },
        Command::Gateway(command) => gateway::main(&command),
        Command::Start(args) => {
            log_to_stderr();
            match Config::new(*args, secret()).and_then(start::run) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(&error),
            }
        }
    }
}

fn secret() -> Option<String> {
    std::env::var("COFFERDAM_CLIENT_SECRET").ok()
}

fn failed(error: &dyn Explain) -> ExitCode {
    // Nobody is left to be told if this fails.
    let _ = writeln!(std::io::stderr(), "{}", render(error));
    ExitCode::FAILURE
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("COFFERDAM_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}
