//! The answer to "what may this task do, and by which line?", for people.

use std::fmt::Write as _;

use cofferdam_bundle::statement::{ReportField, Request, TaskLimits};
use cofferdam_call::Confinement;
use cofferdam_ids::{ByteCount, Explain as _, Timestamp};

use crate::{
    Admission, GrantRefused, GrantSet, Subject,
    set::{miss, words},
};

/// Says what a task would be allowed and by which line, or why it would be refused.
pub fn explain(
    grants: &GrantSet,
    subject: &Subject<'_>,
    requests: &[Request],
    limits: &TaskLimits,
    confinement: &Confinement,
    now: Timestamp,
) -> String {
    let mut text = format!("{} in role {}: ", subject.task, subject.role);
    match grants.admit(subject, requests, limits, confinement, now) {
        Ok(admission) => {
            text.push_str("allowed\n");
            subject_lines(&mut text, grants, subject, now);
            request_lines(&mut text, grants, subject, requests, limits, confinement, now);
            end_lines(&mut text, &admission);
        }
        Err(refused) => {
            let _ = writeln!(text, "refused, {}\n  {refused}", refused.code());
            if !matches!(refused, GrantRefused::NoGrant { .. }) {
                subject_lines(&mut text, grants, subject, now);
                request_lines(&mut text, grants, subject, requests, limits, confinement, now);
            } else {
                for grant in grants.files() {
                    if let Some((_, why)) = miss(grant, subject, now) {
                        let _ = writeln!(text, "  {}:{} {why}", grant.file, grant.subject.line);
                    }
                }
            }
            let _ = writeln!(text, "  fix: {}", refused.fix());
        }
    }
    text
}

fn subject_lines(text: &mut String, grants: &GrantSet, subject: &Subject<'_>, now: Timestamp) {
    for grant in grants.files().iter().filter(|g| miss(g, subject, now).is_none()) {
        let _ = writeln!(
            text,
            "  {}:{} grant `{}` of {}, until {}",
            grant.file, grant.subject.line, grant.id, grant.owner, grant.expires
        );
    }
}

fn request_lines(
    text: &mut String,
    grants: &GrantSet,
    subject: &Subject<'_>,
    requests: &[Request],
    limits: &TaskLimits,
    confinement: &Confinement,
    now: Timestamp,
) {
    for request in requests {
        let one = grants.admit(subject, std::slice::from_ref(request), limits, confinement, now);
        let line = match one {
            Ok(admission) => {
                let sql = admission.sql().first().map(|s| {
                    let rows = format!("statements {}, at most {} rows out", s.statements, s.max_rows);
                    (&s.grant, format!("; {rows}"))
                });
                let other = admission
                    .files()
                    .first()
                    .map(|f| &f.grant)
                    .or(admission.telemetry())
                    .or(admission.kept());
                match sql.or(other.map(|o| (o, String::new()))) {
                    Some((fact, more)) => {
                        format!("{}:{} allows {}{more}", fact.file, fact.line, words(request))
                    }
                    None => format!("allows {}", words(request)),
                }
            }
            Err(GrantRefused::NotCovered { nearest, .. }) => format!("refuses {}: {nearest}", words(request)),
            Err(other) => format!("refuses {}: {other}", words(request)),
        };
        let _ = writeln!(text, "  {line}");
    }
}

fn end_lines(text: &mut String, admission: &Admission) {
    let limits = admission.limits();
    let _ = writeln!(
        text,
        "  within {} s, {} of memory, {} of log",
        limits.wall_ms.div_ceil(1000),
        ByteCount(limits.memory_bytes),
        ByteCount(limits.log_bytes)
    );
    let fields: Vec<_> = admission
        .report_fields()
        .iter()
        .map(|f| match f {
            ReportField::DurationS => "duration_s",
            ReportField::RowsAffected => "rows_affected",
        })
        .collect();
    let told = if fields.is_empty() { "nothing but the outcome".to_owned() } else { fields.join(", ") };
    let _ = writeln!(text, "  the scheduler may be told: {told}");
}
