//! The arguments of `cofferdam dbt`: dbt's own words.
//!
//! In: the command line. Out: a [`Dbt`]. Never: takes a secret.
//! Fails: with `CD0001`, rendered like every other error.
//! Source: `docs/guides/move-a-dbt-project.md`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `dbt …`.
#[derive(Debug, Subcommand)]
pub enum Dbt {
    /// Run seeds, models, snapshots and tests in the order they need each other.
    Build(Work),
    /// Run models.
    Run(Work),
    /// Run data tests and unit tests.
    Test(Work),
    /// Load seeds.
    Seed(Work),
    /// Bring snapshots up to date.
    Snapshot(Work),
    /// Render nodes to SQL in `target/compiled`, without running them.
    Compile(Preview),
    /// Show the first rows of a model or of a statement.
    Show(Preview),
    /// List nodes.
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Read the project and write `target/manifest.json`.
    Parse(Work),
    /// Sources and how fresh they are.
    #[command(subcommand)]
    Source(Source),
    /// Documentation: `target/manifest.json` and `target/catalog.json`.
    #[command(subcommand)]
    Docs(Docs),
    /// Run again what failed or was skipped in the last run.
    Retry(Work),
    /// Run a macro.
    RunOperation(RunOperation),
    /// Say what is set up, and try the warehouse.
    Debug(Work),
    /// Delete what the project calls `clean-targets`.
    Clean(Work),
    /// Say what to do about packages.
    Deps(Work),
}

/// `dbt source …`.
#[derive(Debug, Subcommand)]
pub enum Source {
    /// Ask each source when it was loaded last, and write `target/sources.json`.
    Freshness(Work),
}

/// `dbt docs …`.
#[derive(Debug, Subcommand)]
pub enum Docs {
    /// Write `target/manifest.json` and `target/catalog.json`.
    Generate(Work),
}

/// `dbt run-operation MACRO`.
#[derive(Debug, Args)]
pub struct RunOperation {
    /// The macro, with its package before it if need be.
    #[arg(value_name = "MACRO")]
    pub macro_name: String,
    /// Its arguments, as a YAML map.
    #[arg(long, value_name = "YAML", default_value = "{}")]
    pub args: String,
    /// Everything else.
    #[command(flatten)]
    pub work: Work,
}

/// `dbt compile` and `dbt show`.
#[derive(Debug, Args)]
pub struct Preview {
    /// How to print what is asked for.
    #[arg(long, visible_alias = "output-format", value_enum, default_value_t = Shown::Text)]
    pub output: Shown,
    /// Everything else.
    #[command(flatten)]
    pub work: Work,
}

/// `dbt ls`.
#[derive(Debug, Args)]
pub struct Ls {
    /// How to print nodes.
    #[arg(long, value_enum, default_value_t = Output::Selector)]
    pub output: Output,
    /// Keys of `--output json`.
    #[arg(long, value_name = "KEY", num_args = 1..)]
    pub output_keys: Vec<String>,
    /// Everything else.
    #[command(flatten)]
    pub work: Work,
}

/// How nodes are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "dbt's own words")]
pub enum Output {
    Json,
    Text,
    Name,
    Path,
    Selector,
}

/// What becomes of tests whose other parents are not selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Indirect {
    /// A test is selected when one of its parents is.
    #[default]
    Eager,
    /// Only when all of its parents are.
    Cautious,
    /// When all of its parents are, or are needed by what is.
    Buildable,
    /// Never on its own account.
    Empty,
}

/// What nearly all commands take.
#[derive(Clone, Debug, Default, Args)]
pub struct Work {
    /// Nodes: names, globs, `tag:x`, `path:x`, `+x+`, `@x`; with spaces a union, with commas an intersection.
    #[arg(short = 's', long = "select", visible_short_alias = 'm', visible_aliases = ["models", "model"], value_name = "SELECTOR", num_args = 1..)]
    pub select: Vec<String>,
    /// Nodes to leave out.
    #[arg(long, value_name = "SELECTOR", num_args = 1..)]
    pub exclude: Vec<String>,
    /// A selector of `selectors.yml`.
    #[arg(long, value_name = "NAME")]
    pub selector: Option<String>,
    /// Only nodes of these types.
    #[arg(long = "resource-type", visible_alias = "resource-types", value_name = "TYPE", num_args = 1..)]
    pub resource_type: Vec<String>,
    /// No nodes of these types.
    #[arg(long = "exclude-resource-type", visible_alias = "exclude-resource-types", value_name = "TYPE", num_args = 1..)]
    pub exclude_resource_type: Vec<String>,
    /// Tests whose other parents are not selected.
    #[arg(long, value_enum)]
    pub indirect_selection: Option<Indirect>,
    /// Variables, as a YAML map.
    #[arg(long, value_name = "YAML")]
    pub vars: Option<String>,
    /// Build incremental models and seeds anew.
    #[arg(short = 'f', long)]
    pub full_refresh: bool,
    /// Attempts at once.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: Option<u32>,
    /// The target of the profile.
    #[arg(short = 't', long, env = "DBT_TARGET")]
    pub target: Option<String>,
    /// The profile.
    #[arg(long, env = "DBT_PROFILE")]
    pub profile: Option<String>,
    /// The folder of profiles.yml.
    #[arg(long, env = "DBT_PROFILES_DIR", value_name = "DIR")]
    pub profiles_dir: Option<PathBuf>,
    /// The folder of dbt_project.yml.
    #[arg(long, env = "DBT_PROJECT_DIR", value_name = "DIR")]
    pub project_dir: Option<PathBuf>,
    /// The folder artifacts go to.
    #[arg(long, env = "DBT_TARGET_PATH", value_name = "DIR")]
    pub target_path: Option<PathBuf>,
    /// A folder with artifacts of an earlier state, for `state:` and `result:`.
    #[arg(long, env = "DBT_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Read what is not selected, and not there, where the state of --state has it.
    #[arg(long, env = "DBT_DEFER")]
    pub defer: bool,
    /// With --defer: read what is not selected there even where it is here as well.
    #[arg(long, env = "DBT_FAVOR_STATE")]
    pub favor_state: bool,
    /// The folder of the state for --defer, where it is another than that of --state.
    #[arg(long, env = "DBT_DEFER_STATE", value_name = "DIR")]
    pub defer_state: Option<PathBuf>,
    /// Stop at the first failure.
    #[arg(short = 'x', long)]
    pub fail_fast: bool,
    /// Keep the rows of failing tests in tables.
    #[arg(long)]
    pub store_failures: bool,
    /// Read no rows of refs and sources.
    #[arg(long)]
    pub empty: bool,
    /// Rows `show` prints; -1 for all.
    #[arg(long, default_value_t = 5, allow_negative_numbers = true)]
    pub limit: i64,
    /// A statement for `show` and `compile`, in place of nodes.
    #[arg(long, value_name = "SQL")]
    pub inline: Option<String>,
    /// The first moment microbatch models work on.
    #[arg(long, value_name = "TIME")]
    pub event_time_start: Option<String>,
    /// The moment they stop before.
    #[arg(long, value_name = "TIME")]
    pub event_time_end: Option<String>,
    /// Print errors and results alone.
    #[arg(short = 'q', long)]
    pub quiet: bool,
    /// Taken and without effect: rendering and running are one step here.
    #[arg(long, hide = true)]
    pub no_compile: bool,
    /// Taken and without effect: what was parsed is known by its digest.
    #[arg(long, hide = true)]
    pub no_partial_parse: bool,
    /// Taken and without effect, likewise.
    #[arg(long, hide = true)]
    pub partial_parse: bool,
    /// Turn warnings into errors.
    #[arg(long)]
    pub warn_error: bool,
}

/// How `show` and `compile` print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "plain words")]
pub enum Shown {
    #[default]
    Text,
    Json,
}
