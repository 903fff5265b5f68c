//! `cofferdam dbt`: dbt's commands for projects in dbt's format, unchanged.
//!
//! In: arguments, a project's folder, `profiles.yml`. Out: the familiar lines, `target/`, an exit
//! code: 0 all went well, 1 a node failed, 2 the command or a file it reads has to change.
//! Never: runs a line of the project in this process, or touches the warehouse itself.
//! Fails: with `CD0060` to `CD0069` of its own, and as `release build` and `run` do.
//! Source: `docs/guides/move-a-dbt-project.md`; dbt's own behaviour.

pub mod args;
mod artifacts;
mod chosen;
mod commands;
mod execute;
mod lines;
mod list;
mod manifest;
mod noop;
mod outcome;
mod place;
mod profile;
mod reading;
mod release;
mod running;
mod select;
mod session;
mod setup;
mod what;
mod work;
mod yaml;

pub(crate) use self::setup::complete;

use self::args::{Dbt, Docs, Source};
use crate::failure::Outcome;

/// Runs one of dbt's commands.
pub(crate) async fn run(command: Dbt) -> Outcome<u8> {
    use commands::run;
    use what::What;
    let text = args::Shown::Text;
    match command {
        Dbt::Build(work) => run(What::Build, work, text).await,
        Dbt::Run(work) => run(What::Run, work, text).await,
        Dbt::Test(work) => run(What::Test, work, text).await,
        Dbt::Seed(work) => run(What::Seed, work, text).await,
        Dbt::Snapshot(work) => run(What::Snapshot, work, text).await,
        Dbt::Compile(asked) => run(What::Compile, asked.work, asked.output).await,
        Dbt::Show(asked) => run(What::Show, asked.work, asked.output).await,
        Dbt::Source(Source::Freshness(work)) => run(What::Freshness, work, text).await,
        Dbt::Docs(Docs::Generate(work)) => run(What::Docs, work, text).await,
        Dbt::Retry(work) => commands::retry(work).await,
        Dbt::RunOperation(operation) => commands::operation(operation).await,
        Dbt::Ls(ls) => reading::ls(&ls),
        Dbt::Parse(work) => reading::parse(&work),
        Dbt::Debug(work) => reading::debug(&work),
        Dbt::Clean(work) => reading::clean(&work),
        Dbt::Deps(work) => reading::deps(&work),
    }
}
