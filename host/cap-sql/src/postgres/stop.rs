//! Stops what runs in the warehouse, makes sure that it stopped, and cleans up.
//!
//! In: a connection in the middle of something. Out: the same connection at rest, or the knowledge
//! that its server process is gone, or that nobody knows.
//! Never: waits longer than [`ANSWER_WITHIN`] for each of these.
//! Fails: with `CD0308` where the statement is known to have stopped, `CD0316` where it is not.
//! Source: PostgreSQL documentation, "Canceling Requests in Progress"; `docs/adr/0015-postgresql-driver.md`.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use cofferdam_call::{Access, Refusal};
use postgres_protocol::message::frontend;

use super::{
    PostgresConnect,
    conn::{Answer, Conn, plain},
    errors::Fault,
    login,
};
use crate::{
    cancel::CancelToken,
    net::{Link, LinkError, Stop, Wait},
    refusals,
    remote::Credential,
};

/// How long an answer is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks whether a server process is gone.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Stops what runs on a connection. The refusal says whether it is known to have stopped.
pub(super) fn stop(
    conn: &mut Conn,
    connector: &PostgresConnect,
    access: Access,
    credential: &Credential,
    why: &Stop,
) -> Refusal {
    let reason = match why {
        Stop::Cancelled(refusal) => refusal.message.clone(),
        Stop::TimeUp => "it ran longer than the gateway's statement_timeout".to_owned(),
    };
    let confirmed = stops_when_asked(conn, connector) || is_ended(conn, connector, access, credential);
    if confirmed {
        refusals::interrupted(format!("the statement was stopped: {reason}; cancel confirmed"))
    } else {
        refusals::unconfirmed(format!(
            "the statement was to be stopped: {reason}; cancel not confirmed: the warehouse does not say that it \
             stopped"
        ))
    }
}

/// Asks the server to stop the statement, and waits for the connection to say that it has.
pub(super) fn stops_when_asked(conn: &mut Conn, connector: &PostgresConnect) -> bool {
    if conn.is_broken() {
        return false;
    }
    let never = CancelToken::default();
    let wait = Wait::at_most(&never, ANSWER_WITHIN);
    if conn.copying {
        // While it waits for rows it does not look whether it is to stop; it takes their end.
        let ended = conn.fail_copy(&wait).is_ok() && conn.until_ready(&wait).is_ok();
        if !ended {
            conn.give_up();
        }
        return ended;
    }
    // Sent over a connection of its own; the server says nothing to it and closes it.
    let sent = login::open(&connector.dialer, &wait).and_then(|mut link| {
        let mut request = BytesMut::new();
        frontend::cancel_request(conn.login.process, conn.login.key, &mut request);
        link.write(&request, &wait).map_err(LinkError::refusal)?;
        closed(&mut link, &wait);
        Ok(())
    });
    let stopped = sent.is_ok() && conn.until_ready(&wait).is_ok();
    if !stopped {
        conn.give_up();
    }
    stopped
}

fn closed(link: &mut Link, wait: &Wait<'_>) {
    while link.read(&mut [0; 64], wait).is_ok() {}
}

/// Ends the server process over another connection, and looks until it is gone.
fn is_ended(conn: &Conn, connector: &PostgresConnect, access: Access, credential: &Credential) -> bool {
    let never = CancelToken::default();
    let late = refusals::unavailable("the warehouse did not answer in time");
    let soon = CancelToken::new(Some((Instant::now() + ANSWER_WITHIN, late)));
    let Ok(mut second) = connector.connect_unchecked(access, credential, &soon) else { return false };
    let wait = Wait::at_most(&never, ANSWER_WITHIN);
    let process = conn.login.process.to_string();
    // A session may have renamed itself; its process and when that was started cannot change.
    let ours = "pid = $1::int4 and backend_start = $2::timestamptz";
    let started = conn.started.as_str();
    let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where {ours}");
    if second.ask(&end, &[Some(&process), Some(started)], &wait).is_err() {
        return false;
    }
    let look = format!("select count(*) from pg_stat_activity where {ours}");
    loop {
        match second.ask(&look, &[Some(&process), Some(started)], &wait) {
            Ok(answer) if answer.first() == Some("0") => return true,
            Ok(_) if wait.check().is_ok() => std::thread::sleep(LOOK_EVERY),
            _ => return false,
        }
    }
}

/// Makes a connection what it was after its login; false where that is not certain.
pub(super) fn clean(conn: &mut Conn) -> bool {
    if !conn.is_at_rest() || conn.wire.has_more() {
        return false;
    }
    if !conn.used {
        return true;
    }
    let never = CancelToken::default();
    let wait = Wait::at_most(&never, ANSWER_WITHIN);
    let role = conn.login.role.clone();
    let asked = discarded(conn, &role, &wait);
    conn.used = false;
    conn.type_names.clear();
    asked.is_ok_and(|answer| answer.first() == Some("t")) && conn.is_at_rest()
}

/// Forgets what the session set, and asks whose it is: two groups, since the first is no part of a
/// transaction, sent together.
fn discarded(conn: &mut Conn, role: &str, wait: &Wait<'_>) -> Result<Answer, Fault> {
    conn.put("discard all", &[])?;
    conn.put_sync();
    conn.put(
        "select session_user = $1::name and current_user = $1::name and current_setting('role') = 'none'",
        &[Some(role)],
    )?;
    conn.put_sync();
    conn.send(wait)?;
    conn.get(wait)?;
    conn.ready(wait)?;
    let answer = conn.get(wait)?;
    conn.ready(wait)?;
    Ok(answer)
}

/// Undoes what is open; false where the connection is of no more use.
pub(super) fn settle(conn: &mut Conn, connector: &PostgresConnect) -> bool {
    if conn.is_broken() {
        return false;
    }
    conn.forget();
    if conn.owes() && !stops_when_asked(conn, connector) {
        return false;
    }
    if conn.status == b'I' {
        return true;
    }
    let never = CancelToken::default();
    let wait = Wait::at_most(&never, ANSWER_WITHIN);
    conn.ask("rollback", &[], &wait).is_ok() && conn.is_at_rest()
}

/// Ends the sessions of an executor's tag that this role may end; one sentence for each.
pub(super) fn sweep(conn: &mut Conn, owner_tag: &str, cancel: &CancelToken) -> Result<Vec<String>, Refusal> {
    if owner_tag.is_empty() {
        return Ok(Vec::new());
    }
    let wait = Wait::at_most(cancel, ANSWER_WITHIN);
    let prefix = format!("cofferdam/{owner_tag}/");
    let ours = "application_name like $1 || '%' and usename = current_user and pid <> pg_backend_pid()";
    let end = format!(
        "select application_name, coalesce(state, 'unknown'), pg_terminate_backend(pid) \
         from pg_stat_activity where {ours}"
    );
    let answer = conn.ask(&end, &[Some(&prefix)], &wait).map_err(plain)?;
    let look = format!("select count(*) from pg_stat_activity where {ours}");
    let gone = loop {
        let left = conn.ask(&look, &[Some(&prefix)], &wait);
        match left {
            Ok(left) if left.first() == Some("0") => break true,
            Ok(_) if wait.check().is_ok() => std::thread::sleep(LOOK_EVERY),
            Ok(_) | Err(Fault::Stop(_)) => break false,
            Err(fault) => return Err(plain(fault)),
        }
    };
    let word = if gone { "ended" } else { "asked to end, but is still there" };
    let sentence = |row: &Vec<Option<String>>| {
        let of = |n: usize| row.get(n).and_then(Option::as_deref).unwrap_or_default();
        format!("session `{}`, {}, was left by an earlier process: {word}", of(0), of(1))
    };
    Ok(answer.rows.iter().map(sentence).collect())
}
