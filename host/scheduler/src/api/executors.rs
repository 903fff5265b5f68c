//! What executors call: enrol, poll, renew, report. And the list of them, for people.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use cofferdam_bundle::{
    KeySet, PublicKey, SigningKey, open, sign,
    statement::{Argument, Dispatch, Poll, Report, SPEC},
};
use cofferdam_ids::{ExecutorId, Nonce};
use cofferdam_protocol::{
    api::{
        DISPATCHES_MAX, Enrol, Enrolled, Executors, RENEWALS_MAX, REPORTS_MAX, Renew, Renewed, ReportAnswer,
        ReportsTaken, WAIT_MS_MAX,
    },
    queue::Ask,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::{
    App, body_bytes, body_json,
    caller::{APerson, AnExecutor},
    compute_signatures,
};
use crate::{
    Problem,
    limits::{DISPATCH_LIFE, NAME_BYTES_MAX},
    store::{Command, EnrolledKey, Order, PollFacts, read},
};

/// `POST /v1/executors`.
pub(super) async fn enrol(
    State(app): State<App>,
    AnExecutor(caller, _): AnExecutor,
    body: Body,
) -> Result<Json<Enrolled>, Problem> {
    let enrol: Enrol = body_json(body).await?;
    for (what, text) in [("the name", &enrol.name), ("the version", &enrol.version)] {
        if text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(Problem::too_large(what, format_args!("{NAME_BYTES_MAX} printable bytes")));
        }
    }
    let key = PublicKey::from_base64(&enrol.public).map_err(Problem::bad_request)?;
    // What is kept is the one spelling of the key.
    let enrol = Enrol { public: key.to_base64(), ..enrol };
    let executor = ExecutorId::of_key(key.key_id());
    let (client, keys_max, id) = (caller.client, caller.keys_max, executor.clone());
    let command = |reply| Command::Enrol { client, keys_max, executor: id, enrol, reply };
    app.store.writer.ask(command).await?;
    Ok(Json(Enrolled { executor }))
}

/// `GET /v1/executors`.
pub(super) async fn list(State(app): State<App>, APerson(_): APerson) -> Result<Json<Executors>, Problem> {
    Ok(Json(Executors { executors: read::executors(&app.store.readers).await? }))
}

/// `POST /v1/poll`: waits until there is work, and signs one dispatch for each task given away.
pub(super) async fn poll(
    State(app): State<App>,
    AnExecutor(caller, keys): AnExecutor,
    body: Body,
) -> Result<Response, Problem> {
    let envelope = body_bytes(body).await?;
    let poll = verified_poll(&envelope, keys.values())?;
    let key = keys.get(&poll.executor).ok_or_else(Problem::not_enrolled)?;
    if (&poll.cluster, &poll.pool, poll.role) != (&key.cluster, &key.pool, key.role) {
        return Err(Problem::poll(
            "the poll names another cluster, pool or role than the key was enrolled for",
        ));
    }
    let ask = Ask {
        executor: poll.executor.clone(),
        cluster: poll.cluster.clone(),
        pool: poll.pool.clone(),
        role: poll.role,
        slots: poll.wanted.slots_free.min(DISPATCHES_MAX as u32),
    };
    let orders = wait_for_work(&app, caller.client, &poll, &ask).await?;
    let (signer, ttl, nonce) = (app.dispatch_key.clone(), app.lease_ttl_s, poll.nonce);
    let count = orders.len();
    let sign_all = move || answer(&orders, &ask, &signer, ttl, nonce);
    let body = compute_signatures(count, sign_all).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn verified_poll<'a>(envelope: &[u8], keys: impl Iterator<Item = &'a EnrolledKey>) -> Result<Poll, Problem> {
    let keys: Vec<PublicKey> = keys.filter_map(|key| PublicKey::from_base64(&key.public).ok()).collect();
    if keys.is_empty() {
        return Err(Problem::not_enrolled());
    }
    let verified = open::<Poll>(envelope, &KeySet::new(keys, 1)).map_err(|e| Problem::refused(&e))?;
    // A client may have several keys: the poll must be of the executor whose key signed it.
    let signed_by = verified.signed_by().iter().map(ExecutorId::of_key).collect::<Vec<_>>();
    if !signed_by.contains(&verified.statement().executor) {
        return Err(Problem::not_enrolled());
    }
    Ok(verified.into_statement())
}

async fn wait_for_work(app: &App, client: String, poll: &Poll, ask: &Ask) -> Result<Vec<Order>, Problem> {
    let mut work = app.store.signals.work(ask.role).subscribe();
    let mut stopping = app.stopping.clone();
    let deadline = Instant::now() + Duration::from_millis(u64::from(poll.wanted.wait_ms.min(WAIT_MS_MAX)));
    let mut facts = Some(PollFacts {
        boot: poll.boot.clone(),
        poll_seq: poll.poll_seq,
        version: poll.version.chars().filter(|c| !c.is_control()).take(NAME_BYTES_MAX / 4).collect(),
        ledger: poll.ledger,
    });
    loop {
        work.mark_unchanged();
        let (client, facts, ask) = (client.clone(), facts.take(), ask.clone());
        let orders = app.store.writer.ask(|reply| Command::Poll { client, facts, ask, reply }).await?;
        if !orders.is_empty() || poll.wanted.slots_free == 0 {
            return Ok(orders);
        }
        let news = async {
            tokio::select! {
                news = work.changed() => news.is_ok(),
                _ = stopping.wait_for(|stop| *stop) => false,
            }
        };
        if !matches!(timeout_at(deadline, news).await, Ok(true)) {
            return Ok(Vec::new());
        }
    }
}

/// The JSON of a `PollAnswer`, its envelopes put in as they were signed.
fn answer(orders: &[Order], ask: &Ask, key: &SigningKey, ttl: u32, nonce: Nonce) -> Vec<u8> {
    let mut body = b"{\"dispatches\":[".to_vec();
    for (i, order) in orders.iter().enumerate() {
        if i > 0 {
            body.push(b',');
        }
        body.extend(sign(&dispatch(order, ask, ttl, nonce), &[key]));
    }
    body.extend(b"]}");
    body
}

fn dispatch(order: &Order, ask: &Ask, ttl: u32, nonce: Nonce) -> Dispatch {
    let (grant, meta) = (&order.grant, &order.meta);
    let schema = meta.places.get(grant.place).map(|i| meta.release.tasks[*i].params_schema.as_slice());
    let takes = |p: &&Argument| schema.unwrap_or_default().iter().any(|s| s.name == p.name);
    Dispatch {
        kind: "dispatch".into(),
        spec: SPEC,
        project: meta.project.clone(),
        dispatch_id: grant.lease.dispatch_id.clone(),
        run_id: meta.run.clone(),
        run_started_at: meta.started_at,
        task: grant.task.clone(),
        release_sha256: meta.release_sha256,
        release_seq: meta.release_seq,
        audience: ask.executor.clone(),
        cluster: ask.cluster.clone(),
        pool: ask.pool.clone(),
        role: ask.role,
        lease_id: grant.lease.id.clone(),
        attempt: grant.attempt,
        fence: grant.fence,
        issued_at: order.issued_at,
        not_after: order.issued_at.plus(DISPATCH_LIFE),
        lease_ttl_s: ttl,
        poll_nonce: nonce,
        params: meta.params.iter().filter(takes).cloned().collect(),
        environment: meta.environment.clone(),
        reason: meta.reason,
        requested_by: meta.requested_by.clone(),
    }
}

/// `POST /v1/leases`.
pub(super) async fn renew(
    State(app): State<App>,
    AnExecutor(_, keys): AnExecutor,
    body: Body,
) -> Result<Json<Renewed>, Problem> {
    let Renew { leases } = body_json(body).await?;
    if leases.len() > RENEWALS_MAX {
        return Err(Problem::too_large("the number of leases", RENEWALS_MAX));
    }
    let executors = keys.into_keys().collect();
    let leases = app.store.writer.ask(|reply| Command::Renew { executors, leases, reply }).await?;
    Ok(Json(Renewed { leases }))
}

/// `POST /v1/reports`.
pub(super) async fn report(
    State(app): State<App>,
    AnExecutor(_, keys): AnExecutor,
    body: Body,
) -> Result<Json<ReportsTaken>, Problem> {
    #[derive(Deserialize)]
    struct Envelopes {
        reports: Vec<Box<RawValue>>,
    }
    let Envelopes { reports: envelopes } = body_json(body).await?;
    if envelopes.len() > REPORTS_MAX {
        return Err(Problem::too_large("the number of reports", REPORTS_MAX));
    }
    let public = keys.values().filter_map(|key| PublicKey::from_base64(&key.public).ok()).collect::<Vec<_>>();
    let count = envelopes.len();
    let verify = move || {
        let keys = KeySet::new(public, 1);
        let one = |envelope: &RawValue| {
            let verified = open::<Report>(envelope.get().as_bytes(), &keys).ok()?;
            let signed = verified.signed_by().iter().map(ExecutorId::of_key);
            let own = signed.into_iter().any(|id| id == verified.statement().executor);
            own.then(|| verified.into_statement())
        };
        envelopes.iter().map(|envelope| one(envelope)).collect::<Vec<_>>()
    };
    let read = compute_signatures(count, verify).await?;
    let reports: Vec<Report> = read.iter().flatten().cloned().collect();
    let taken = app.store.writer.ask(|reply| Command::Report { reports, reply }).await?;
    let mut taken = taken.into_iter();
    let answer =
        |report: &Option<Report>| report.as_ref().and_then(|_| taken.next()).unwrap_or(ReportAnswer::Invalid);
    Ok(Json(ReportsTaken { answers: read.iter().map(answer).collect() }))
}
