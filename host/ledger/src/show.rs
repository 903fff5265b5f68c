//! A ledger as people read it: one line per record.

use std::{
    fmt::Write as _,
    io::{self, BufRead, Read as _},
};

use crate::{
    append::LINE_BYTES_MAX,
    event::{
        AttemptRef, CapDenied, CapIntent, CapResult, Event, Outcome, StatementFacts, Target, TaskAdmitted,
        TaskEnded,
    },
    record::{Malformed, Record},
};

/// Reads a ledger record by record, without judging its links: [`crate::verify`] does that.
/// Ends after the first line that is not a record.
pub fn show(mut reader: impl BufRead) -> impl Iterator<Item = io::Result<Result<Record, Malformed>>> {
    let mut ended = false;
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        if ended {
            return None;
        }
        match reader.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                let record = Record::parse(line.strip_suffix(b"\n").unwrap_or(&line));
                ended = record.is_err();
                Some(Ok(record))
            }
            Err(error) => {
                ended = true;
                Some(Err(error))
            }
        }
    })
}

/// One record as one line of text, without a line break. Control characters are replaced, so that
/// nothing a guest wrote can move the cursor of whoever reads it.
pub fn render(record: &Record) -> String {
    let mut text = format!("{:>6}  {}  {:<16}  ", record.seq, record.time, record.event.name());
    let start = text.len();
    // Writing to a string cannot fail.
    let _ = match &record.event {
        Event::ExecutorStarted(e) => write!(
            text,
            "{} {} in {}/{} as {}, grants {}, {}",
            e.executor.short(),
            e.version,
            e.cluster,
            e.pool,
            e.role,
            e.grants_sha256.short(),
            if e.confinement.is_empty() { "no confinement".to_owned() } else { e.confinement.join(", ") },
        ),
        Event::ExecutorStopped(e) => write!(text, "{}", e.reason),
        Event::AuditGap(e) => write!(text, "{} ({} bytes)", e.note, e.bytes_cut),
        Event::Alarm(e) => write!(text, "{} {}", e.code, e.reason),
        Event::DispatchRefused(e) => {
            let task = e.task.as_ref().map_or("a dispatch", |t| t.as_str());
            write!(text, "{task} refused ({}): {} {}", e.phase, e.code, e.reason)
        }
        Event::TaskAdmitted(e) => admitted(&mut text, e),
        Event::CapIntent(e) => intent(&mut text, e),
        Event::CapResult(e) => {
            let _ = write!(text, "{} #{} {}", at(&e.at), e.call, outcome(e.outcome));
            let _ = e.code.map_or(Ok(()), |code| write!(text, " {code}"));
            let _ = e.rows.map_or(Ok(()), |rows| write!(text, ", {rows} rows"));
            let _ = came_of(&mut text, e);
            write!(text, ", {} bytes out, {} µs", e.bytes_out, e.took_us)
        }
        Event::CapDenied(e) => denied(&mut text, e),
        Event::TaskEnded(e) => ended(&mut text, e),
        Event::ReportSent(e) => {
            let _ = write!(text, "{} {}", e.dispatch, e.state);
            let _ = e.code.map_or(Ok(()), |code| write!(text, " {code}"));
            write!(text, " ({})", e.fields.join(", "))
        }
        Event::GatewaySwept(e) => write!(text, "{}: {}", e.gateway, e.what),
    };
    let clean = text[start..].replace(|c: char| c.is_control(), "\u{fffd}");
    text.replace_range(start.., &clean);
    text
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Failed => "failed",
        Outcome::Unknown => "outcome unknown",
    }
}

fn came_of(text: &mut String, e: &CapResult) -> std::fmt::Result {
    if let Some(peer) = &e.peer {
        peer.role.as_ref().map_or(Ok(()), |role| write!(text, ", as {role}"))?;
        peer.tls.as_ref().map_or(Ok(()), |tls| write!(text, ", TLS {}", tls.get(..12).unwrap_or(tls)))?;
    }
    if let Some(publish) = &e.publish {
        let word = if publish.published { "published" } else { "was published before" };
        write!(text, ", step `{}` {word}", publish.step)?;
    }
    e.cancel.as_ref().map_or(Ok(()), |cancel| write!(text, ", cancel {cancel}"))
}

fn at(at: &AttemptRef) -> String {
    format!("{} try {}", at.task, at.attempt)
}

fn admitted(text: &mut String, e: &TaskAdmitted) -> std::fmt::Result {
    let plugins: Vec<_> = e.plugins.iter().map(|p| format!("{}@{}", p.name, p.sha256.short())).collect();
    let grants: Vec<_> = e.grants.iter().map(|g| format!("{}:{}", g.id, g.line)).collect();
    write!(
        text,
        "{} of {} release {} ({}) in {}, plugins {}, granted by {}",
        at(&e.at),
        e.at.run,
        e.release_seq,
        e.release_sha256.short(),
        e.environment,
        plugins.join(" "),
        grants.join(" "),
    )
}

fn intent(text: &mut String, e: &CapIntent) -> std::fmt::Result {
    write!(text, "{} #{} {}", at(&e.at), e.call, e.capability)?;
    about(text, e.target.as_ref(), e.statement.as_ref())?;
    write!(text, ", granted by {}:{}", e.grant.id, e.grant.line)
}

fn denied(text: &mut String, e: &CapDenied) -> std::fmt::Result {
    write!(text, "{} #{} {}", at(&e.at), e.call, e.capability)?;
    about(text, e.target.as_ref(), e.statement.as_ref())?;
    write!(text, ": {} {}", e.code, e.reason)?;
    e.rule.as_ref().map_or(Ok(()), |rule| write!(text, " ({rule})"))
}

fn about(text: &mut String, target: Option<&Target>, statement: Option<&StatementFacts>) -> std::fmt::Result {
    match target {
        Some(Target::Gateway { name, access }) => write!(text, " {name} ({access})")?,
        Some(Target::File(path)) => write!(text, " `{path}`")?,
        Some(Target::Kept { name, sha256 }) => {
            write!(text, " `{name}`")?;
            if let Some(sha256) = sha256 {
                write!(text, " {}", sha256.short())?;
            }
        }
        None => {}
    }
    if let Some(facts) = statement {
        write!(text, " {} {}", facts.kind, facts.sha256.short())?;
        if !facts.reads.is_empty() {
            write!(text, " reads {}", facts.reads.join(" "))?;
        }
        if !facts.writes.is_empty() {
            write!(text, " writes {}", facts.writes.join(" "))?;
        }
    }
    Ok(())
}

fn ended(text: &mut String, e: &TaskEnded) -> std::fmt::Result {
    write!(text, "{} {}", at(&e.at), e.state)?;
    e.code.map_or(Ok(()), |code| write!(text, " {code}"))?;
    write!(text, ", {} calls ({} refused), {} rows out, {} ms", e.calls, e.denied, e.rows_out, e.wall_ms)
}
