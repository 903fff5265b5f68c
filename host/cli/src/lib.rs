//! The command line: projects, releases, keys, grants, ledger, plugins, runs.
//!
//! In: arguments, the project's folder, answers of a scheduler. Out: text for people, JSON for
//! programs, an exit code: 0 it worked, 1 a run or a verdict failed, 2 the command or a file it
//! reads has to change.
//! Never: holds a warehouse credential, runs guest code, or decides what is allowed; it asks the
//! crates that do.
//! Fails: with a coded [`failure::Failure`], rendered once by [`main_with`].
//! Source: `docs/guides/command-line.md`.

pub mod args;
mod commands;
pub mod config;
pub mod connect;
pub mod dbt;
pub mod failure;
pub mod folder;
mod gateways;
pub mod get;
pub mod grant_files;
pub mod init;
pub mod keys;
pub mod ledgers;
pub mod logs;
mod plugin;
pub mod programs;
pub mod release;
pub mod run;
pub mod text;
pub mod up;

use std::{
    ffi::OsString,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Parser as _;
use cofferdam_ids::Timestamp;

use crate::failure::{Failure, USAGE};

/// Runs one command line to its end.
pub fn main_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match args::Cofferdam::try_parse_from(arguments) {
        Ok(args) => args,
        // Help and version go to standard output and are no error.
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return ExitCode::from(2);
        }
        Err(error) => return end(Err(usage(&error.to_string()))),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            let code = end(runtime.block_on(commands::run(args)));
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            end(Err(Failure::new(failure::PROGRAM, "this process cannot start", "check its limits")
                .because(&error)))
        }
    }
}

fn end(outcome: failure::Outcome<u8>) -> ExitCode {
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("{}", failure.render());
            ExitCode::from(failure.exit_code())
        }
    }
}

/// What clap says, in our form.
fn usage(said: &str) -> Box<Failure> {
    let said = said.strip_prefix("error: ").unwrap_or(said);
    let mut parts = said.trim_end().splitn(2, "\n\n");
    let what = parts.next().unwrap_or_default().to_owned();
    let rest = parts.next().unwrap_or_default();
    let tip = rest.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    let usage = rest.lines().find_map(|line| line.trim().strip_prefix("Usage: "));
    let fix = match (tip, usage) {
        (Some(tip), _) => tip.to_owned(),
        (None, Some(usage)) => format!("write `{usage}`; `--help` says more"),
        (None, None) => "`cofferdam --help` lists the commands".to_owned(),
    };
    Failure::new(USAGE, what, fix)
}

/// The wall clock; the one place it is read.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(arguments: &[&str]) -> String {
        let error = args::Cofferdam::try_parse_from(arguments).unwrap_err();
        usage(&error.to_string()).render()
    }

    #[test]
    fn a_wrong_command_is_told_like_every_other_error() {
        insta::assert_snapshot!(said(&["cofferdam", "realease"]), @r"
        error[CD0001]: unrecognized subcommand 'realease'
          fix: a similar subcommand exists: 'release'
        ");
        insta::assert_snapshot!(said(&["cofferdam", "up", "--slots", "0"]), @r"
        error[CD0001]: invalid value '0' for '--slots <SLOTS>': 0 is not in 1..=64
          fix: `cofferdam --help` lists the commands
        ");
        insta::assert_snapshot!(said(&["cofferdam", "release", "build", "--push"]), @r"
        error[CD0001]: the following required arguments were not provided:
          --sign
          fix: write `cofferdam release build --sign --push`; `--help` says more
        ");
    }
}
