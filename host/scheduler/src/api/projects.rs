//! Projects and their releases.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::header,
    response::IntoResponse,
};
use cofferdam_bundle::{
    Refused, open, pin_root,
    statement::{Release, StatementKind},
    unverified_body_sha256,
};
use cofferdam_ids::{ProjectId, Sha256Digest, Timestamp};
use cofferdam_protocol::api::{ProjectView, ReleaseView, Releases};
use serde::Deserialize;

use super::{
    App, body_bytes,
    caller::{APerson, Anyone},
    compute,
};
use crate::{
    Problem,
    store::{Command, read},
};

/// `POST /v1/projects`: the first root of a project is pinned; it must let this scheduler dispatch.
pub(super) async fn push_project(
    State(app): State<App>,
    APerson(_): APerson,
    body: Body,
) -> Result<Json<ProjectView>, Problem> {
    let envelope = body_bytes(body).await?;
    let now = wall_clock();
    let digest = unverified_body_sha256(&envelope, StatementKind::Root).map_err(|e| Problem::refused(&e))?;
    let root = pin_root(&envelope, digest, now).map_err(|e| Problem::refused(&e))?;
    let own = app.dispatch_key.public();
    if !root.dispatch_keys().keys().contains(&own) {
        return Err(Problem::dispatch_key(&own.key_id().as_str()[..12]));
    }
    let project = root.project().clone();
    let command = |reply| Command::Project { project: project.clone(), root_sha256: digest, envelope, reply };
    app.store.writer.ask(command).await?;
    Ok(Json(ProjectView { project, root_sha256: digest }))
}

/// `POST /v1/releases`.
pub(super) async fn push_release(
    State(app): State<App>,
    APerson(_): APerson,
    body: Body,
) -> Result<Json<ReleaseView>, Problem> {
    let envelope = body_bytes(body).await?;
    let project = claimed_project(&envelope)?;
    let known = read::root(&app.store.readers, &project).await?;
    let (root, pinned) = known.ok_or_else(|| Problem::not_found(format_args!("project `{project}`")))?;
    let blobs = app.store.blobs.clone();
    let work = move || {
        let root = pin_root(&root, pinned, wall_clock()).map_err(|e| Problem::refused(&e))?;
        let verified = open::<Release>(&envelope, root.release_keys()).map_err(|e| Problem::refused(&e))?;
        let release = verified.statement();
        if release.project != *root.project() {
            let (found, mine) = (release.project.clone(), root.project().clone());
            return Err(Problem::refused(&Refused::Project { found, mine }));
        }
        release.check().map_err(|e| Problem::refused(&Refused::ReleaseInvalid(e)))?;
        let plugins = release.plugins.iter().map(|p| p.sha256);
        let needed: BTreeSet<Sha256Digest> = plugins.chain(release.files.iter().map(|f| f.sha256)).collect();
        let missing: Vec<Sha256Digest> = needed.into_iter().filter(|d| !blobs.has(d)).collect();
        if !missing.is_empty() {
            return Err(Problem::blobs_missing(&missing));
        }
        Ok((verified.body_sha256(), Arc::new(verified.into_statement()), envelope))
    };
    let (sha256, release, envelope) = compute(work).await??;
    let view = ReleaseView {
        project,
        sha256,
        release_seq: release.release_seq,
        issued_at: release.issued_at,
        tasks: u32::try_from(release.tasks.len()).unwrap_or(u32::MAX),
        jobs: release.jobs.iter().map(|job| job.name.clone()).collect(),
    };
    app.store.writer.ask(|reply| Command::Release { release, sha256, envelope, reply }).await?;
    Ok(Json(view))
}

/// `GET /v1/releases`.
pub(super) async fn releases(State(app): State<App>, APerson(_): APerson) -> Result<Json<Releases>, Problem> {
    Ok(Json(Releases { releases: read::releases(&app.store.readers).await? }))
}

/// `GET /v1/releases/{sha256}`.
pub(super) async fn release(
    State(app): State<App>,
    _: Anyone,
    Path(sha256): Path<String>,
) -> Result<impl IntoResponse + use<>, Problem> {
    let sha256: Sha256Digest = sha256.parse().map_err(Problem::bad_request)?;
    let envelope = read::envelope(&app.store.readers, &sha256).await?;
    let envelope = envelope.ok_or_else(|| Problem::not_found(format_args!("release {}", sha256.short())))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], envelope))
}

/// The project an envelope claims to be of. Says only whose keys to try: the signature decides.
fn claimed_project(envelope: &[u8]) -> Result<ProjectId, Problem> {
    #[derive(Deserialize)]
    struct Claim {
        project: ProjectId,
    }
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(borrow)]
        payload: std::borrow::Cow<'a, str>,
    }
    use base64::{
        Engine as _,
        engine::general_purpose::{STANDARD, URL_SAFE},
    };
    let wire: Payload<'_> = serde_json::from_slice(envelope).map_err(Problem::bad_request)?;
    let decoded =
        STANDARD.decode(wire.payload.as_bytes()).or_else(|_| URL_SAFE.decode(wire.payload.as_bytes()));
    let body = decoded.map_err(Problem::bad_request)?;
    Ok(serde_json::from_slice::<Claim>(&body).map_err(Problem::bad_request)?.project)
}

/// The wall clock, for the validity of keys; leases go by the database's.
fn wall_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(0).plus(since)
}
