//! Runs: started, watched, cancelled.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
};
use cofferdam_bundle::{
    PARAM_BYTES_MAX, PARAMS_MAX,
    statement::{Argument, Release, RunReason},
};
use cofferdam_ids::{EnvironmentName, ProjectId, Role, RunId, Timestamp};
use cofferdam_protocol::{
    api::{RunState, RunView, Runs, StartRun, WAIT_MS_MAX},
    queue::RunPlan,
    select::select,
};
use serde::Deserialize;
use tokio::time::{Instant, timeout, timeout_at};

use super::{App, body_json, caller::APerson};
use crate::{
    Problem,
    limits::{IDEMPOTENCY_KEY_BYTES_MAX, WATCH_PAUSE, WATCH_PAUSE_MAX},
    store::{Command, RunMeta, Start, load_release, read},
};

/// `POST /v1/runs`.
pub(super) async fn start(
    State(app): State<App>,
    APerson(caller): APerson,
    body: Body,
) -> Result<Json<RunView>, Problem> {
    let asked: StartRun = body_json(body).await?;
    let too_long = |key: &String| key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX;
    if asked.idempotency_key.as_ref().is_some_and(too_long) {
        return Err(Problem::too_large("the idempotency key", IDEMPOTENCY_KEY_BYTES_MAX));
    }
    let project = project(&app, asked.project.clone()).await?;
    let release_sha256 = match asked.release {
        Some(sha256) => sha256,
        None => read::newest(&app.store.readers, &project)
            .await?
            .ok_or_else(|| Problem::not_found(format_args!("release of `{project}`")))?,
    };
    let mut db = app.store.readers.acquire().await?;
    let release = load_release(&mut db, &app.store.releases, &release_sha256).await?;
    drop(db);
    let release = release.filter(|r| r.project == project).ok_or_else(|| {
        Problem::not_found(format_args!("release {} of `{project}`", release_sha256.short()))
    })?;
    let role = asked.role.unwrap_or(Role::Run);
    let places = chosen(&release, role, &asked)?;
    check_params(&release, &places, &asked.params)?;
    let run = RunId::new(format!("run_{}", uuid::Uuid::now_v7())).map_err(Problem::internal)?;
    let plan = RunPlan::of_release(run.clone(), &release, role, &places);
    let environment = match asked.environment {
        Some(name) => name,
        None => EnvironmentName::new("prod").map_err(Problem::internal)?,
    };
    let meta = RunMeta {
        run,
        project,
        release_seq: release.release_seq,
        release,
        release_sha256,
        places,
        job: asked.job,
        environment,
        role,
        params: asked.params,
        reason: RunReason::Manual,
        requested_by: format!("claimed:{}", caller.name),
        started_at: Timestamp::from_millis(0),
    };
    let start = Start { meta, plan, client: caller.client, idempotency_key: asked.idempotency_key };
    let start = Box::new(start);
    let run = app.store.writer.ask(|reply| Command::Start { start, reply }).await?;
    view(&app, &run, None).await
}

/// `GET /v1/runs`.
pub(super) async fn list(State(app): State<App>, APerson(_): APerson) -> Result<Json<Runs>, Problem> {
    Ok(Json(Runs { runs: read::runs(&app.store.readers).await? }))
}

/// What a watch asks.
#[derive(Deserialize)]
pub(super) struct Watch {
    after: Option<u64>,
    wait_ms: Option<u32>,
    #[serde(default)]
    changes: bool,
}

/// `GET /v1/runs/{id}?after=N&wait_ms=M&changes=true`. With `changes` the answer holds the tasks that
/// changed after that version, without it all of them.
pub(super) async fn watch(
    State(app): State<App>,
    APerson(_): APerson,
    Path(run): Path<String>,
    Query(watch): Query<Watch>,
) -> Result<Json<RunView>, Problem> {
    let run = RunId::new(run).map_err(Problem::bad_request)?;
    let mut changed = app.store.signals.runs.subscribe();
    let mut ended = app.store.signals.ends.subscribe();
    let mut stopping = app.stopping.clone();
    let wait = Duration::from_millis(u64::from(watch.wait_ms.unwrap_or(0).min(WAIT_MS_MAX)));
    let deadline = Instant::now() + wait;
    if let Some(after) = watch.after {
        loop {
            changed.mark_unchanged();
            ended.mark_unchanged();
            let tasks = match read::version(&app.store.readers, &run).await? {
                Some((version, tasks)) if version <= after => tasks,
                _ => break,
            };
            let news = async {
                tokio::select! {
                    news = changed.changed() => news.is_ok(),
                    _ = stopping.wait_for(|stop| *stop) => false,
                }
            };
            match timeout_at(deadline, news).await {
                // Changes that come in bursts are answered together; an end is told at once.
                Ok(true) => drop(timeout(watch_pause(tasks), ended.changed()).await),
                _ => break,
            }
        }
    }
    view(&app, &run, watch.after.filter(|_| watch.changes)).await
}

/// A look costs as much as giving out a task, and more where a run is large: then it is looked at less often.
fn watch_pause(tasks: u64) -> Duration {
    (WATCH_PAUSE + Duration::from_micros(tasks.saturating_mul(20))).min(WATCH_PAUSE_MAX)
}

/// `POST /v1/runs/{id}/cancel`.
pub(super) async fn cancel(
    State(app): State<App>,
    APerson(_): APerson,
    Path(run): Path<String>,
) -> Result<Json<RunView>, Problem> {
    let run = RunId::new(run).map_err(Problem::bad_request)?;
    let known = view(&app, &run, None).await?;
    if known.state == RunState::Running {
        let run = run.clone();
        app.store.writer.ask(|reply| Command::Cancel { run, reply }).await?;
    }
    view(&app, &run, None).await
}

async fn view(app: &App, run: &RunId, after: Option<u64>) -> Result<Json<RunView>, Problem> {
    let view = read::run(&app.store.readers, run, after).await?;
    view.map(Json).ok_or_else(|| Problem::not_found(format_args!("run `{run}`")))
}

async fn project(app: &App, named: Option<ProjectId>) -> Result<ProjectId, Problem> {
    if let Some(project) = named {
        return Ok(project);
    }
    let mut projects = read::projects(&app.store.readers).await?;
    match (projects.pop(), projects.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(Problem::which_project("the scheduler knows no project yet")),
        _ => Err(Problem::which_project("the scheduler knows several projects, and the call names none")),
    }
}

fn chosen(release: &Release, role: Role, asked: &StartRun) -> Result<Vec<usize>, Problem> {
    let selectors = match &asked.job {
        Some(_) if !asked.select.is_empty() => {
            return Err(Problem::bad_request("it names both a job and selectors"));
        }
        Some(name) => {
            let job = release.jobs.iter().find(|job| job.name == *name);
            &job.ok_or_else(|| Problem::not_found(format_args!("job `{name}`")))?.select
        }
        None => &asked.select,
    };
    let places = select(release, role, selectors)?;
    if places.is_empty() {
        let why = format!("the release has no task that may run in role `{role}`");
        return Err(Problem::parameters(why));
    }
    Ok(places)
}

/// Every parameter is one of a chosen task, is given once and is JSON; none that is required is left
/// out. Types and bounds are for the executor to check.
fn check_params(release: &Release, places: &[usize], params: &[Argument]) -> Result<(), Problem> {
    if params.len() > PARAMS_MAX {
        return Err(Problem::too_large("the number of parameters", PARAMS_MAX));
    }
    let schemas = || places.iter().flat_map(|i| &release.tasks[*i].params_schema);
    for (i, param) in params.iter().enumerate() {
        let name: String = param.name.chars().take(80).collect();
        if param.json.len() > PARAM_BYTES_MAX {
            return Err(Problem::too_large(&format!("parameter `{name}`"), PARAM_BYTES_MAX));
        }
        if params[..i].iter().any(|p| p.name == param.name) {
            return Err(Problem::parameters(format!("parameter `{name}` is given twice")));
        }
        if !schemas().any(|schema| schema.name == param.name) {
            return Err(Problem::parameters(format!("no task of the run takes a parameter `{name}`")));
        }
        if serde_json::from_str::<serde::de::IgnoredAny>(&param.json).is_err() {
            return Err(Problem::parameters(format!("the value of parameter `{name}` is not JSON")));
        }
    }
    let is_given = |name: &str| params.iter().any(|p| p.name == name);
    match schemas().find(|schema| schema.required && !is_given(&schema.name)) {
        Some(schema) => Err(Problem::parameters(format!("parameter `{}` is required", schema.name))),
        None => Ok(()),
    }
}
