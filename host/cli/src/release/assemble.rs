//! Puts a release body together from what was configured, collected and described.
//!
//! In: a [`Config`], files, components, descriptions, the caller's clock. Out: a [`Release`] that
//! makes sense in itself.
//! Never: touches a disk, or asks for more than was described or declared.
//! Fails: with `CD0012`, naming the task.
//! Source: `docs/guides/command-line.md`.

use std::{collections::BTreeSet, time::Duration};

use cofferdam_bundle::statement::{
    Argument, Audience, FileEntry, GatewayPlugin, Job, PluginEntry, Provenance, Release, ReleasedTask,
    Request, Retry, SPEC, SqlMode, TaskLimits,
};
use cofferdam_call::{SqlAsk, TaskDescription};
use cofferdam_ids::{GatewayName, JobName, PluginName, ReleaseSeq, Role, TaskId, Timestamp};

use crate::{
    config::{Config, Loader, Task},
    failure::{Failure, GRAPH, Outcome},
    text,
};

/// The oldest executor that knows today's statements.
const MIN_EXECUTOR: &str = "0.1.0";
/// The settings loaders use are bounded by the guest's interface.
const SETTING_BYTES_MAX: usize = 64 << 10;

/// What a release is put together from.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) seq: ReleaseSeq,
    pub(crate) now: Timestamp,
    pub(crate) files: Vec<FileEntry>,
    pub(crate) plugins: Vec<PluginEntry>,
    pub(crate) described: Vec<(&'a Loader, Vec<TaskDescription>)>,
    pub(crate) provenance: Option<Provenance>,
}

/// The release body, checked.
pub(crate) fn assemble(parts: Parts<'_>) -> Outcome<Release> {
    let config = parts.config;
    let mut tasks = Vec::new();
    for (loader, descriptions) in parts.described {
        for description in descriptions {
            tasks.push(described(config, loader, description)?);
        }
    }
    for task in &config.tasks {
        tasks.push(declared(config, task)?);
    }
    if tasks.is_empty() {
        let fix = "add a [[task]] or a [[loader]] to cofferdam.toml";
        return Err(Failure::new(GRAPH, "the project has no task", fix));
    }
    check_needs(&tasks)?;
    let used: BTreeSet<&GatewayName> = tasks.iter().filter_map(|task| task.gateway.as_ref()).collect();
    let gateways = config
        .gateways
        .iter()
        .filter(|(gateway, _)| used.contains(gateway))
        .map(|(gateway, adapter)| GatewayPlugin {
            gateway: gateway.clone(),
            adapter: adapter.get_ref().clone(),
        })
        .collect::<Vec<_>>();
    let needed: BTreeSet<&PluginName> =
        tasks.iter().map(|task| &task.plugin).chain(gateways.iter().map(|g| &g.adapter)).collect();
    let plugins = parts.plugins.into_iter().filter(|plugin| needed.contains(&plugin.name)).collect();
    let release = Release {
        kind: "release".to_owned(),
        spec: SPEC,
        project: config.project_id(),
        release_seq: parts.seq,
        issued_at: parts.now,
        not_before: parts.now,
        not_after: parts.now.plus(Duration::from_secs(u64::from(config.release.valid_days) * 86_400)),
        min_executor: MIN_EXECUTOR.to_owned(),
        audience: Audience {
            clusters: config.audience.clusters.clone(),
            pools: config.audience.pools.clone(),
        },
        plugins,
        gateways,
        files: parts.files,
        tasks,
        jobs: jobs(config),
        schedule_policy: config.policy.policy(),
        reports: config.release.reports.clone(),
        provenance: parts.provenance,
    };
    release.check().map_err(|invalid| {
        Failure::new(
            GRAPH,
            "the release does not make sense",
            "correct cofferdam.toml or the project's files",
        )
        .because(&invalid)
    })?;
    Ok(release)
}

fn jobs(config: &Config) -> Vec<Job> {
    config
        .jobs
        .iter()
        .map(|job| Job { name: JobName::clone(&job.name), select: job.select.clone() })
        .collect()
}

fn both_roles() -> Vec<Role> {
    vec![Role::Run, Role::Apply]
}

fn described(config: &Config, loader: &Loader, description: TaskDescription) -> Outcome<ReleasedTask> {
    let plugin = loader.plugin.get_ref();
    let bad = |what: &dyn std::error::Error| {
        let id = text::tame(&description.id);
        let fix = "report it to the loader's author";
        Failure::new(GRAPH, format!("the loader `{plugin}` described a task `{id}` that cannot be one"), fix)
            .because(what)
    };
    let id = TaskId::new(&description.id).map_err(|e| bad(&e))?;
    let needs = description.needs.iter().map(TaskId::new).collect::<Result<_, _>>().map_err(|e| bad(&e))?;
    let mut requests = Vec::new();
    for ask in &description.sql {
        requests.push(sql(ask).map_err(|e| bad(&e))?);
    }
    requests.push(files_under(&loader.root));
    requests.push(Request::Telemetry {});
    if description.reads_kept {
        requests.push(Request::Kept {});
    }
    Ok(ReleasedTask {
        id,
        plugin: loader.runs_with.get_ref().clone(),
        entry: description.entry,
        roles: both_roles(),
        needs,
        tags: description.tags,
        gateway: config.gateway(&loader.gateway).cloned(),
        settings: description.settings.into_iter().map(|s| Argument { name: s.name, json: s.json }).collect(),
        params_schema: loader.params.iter().map(crate::config::ParamConfig::parameter).collect(),
        requests,
        limits: limits(config, loader.limits.as_ref()),
        retry: retry(config, loader.retry.as_ref()),
    })
}

#[derive(Debug)]
struct BadAsk(String);

impl std::fmt::Display for BadAsk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadAsk {}

fn sql(ask: &SqlAsk) -> Result<Request, BadAsk> {
    let gateway = GatewayName::new(&ask.gateway).map_err(|e| BadAsk(e.to_string()))?;
    let mode = match ask.mode.as_str() {
        "read" => SqlMode::Read,
        "write" => SqlMode::Write,
        "admin" => SqlMode::Admin,
        other => return Err(BadAsk(format!("`{}` is not a mode: read, write, admin", text::tame(other)))),
    };
    Ok(Request::Sql { gateway, mode, reads: ask.reads.clone(), writes: ask.writes.clone() })
}

/// All files of a loader's folder.
fn files_under(root: &str) -> Request {
    let root = root.trim_matches('/');
    let prefix = if root.is_empty() { String::new() } else { format!("{root}/") };
    Request::Files { prefixes: vec![prefix] }
}

fn declared(config: &Config, task: &Task) -> Outcome<ReleasedTask> {
    let gateway = config.gateway(&task.gateway).cloned();
    let mut requests = Vec::new();
    let asks = !task.reads.is_empty() || !task.writes.is_empty() || task.mode.is_some();
    if let Some(gateway) = gateway.clone().filter(|_| asks) {
        let mode = task.mode.unwrap_or(if task.writes.is_empty() { SqlMode::Read } else { SqlMode::Write });
        requests.push(Request::Sql { gateway, mode, reads: task.reads.clone(), writes: task.writes.clone() });
    }
    let prefixes = task.files.clone().unwrap_or_else(|| vec![String::new()]);
    if !prefixes.is_empty() {
        requests.push(Request::Files { prefixes });
    }
    requests.push(Request::Telemetry {});
    Ok(ReleasedTask {
        id: task.id.get_ref().clone(),
        plugin: task.plugin.get_ref().clone(),
        entry: task.entry.clone(),
        roles: task.roles.clone().unwrap_or_else(both_roles),
        needs: task.needs.iter().map(|need| need.get_ref().clone()).collect(),
        tags: task.tags.clone(),
        gateway,
        settings: settings(task)?,
        params_schema: task.params.iter().map(crate::config::ParamConfig::parameter).collect(),
        requests,
        limits: limits(config, task.limits.as_ref()),
        retry: retry(config, task.retry.as_ref()),
    })
}

fn settings(task: &Task) -> Outcome<Vec<Argument>> {
    let mut settings = Vec::new();
    for (name, value) in &task.settings {
        let json = serde_json::to_string(&json(value)).unwrap_or_default();
        if json.len() > SETTING_BYTES_MAX {
            let what = format!("setting `{name}` of task `{}` is longer than 64 KiB", task.id.get_ref());
            return Err(Failure::new(GRAPH, what, "put it into a file of the project and name the file"));
        }
        settings.push(Argument { name: name.clone(), json });
    }
    Ok(settings)
}

fn limits(config: &Config, own: Option<&crate::config::LimitsConfig>) -> TaskLimits {
    let project = config.limits.over(TaskLimits::default());
    own.map_or(project, |own| own.over(project))
}

fn retry(config: &Config, own: Option<&crate::config::RetryConfig>) -> Retry {
    let project = config.retry.over(Retry::default());
    own.map_or(project, |own| own.over(project))
}

/// A task that needs one that is not there, with the nearest that is.
fn check_needs(tasks: &[ReleasedTask]) -> Outcome<()> {
    let ids: BTreeSet<&str> = tasks.iter().map(|task| task.id.as_str()).collect();
    for task in tasks {
        if let Some(need) = task.needs.iter().find(|need| !ids.contains(need.as_str())) {
            let fix = match text::nearest(need.as_str(), ids.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "correct `needs`, or declare that task".to_owned(),
            };
            let what = format!("task `{}` needs `{need}`, which is not in the project", task.id);
            return Err(Failure::new(GRAPH, what, fix));
        }
    }
    Ok(())
}

/// A TOML value as JSON; a date or time becomes its text.
pub(crate) fn json(value: &toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.clone().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(yes) => (*yes).into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.iter().map(json).collect(),
        toml::Value::Table(entries) => entries.iter().map(|(k, v)| (k.clone(), json(v))).collect(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use cofferdam_ids::Sha256Digest;

    use super::*;

    pub(crate) const TOML: &str = r#"
[project]
name = "flights"
gateway = "wh"
[plugins]
task-sql = "task-sql"
adapter-sqlite = "adapter-sqlite"
unused = "unused"
[gateways]
wh = "adapter-sqlite"
[limits]
wall_ms = 1000
[[task]]
id = "report.delays"
plugin = "task-sql"
settings = { statement = "delays.sql", since = 2013-01-01 }
reads = ["marts.*"]
[[task]]
id = "report.copy"
plugin = "task-sql"
needs = ["report.delays"]
writes = ["marts.copy"]
limits = { mem_bytes = 1048576 }
params = [{ name = "day", type = "date" }]
[[job]]
name = "nightly"
select = ["*"]
"#;

    fn plugin(name: &str, world: &str) -> PluginEntry {
        PluginEntry {
            name: PluginName::new(name).unwrap(),
            sha256: Sha256Digest::of(name.as_bytes()),
            size: 1000,
            world: format!("cofferdam:worlds/{world}@0.1.0"),
            imports: Vec::new(),
        }
    }

    pub(crate) fn release(toml: &str) -> Outcome<Release> {
        let config = crate::config::parse("cofferdam.toml", toml).unwrap();
        assemble(Parts {
            config: &config,
            seq: ReleaseSeq(7),
            now: Timestamp::from_millis(1_790_000_000_000),
            files: vec![FileEntry { path: "delays.sql".into(), sha256: Sha256Digest::of(b"x"), size: 1 }],
            plugins: vec![
                plugin("adapter-sqlite", "adapter"),
                plugin("task-sql", "task"),
                plugin("unused", "task"),
            ],
            described: Vec::new(),
            provenance: None,
        })
    }

    #[test]
    fn declared_tasks_ask_for_what_they_declare_and_no_more() {
        let release = release(TOML).unwrap();
        assert_eq!(release.plugins.len(), 2, "an unused plugin is left out");
        let [first, second] = &release.tasks[..] else { panic!("{:?}", release.tasks) };
        assert!(
            matches!(&first.requests[0], Request::Sql { mode: SqlMode::Read, writes, .. } if writes.is_empty())
        );
        assert!(
            matches!(&second.requests[0], Request::Sql { mode: SqlMode::Write, reads, .. } if reads.is_empty())
        );
        assert_eq!((second.limits.wall_ms, second.limits.mem_bytes), (1000, 1 << 20));
        assert_eq!(first.settings[0].json, "\"2013-01-01\"");
    }

    #[test]
    fn a_need_that_is_not_there_names_the_nearest_task() {
        let error =
            release(&TOML.replace("needs = [\"report.delays\"]", "needs = [\"report.delay\"]")).unwrap_err();
        insta::assert_snapshot!(error.render(), @r"
        error[CD0012]: task `report.copy` needs `report.delay`, which is not in the project
          fix: did you mean `report.delays`?
        ");
    }

    #[test]
    fn a_circle_is_refused() {
        let toml = TOML.replace("settings =", "needs = [\"report.copy\"]\nsettings =");
        assert!(
            release(&toml)
                .unwrap_err()
                .render()
                .starts_with("error[CD0012]: the release does not make sense")
        );
    }
}
