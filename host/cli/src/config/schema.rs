//! The shape of `cofferdam.toml`. Closed: a key that is not here is an error.
//!
//! In: TOML. Out: typed values, with the places they were written at.
//! Never: reads another file. Fails: through serde, and [`Config::check`].
//! Source: `docs/guides/command-line.md`.

use std::{collections::BTreeMap, ops::Range};

use cofferdam_bundle::statement::{Parameter, ReportField, Retry, SchedulePolicy, SqlMode, TaskLimits};
use cofferdam_ids::{ClusterName, GatewayName, JobName, PluginName, PoolName, ProjectId, Role, TaskId};
use serde::Deserialize;
use toml::Spanned;

use crate::text;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the project is called.
    pub project: Project,
    /// Plugins: name → path of the `.wasm`, or a bare name to look up.
    #[serde(default)]
    pub plugins: BTreeMap<PluginName, String>,
    /// Gateways: name → adapter plugin.
    #[serde(default)]
    pub gateways: BTreeMap<GatewayName, Spanned<PluginName>>,
    /// Folders of the project that a loader turns into tasks.
    #[serde(default, rename = "loader")]
    pub loaders: Vec<Loader>,
    /// Tasks declared by hand.
    #[serde(default, rename = "task")]
    pub tasks: Vec<Task>,
    /// Named selections of tasks.
    #[serde(default, rename = "job")]
    pub jobs: Vec<JobConfig>,
    /// How often it may run; the executor holds it.
    #[serde(default)]
    pub policy: PolicyConfig,
    /// Where it may run.
    #[serde(default)]
    pub audience: AudienceConfig,
    /// What a task may use unless it says otherwise.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// How often a task is tried unless it says otherwise.
    #[serde(default)]
    pub retry: RetryConfig,
    /// What goes into a release beside the tasks.
    #[serde(default)]
    pub release: ReleaseConfig,
}

/// `[project]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Its name; the project's id is `prj_` and this.
    pub name: Spanned<String>,
    /// The gateway of everything that names none.
    pub gateway: Option<Spanned<GatewayName>>,
}

/// `[[loader]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loader {
    /// The plugin that describes the folder.
    pub plugin: Spanned<PluginName>,
    /// The task plugin that runs what it describes.
    pub runs_with: Spanned<PluginName>,
    /// The folder inside the project; empty for all of it.
    #[serde(default)]
    pub root: String,
    /// The gateway its tasks work on.
    pub gateway: Option<Spanned<GatewayName>>,
    /// Variables handed to `describe`.
    #[serde(default)]
    pub vars: toml::Table,
    /// What the loader is told, signed with the release's author's will.
    #[serde(default)]
    pub settings: toml::Table,
    /// Parameters a run may set for its tasks.
    #[serde(default)]
    pub params: Vec<ParamConfig>,
    /// What its tasks may use.
    pub limits: Option<LimitsConfig>,
    /// How often its tasks are tried.
    pub retry: Option<RetryConfig>,
}

/// `[[task]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its id.
    pub id: Spanned<TaskId>,
    /// The task plugin that runs it.
    pub plugin: Spanned<PluginName>,
    /// What that plugin is to do.
    #[serde(default = "run")]
    pub entry: String,
    /// Tasks that must have succeeded before.
    #[serde(default)]
    pub needs: Vec<Spanned<TaskId>>,
    /// The gateway it works on.
    pub gateway: Option<Spanned<GatewayName>>,
    /// Settings handed to the guest.
    #[serde(default)]
    pub settings: toml::Table,
    /// Relations it reads: `schema.name` or `schema.*`.
    #[serde(default)]
    pub reads: Vec<String>,
    /// Relations it writes, likewise.
    #[serde(default)]
    pub writes: Vec<String>,
    /// `read`, `write` or `admin`; `write` where it writes, `read` otherwise.
    pub mode: Option<SqlMode>,
    /// Starts of the paths of files it reads; the whole release unless given.
    pub files: Option<Vec<String>>,
    /// Parameters a run may set.
    #[serde(default)]
    pub params: Vec<ParamConfig>,
    /// Labels for selection.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Roles of executors that may run it; both unless given.
    pub roles: Option<Vec<Role>>,
    /// What it may use.
    pub limits: Option<LimitsConfig>,
    /// How often it is tried.
    pub retry: Option<RetryConfig>,
}

fn run() -> String {
    "run".to_owned()
}

/// A parameter, as a release has it; a run sets it unless said otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamConfig {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: cofferdam_bundle::statement::ParameterType,
    /// Lower bound: a number, a day, or a length.
    pub min: Option<String>,
    /// Upper bound, likewise.
    pub max: Option<String>,
    /// The only values allowed.
    #[serde(default)]
    pub one_of: Vec<String>,
    /// Whether a run must set it.
    #[serde(default)]
    pub required: bool,
}

impl ParamConfig {
    /// As the release says it.
    pub fn parameter(&self) -> Parameter {
        Parameter {
            name: self.name.clone(),
            kind: self.kind,
            source: cofferdam_bundle::statement::ParameterSource::Dispatch,
            min: self.min.clone(),
            max: self.max.clone(),
            one_of: self.one_of.clone(),
            required: self.required,
        }
    }
}

/// `[[job]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobConfig {
    /// Its name.
    pub name: JobName,
    /// Selectors.
    pub select: Vec<String>,
}

/// `[policy]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// Seconds between the first attempts of one task in two runs.
    pub min_interval_s: u64,
    /// Attempts of one task in one run.
    pub max_attempts: u32,
    /// Times of day in UTC in which tasks may start.
    pub windows: Vec<String>,
    /// Whether runs by hand are allowed.
    pub manual: bool,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self { min_interval_s: 0, max_attempts: 5, windows: Vec::new(), manual: true }
    }
}

impl PolicyConfig {
    /// As the release says it.
    pub fn policy(&self) -> SchedulePolicy {
        SchedulePolicy {
            min_interval_s: self.min_interval_s,
            max_attempts: self.max_attempts,
            windows: self.windows.clone(),
            manual: self.manual,
        }
    }
}

/// `[audience]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AudienceConfig {
    /// Clusters.
    pub clusters: Vec<ClusterName>,
    /// Pools.
    pub pools: Vec<PoolName>,
}

impl Default for AudienceConfig {
    fn default() -> Self {
        let clusters = ClusterName::new("main").into_iter().collect();
        Self { clusters, pools: PoolName::new("default").into_iter().collect() }
    }
}

/// `[limits]`: what is not given comes from the level above.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Milliseconds on the wall clock.
    pub wall_ms: Option<u64>,
    /// Bytes of guest memory.
    pub mem_bytes: Option<u64>,
    /// Bytes of log.
    pub log_bytes: Option<u64>,
}

impl LimitsConfig {
    /// These over those.
    pub fn over(&self, below: TaskLimits) -> TaskLimits {
        TaskLimits {
            wall_ms: self.wall_ms.unwrap_or(below.wall_ms),
            mem_bytes: self.mem_bytes.unwrap_or(below.mem_bytes),
            log_bytes: self.log_bytes.unwrap_or(below.log_bytes),
        }
    }
}

/// `[retry]`, likewise.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryConfig {
    /// Attempts in all.
    pub attempts: Option<u32>,
    /// Seconds before the second attempt.
    pub backoff_min_s: Option<u32>,
    /// Most seconds between attempts.
    pub backoff_max_s: Option<u32>,
}

impl RetryConfig {
    /// These over those.
    pub fn over(&self, below: Retry) -> Retry {
        Retry {
            attempts: self.attempts.unwrap_or(below.attempts),
            backoff_min_s: self.backoff_min_s.unwrap_or(below.backoff_min_s),
            backoff_max_s: self.backoff_max_s.unwrap_or(below.backoff_max_s),
        }
    }
}

/// `[release]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseConfig {
    /// Days a release may be run after it was built.
    pub valid_days: u32,
    /// Result fields the scheduler may receive.
    pub reports: Vec<ReportField>,
    /// Paths that are no part of a release: names, or globs with `*`.
    pub exclude: Vec<String>,
}

impl Default for ReleaseConfig {
    fn default() -> Self {
        let reports = vec![ReportField::DurationS, ReportField::RowsAffected];
        Self { valid_days: 90, reports, exclude: Vec::new() }
    }
}

/// What [`Config::check`] found, and where.
pub(crate) struct Wrong {
    pub(crate) span: Option<Range<usize>>,
    pub(crate) what: String,
    pub(crate) fix: String,
}

impl Config {
    /// The project's id.
    #[allow(clippy::missing_panics_doc, reason = "checked when it was read")]
    pub fn project_id(&self) -> ProjectId {
        ProjectId::new(format!("prj_{}", self.project.name.get_ref())).expect("checked when it was read")
    }

    /// The gateway something works on: its own, or the project's.
    pub fn gateway<'a>(&'a self, own: &'a Option<Spanned<GatewayName>>) -> Option<&'a GatewayName> {
        own.as_ref().or(self.project.gateway.as_ref()).map(Spanned::get_ref)
    }

    /// That gateway and the adapter plugin that speaks to it.
    pub fn gateway_adapter<'a>(
        &'a self,
        own: &'a Option<Spanned<GatewayName>>,
    ) -> Option<(&'a GatewayName, &'a PluginName)> {
        let gateway = self.gateway(own)?;
        self.gateways.get(gateway).map(|adapter| (gateway, adapter.get_ref()))
    }

    /// Whether the names in it fit together.
    pub(crate) fn check(&self) -> Result<(), Wrong> {
        let name = &self.project.name;
        if let Err(error) = ProjectId::new(format!("prj_{}", name.get_ref())) {
            let what = format!("`{}` cannot be a project's name", text::tame(name.get_ref()));
            return Err(Wrong {
                span: Some(name.span()),
                what,
                fix: format!("use {}", after_prefix(error.allowed)),
            });
        }
        self.check_gateway(self.project.gateway.as_ref())?;
        for adapter in self.gateways.values() {
            self.check_plugin(adapter)?;
        }
        for loader in &self.loaders {
            self.check_plugin(&loader.plugin)?;
            self.check_plugin(&loader.runs_with)?;
            self.check_gateway(loader.gateway.as_ref())?;
            if self.gateway(&loader.gateway).is_none() {
                return Err(no_gateway(loader.plugin.span(), "this loader's tasks"));
            }
        }
        for task in &self.tasks {
            self.check_plugin(&task.plugin)?;
            self.check_gateway(task.gateway.as_ref())?;
            let asks = !task.reads.is_empty() || !task.writes.is_empty() || task.mode.is_some();
            if asks && self.gateway(&task.gateway).is_none() {
                return Err(no_gateway(task.id.span(), &format!("`{}`", task.id.get_ref())));
            }
        }
        Ok(())
    }

    fn check_plugin(&self, name: &Spanned<PluginName>) -> Result<(), Wrong> {
        if self.plugins.contains_key(name.get_ref()) {
            return Ok(());
        }
        let known = self.plugins.keys().map(PluginName::as_str);
        let fix = match text::nearest(name.get_ref().as_str(), known) {
            Some(near) => format!("did you mean `{near}`? Otherwise add it to [plugins]"),
            None => "add it to [plugins] with the path of its .wasm".to_owned(),
        };
        Err(Wrong { span: Some(name.span()), what: format!("no plugin is called `{}`", name.get_ref()), fix })
    }

    fn check_gateway(&self, name: Option<&Spanned<GatewayName>>) -> Result<(), Wrong> {
        let Some(name) = name.filter(|name| !self.gateways.contains_key(name.get_ref())) else {
            return Ok(());
        };
        let known = self.gateways.keys().map(GatewayName::as_str);
        let fix = match text::nearest(name.get_ref().as_str(), known) {
            Some(near) => format!("did you mean `{near}`? Otherwise add it to [gateways]"),
            None => "add it to [gateways] with the adapter that speaks to it".to_owned(),
        };
        Err(Wrong {
            span: Some(name.span()),
            what: format!("no gateway is called `{}`", name.get_ref()),
            fix,
        })
    }
}

/// The rule without the `prj_` that people do not write here.
fn after_prefix(allowed: &str) -> &str {
    allowed.split_once(" and then ").map_or(allowed, |(_, rest)| rest)
}

fn no_gateway(span: Range<usize>, who: &str) -> Wrong {
    Wrong {
        span: Some(span),
        what: format!("nothing says which gateway {who} works on"),
        fix: "add `gateway = \"…\"` here or under [project]".to_owned(),
    }
}
