//! Whether a release makes sense in itself. Asked when it is built and again when it is verified.

use std::collections::{HashMap, HashSet};

use crate::{
    limits::{
        ATTEMPTS_MAX, FILE_BYTES_MAX, FILES_MAX, GATEWAYS_MAX, JOBS_MAX, LIST_MAX, LOG_BYTES_MAX,
        MEM_BYTES_MAX, PARAMS_MAX, PATH_BYTES_MAX, PLUGIN_BYTES_MAX, PLUGINS_MAX, SETTING_BYTES_MAX,
        TASKS_MAX, WALL_MS_MAX, WINDOWS_MAX,
    },
    params::check_schema,
    statement::{Release, ReleasedTask, Request},
    version::{Version, Window},
};

/// What is wrong with a release: the first thing found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ReleaseInvalid {
    /// Where, e.g. `task model.shop.orders`.
    pub place: String,
    /// What.
    pub problem: String,
}

impl Release {
    /// Checks that it makes sense in itself: paths, unique names, references, no circle among
    /// needs, and every number within its limit.
    pub fn check(&self) -> Result<(), ReleaseInvalid> {
        check_head(self)?;
        check_plugins(self)?;
        check_files(self)?;
        check_tasks(self)?;
        check_circles(self)?;
        check_jobs(self)
    }
}

/// A name from outside, cut for a message.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

type Check = Result<(), ReleaseInvalid>;

fn fail<T>(place: impl Into<String>, problem: impl Into<String>) -> Result<T, ReleaseInvalid> {
    Err(ReleaseInvalid { place: place.into(), problem: problem.into() })
}

fn at_most(count: usize, most: usize, place: &str) -> Check {
    if count > most {
        return fail(place, format!("{count} are more than the {most} allowed"));
    }
    Ok(())
}

fn unique<'a, T: std::hash::Hash + Eq + std::fmt::Display + ?Sized + 'a>(
    items: impl IntoIterator<Item = &'a T>,
    place: &str,
) -> Check {
    let mut seen = HashSet::new();
    for item in items {
        if !seen.insert(item) {
            return fail(place, format!("`{}` stands there twice", short(&item.to_string())));
        }
    }
    Ok(())
}

fn check_head(release: &Release) -> Check {
    if release.not_before >= release.not_after {
        return fail("time window", "it ends before it starts");
    }
    if Version::parse(&release.min_executor).is_none() {
        return fail("min_executor", "it is not `major.minor.patch`");
    }
    if release.audience.clusters.is_empty() || release.audience.pools.is_empty() {
        return fail("audience", "it names no cluster or no pool");
    }
    at_most(release.audience.clusters.len(), LIST_MAX, "audience.clusters")?;
    at_most(release.audience.pools.len(), LIST_MAX, "audience.pools")?;
    let policy = &release.schedule_policy;
    at_most(policy.windows.len(), WINDOWS_MAX, "schedule_policy.windows")?;
    if let Some(window) = policy.windows.iter().find(|w| Window::parse(w).is_none()) {
        return fail("schedule_policy.windows", format!("`{}` is not like `00:00-06:00`", short(window)));
    }
    if !(1..=ATTEMPTS_MAX).contains(&policy.max_attempts) {
        return fail("schedule_policy.max_attempts", format!("it is not within 1 to {ATTEMPTS_MAX}"));
    }
    let reports: HashSet<_> = release.reports.iter().collect();
    if reports.len() != release.reports.len() {
        return fail("reports", "a field stands there twice");
    }
    Ok(())
}

fn check_plugins(release: &Release) -> Check {
    at_most(release.plugins.len(), PLUGINS_MAX, "plugins")?;
    unique(release.plugins.iter().map(|p| &p.name), "plugins")?;
    for plugin in &release.plugins {
        let place = || format!("plugin {}", plugin.name);
        if !(1..=PLUGIN_BYTES_MAX).contains(&plugin.size) {
            return fail(place(), format!("its size is not within 1 to {PLUGIN_BYTES_MAX} bytes"));
        }
        at_most(plugin.imports.len(), LIST_MAX, "imports")?;
        if !plugin.imports.is_sorted_by(|a, b| a < b) {
            return fail(place(), "its imports are not sorted, or one stands there twice");
        }
        if world(&plugin.world).is_none() {
            return fail(place(), format!("`{}` is not a world of cofferdam:worlds", short(&plugin.world)));
        }
    }
    at_most(release.gateways.len(), GATEWAYS_MAX, "gateways")?;
    unique(release.gateways.iter().map(|g| &g.gateway), "gateways")?;
    for gateway in &release.gateways {
        let adapter = release.plugins.iter().find(|p| p.name == gateway.adapter);
        match adapter.and_then(|p| world(&p.world)) {
            Some("adapter") => {}
            Some(_) => {
                return fail(format!("gateway {}", gateway.gateway), "its plugin is not an adapter");
            }
            None => {
                return fail(format!("gateway {}", gateway.gateway), "its adapter is not among the plugins");
            }
        }
    }
    Ok(())
}

/// The world's bare name, where it is one of ours.
fn world(text: &str) -> Option<&str> {
    let name = text.strip_prefix("cofferdam:worlds/")?.split('@').next()?;
    ["adapter", "task", "project"].contains(&name).then_some(name)
}

fn check_files(release: &Release) -> Check {
    at_most(release.files.len(), FILES_MAX, "files")?;
    unique(release.files.iter().map(|f| &f.path), "files")?;
    for file in &release.files {
        check_path(&file.path)?;
        if file.size > FILE_BYTES_MAX {
            return fail(format!("file {}", file.path), format!("it is longer than {FILE_BYTES_MAX} bytes"));
        }
    }
    Ok(())
}

fn check_path(path: &str) -> Check {
    let place = || format!("file {}", short(path));
    if path.is_empty() || path.len() > PATH_BYTES_MAX {
        return fail(place(), format!("a path is 1 to {PATH_BYTES_MAX} bytes long"));
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return fail(place(), "a path has no backslash and no control character");
    }
    if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return fail(place(), "a path is relative and has no empty, `.` or `..` part");
    }
    Ok(())
}

fn check_tasks(release: &Release) -> Check {
    at_most(release.tasks.len(), TASKS_MAX, "tasks")?;
    unique(release.tasks.iter().map(|t| &t.id), "tasks")?;
    let runnable: HashSet<_> =
        release.plugins.iter().filter(|p| world(&p.world) == Some("task")).map(|p| &p.name).collect();
    let gateways: HashSet<_> = release.gateways.iter().map(|g| &g.gateway).collect();
    for task in &release.tasks {
        let place = || format!("task {}", task.id);
        if !runnable.contains(&task.plugin) {
            return fail(place(), format!("`{}` is not a task plugin of the release", task.plugin));
        }
        if let Some(gateway) = task.gateway.as_ref().filter(|g| !gateways.contains(g)) {
            return fail(place(), format!("gateway `{gateway}` is not in the release"));
        }
        for request in &task.requests {
            match request {
                Request::Sql { gateway, .. } if !gateways.contains(gateway) => {
                    return fail(place(), format!("gateway `{gateway}` is not in the release"));
                }
                Request::Sql { reads, writes, .. } => {
                    if let Some(bad) = reads.iter().chain(writes).find(|p| !is_relation_pattern(p)) {
                        return fail(place(), format!("`{}` is not `schema.name` or `schema.*`", short(bad)));
                    }
                    at_most(reads.len() + writes.len(), LIST_MAX, "requests")?;
                }
                Request::Files { prefixes } => at_most(prefixes.len(), LIST_MAX, "requests")?,
                Request::Telemetry {} | Request::Kept {} => {}
            }
        }
        check_task_numbers(task)?;
    }
    Ok(())
}

/// `schema.name` or `schema.*`: two parts without blanks or quotes, either possibly ending in `*`.
fn is_relation_pattern(text: &str) -> bool {
    let part = |p: &str| {
        let start = p.strip_suffix('*').unwrap_or(p);
        let foreign = |c: char| c.is_control() || c.is_whitespace() || "\"'`;*?[].".contains(c);
        !p.is_empty() && p.len() <= 255 && !start.chars().any(foreign)
    };
    text.split_once('.').is_some_and(|(schema, name)| part(schema) && part(name))
}

fn check_task_numbers(task: &ReleasedTask) -> Check {
    let place = || format!("task {}", task.id);
    if task.roles.is_empty() {
        return fail(place(), "it names no role");
    }
    if task.entry.is_empty() || task.entry.len() > 64 {
        return fail(place(), "its entry is not 1 to 64 bytes long");
    }
    for (count, what) in [
        (task.needs.len(), "needs"),
        (task.tags.len(), "tags"),
        (task.settings.len(), "settings"),
        (task.requests.len(), "requests"),
    ] {
        at_most(count, LIST_MAX, &format!("task {}, {what}", task.id))?;
    }
    at_most(task.params_schema.len(), PARAMS_MAX, &place())?;
    unique(task.settings.iter().map(|s| &s.name), &format!("task {}, settings", task.id))?;
    unique(task.params_schema.iter().map(|p| &p.name), &format!("task {}, params_schema", task.id))?;
    for setting in &task.settings {
        let json = serde_json::from_str::<serde::de::IgnoredAny>(&setting.json).is_ok();
        if !json || setting.json.len() > SETTING_BYTES_MAX {
            return fail(place(), format!("setting `{}` is not JSON of at most 1 MiB", short(&setting.name)));
        }
    }
    for schema in &task.params_schema {
        if let Err(why) = check_schema(schema) {
            return fail(place(), format!("parameter `{}`: {why}", short(&schema.name)));
        }
    }
    let limits = task.limits;
    for (value, most, what) in [
        (limits.wall_ms, WALL_MS_MAX, "limits.wall_ms"),
        (limits.mem_bytes, MEM_BYTES_MAX, "limits.mem_bytes"),
        (limits.log_bytes, LOG_BYTES_MAX, "limits.log_bytes"),
    ] {
        if value > most || (value == 0 && what != "limits.log_bytes") {
            return fail(place(), format!("{what} is {value}; at most {most} is allowed"));
        }
    }
    let retry = task.retry;
    if !(1..=ATTEMPTS_MAX).contains(&retry.attempts) || retry.backoff_min_s > retry.backoff_max_s {
        return fail(place(), format!("retry: 1 to {ATTEMPTS_MAX} attempts, and a backoff that only rises"));
    }
    Ok(())
}

/// Every need exists, and following needs never comes back (Kahn's algorithm).
fn check_circles(release: &Release) -> Check {
    let index: HashMap<_, _> = release.tasks.iter().enumerate().map(|(i, t)| (&t.id, i)).collect();
    let mut waits = vec![0_usize; release.tasks.len()];
    let mut needed_by = vec![Vec::new(); release.tasks.len()];
    for (i, task) in release.tasks.iter().enumerate() {
        unique(&task.needs, &format!("task {}, needs", task.id))?;
        for need in &task.needs {
            match index.get(need) {
                Some(&j) => {
                    needed_by[j].push(i);
                    waits[i] += 1;
                }
                None => {
                    return fail(
                        format!("task {}", task.id),
                        format!("it needs `{need}`, which does not exist"),
                    );
                }
            }
        }
    }
    let mut ready: Vec<usize> = (0..waits.len()).filter(|&i| waits[i] == 0).collect();
    let mut done = 0;
    while let Some(i) = ready.pop() {
        done += 1;
        for &j in &needed_by[i] {
            waits[j] -= 1;
            if waits[j] == 0 {
                ready.push(j);
            }
        }
    }
    if done < waits.len() {
        let stuck = waits.iter().position(|&w| w > 0).map_or("", |i| release.tasks[i].id.as_str());
        return fail(format!("task {stuck}"), "its needs lead back to itself");
    }
    Ok(())
}

fn check_jobs(release: &Release) -> Check {
    at_most(release.jobs.len(), JOBS_MAX, "jobs")?;
    unique(release.jobs.iter().map(|j| &j.name), "jobs")?;
    for job in &release.jobs {
        let place = format!("job {}", job.name);
        at_most(job.select.len(), LIST_MAX, &place)?;
        if job.select.is_empty() || job.select.iter().any(|s| s.is_empty() || s.len() > 256) {
            return fail(place, "it selects with 1 or more selectors of 1 to 256 bytes");
        }
    }
    Ok(())
}
