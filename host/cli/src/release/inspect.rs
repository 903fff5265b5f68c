//! A release read aloud: what may run, with what, and what it asks for.
//!
//! In: a release body or envelope. Out: text. Never: hides a request. Fails: with `CD0013`.
//! Source: `docs/guides/command-line.md`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cofferdam_bundle::{
    KeySet, RELEASE_ENVELOPE_BYTES_MAX, open,
    statement::{PluginEntry, Release, ReleasedTask, Request, SchedulePolicy, SqlMode},
};
use cofferdam_ids::{ByteCount, Sha256Digest};

use crate::{
    failure::{Failure, NO_RELEASE, Outcome},
    text::{self, Colour, Paint},
};

/// A release from a file or a scheduler, and what is known of its signature.
#[derive(Debug)]
pub struct Opened {
    /// What it says.
    pub release: Release,
    /// Digest of the signed body, where it is signed.
    pub sha256: Option<Sha256Digest>,
    /// Who signed it, in words.
    pub signed: String,
}

/// Reads an envelope or an unsigned body. `keys` are the project's release keys, where known.
pub fn open_any(bytes: &[u8], keys: Option<&KeySet>) -> Outcome<Opened> {
    if let Ok(release) = serde_json::from_slice::<Release>(bytes) {
        return Ok(Opened { release, sha256: None, signed: "not signed yet".to_owned() });
    }
    if let Some(keys) = keys {
        let verified = open::<Release>(bytes, keys).map_err(|e| Failure::of(&e))?;
        let by = verified.signed_by().iter().map(|key| key.as_str()[..12].to_owned()).collect::<Vec<_>>();
        let signed = format!("by {}, a release key of this project", by.join(" and "));
        let sha256 = Some(verified.body_sha256());
        return Ok(Opened { release: verified.into_statement(), sha256, signed });
    }
    let (release, sha256) = unchecked(bytes).ok_or_else(|| {
        Failure::new(
            NO_RELEASE,
            "this is not a release",
            "name a release.json or release.dsse.json, or a release's number or digest",
        )
    })?;
    let signed = "not checked: run this in the project's folder, whose trust root names the keys".to_owned();
    Ok(Opened { release, sha256: Some(sha256), signed })
}

/// The body of an envelope whose signature nobody here can check.
fn unchecked(bytes: &[u8]) -> Option<(Release, Sha256Digest)> {
    if bytes.len() > RELEASE_ENVELOPE_BYTES_MAX {
        return None;
    }
    let envelope: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let body = STANDARD.decode(envelope.get("payload")?.as_str()?).ok()?;
    Some((serde_json::from_slice(&body).ok()?, Sha256Digest::of(&body)))
}

/// The release in people's words.
pub fn inspect_text(opened: &Opened, paint: Paint) -> String {
    let release = &opened.release;
    let head = |text: &str| paint.paint(Colour::Bold, text);
    let join = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let mut out = format!("{}\n", head(&format!("release {} of {}", release.release_seq, release.project)));
    let mut line = |name: &str, value: String| out.push_str(&format!("{name:<11}{value}\n"));
    if let Some(sha256) = opened.sha256 {
        line("digest", sha256.prefixed());
    }
    line("signed", opened.signed.clone());
    line("built", format!("{}, good until {}", release.issued_at, release.not_after));
    if let Some(from) = &release.provenance {
        line("from", text::tame(format!("{} {}", from.repo, from.commit).trim()));
    }
    let clusters = release.audience.clusters.iter().map(ToString::to_string).collect();
    let pools = release.audience.pools.iter().map(ToString::to_string).collect();
    line("runs on", format!("executors of pool {} in cluster {}", join(pools), join(clusters)));
    line("how often", policy(&release.schedule_policy));
    let reports =
        release.reports.iter().filter_map(|r| serde_json::to_value(r).ok()?.as_str().map(str::to_owned));
    line("reports", format!("state, code, phase, {}: all the scheduler learns", join(reports.collect())));
    let bytes = release.files.iter().map(|file| file.size).sum();
    line("files", format!("{}, {}", release.files.len(), ByteCount(bytes)));

    out.push_str(&format!("\n{}\n", head("plugins")));
    let rows: Vec<_> = release.plugins.iter().map(plugin).collect();
    out.push_str(&text::table(&["NAME", "WORLD", "SIZE", "DIGEST"], &rows, paint));
    if !release.gateways.is_empty() {
        out.push_str(&format!("\n{}\n", head("gateways")));
        for gateway in &release.gateways {
            out.push_str(&format!("{}: spoken to by {}\n", gateway.gateway, gateway.adapter));
        }
    }
    out.push_str(&format!("\n{}\n", head(&text::count(release.tasks.len() as u64, "task"))));
    release.tasks.iter().for_each(|task| out.push_str(&self::task(task)));
    if !release.jobs.is_empty() {
        out.push_str(&format!("\n{}\n", head("jobs")));
        for job in &release.jobs {
            out.push_str(&format!("{}: {}\n", job.name, text::tame(&job.select.join(" "))));
        }
    }
    out
}

fn plugin(entry: &PluginEntry) -> Vec<String> {
    let world = entry.world.trim_start_matches("cofferdam:worlds/").to_owned();
    vec![
        entry.name.to_string(),
        text::tame(&world),
        ByteCount(entry.size).to_string(),
        entry.sha256.prefixed(),
    ]
}

fn policy(policy: &SchedulePolicy) -> String {
    let mut parts = Vec::new();
    match policy.min_interval_s {
        0 => parts.push("any time".to_owned()),
        s => parts
            .push(format!("each task at most every {}", text::duration(std::time::Duration::from_secs(s)))),
    }
    if !policy.windows.is_empty() {
        parts.push(format!("from {} UTC only", text::tame(&policy.windows.join(" and "))));
    }
    parts.push(if policy.manual { "also by hand" } else { "never by hand" }.to_owned());
    parts.push(format!(
        "at most {} of a task in a run",
        text::count(u64::from(policy.max_attempts), "attempt")
    ));
    parts.join(", ")
}

fn task(task: &ReleasedTask) -> String {
    let mut text = format!("{}  ({} of {})\n", task.id, text::tame(&task.entry), task.plugin);
    if !task.needs.is_empty() {
        let needs: Vec<_> = task.needs.iter().map(ToString::to_string).collect();
        text.push_str(&format!("    after {}\n", needs.join(", ")));
    }
    task.requests.iter().for_each(|request| text.push_str(&format!("    asks to {}\n", words(request))));
    for param in &task.params_schema {
        let must = if param.required { " (required)" } else { "" };
        text.push_str(&format!("    takes {}{must}\n", text::tame(&param.name)));
    }
    text
}

/// A request as a sentence.
pub(crate) fn words(request: &Request) -> String {
    let list = |items: &[String]| text::tame(&items.join(", "));
    match request {
        Request::Sql { gateway, mode, reads, writes } => {
            let mut parts = Vec::new();
            if !reads.is_empty() {
                parts.push(format!("read {}", list(reads)));
            }
            if !writes.is_empty() {
                parts.push(format!("write {}", list(writes)));
            }
            if *mode == SqlMode::Admin {
                parts.push("change the warehouse's shape".to_owned());
            }
            if parts.is_empty() {
                parts.push("read nothing".to_owned());
            }
            format!("{} on gateway {gateway}", parts.join(" and "))
        }
        Request::Files { prefixes } if prefixes.iter().all(String::is_empty) => {
            "read every file of the release".to_owned()
        }
        Request::Files { prefixes } => format!("read files of the release under {}", list(prefixes)),
        Request::Telemetry {} => "write a log".to_owned(),
        Request::Kept {} => "read what attempts of its run kept beside their logs".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read_aloud_with_every_request() {
        let release = super::super::assemble::tests::release(super::super::assemble::tests::TOML).unwrap();
        let opened = Opened {
            release,
            sha256: Some(Sha256Digest::of(b"body")),
            signed: "by ab, a release key".into(),
        };
        insta::assert_snapshot!(inspect_text(&opened, Paint::off()), @r"
        release 7 of prj_flights
        digest     sha256:230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5
        signed     by ab, a release key
        built      2026-09-21T14:13:20Z, good until 2026-12-20T14:13:20Z
        runs on    executors of pool default in cluster main
        how often  any time, also by hand, at most 5 attempts of a task in a run
        reports    state, code, phase, duration_s, rows_affected: all the scheduler learns
        files      1, 1 B

        plugins
        NAME            WORLD          SIZE    DIGEST
        adapter-sqlite  adapter@0.1.0  1000 B  sha256:6bf9181d8d0036fc96e38a9f8753ac1cc04cc1c68d6e1ce34524dcee3e2ffe3e
        task-sql        task@0.1.0     1000 B  sha256:c0704d4007fea08f0c2d11e5316565df60a6cf7f790ec2d8cec905b360756426

        gateways
        wh: spoken to by adapter-sqlite

        2 tasks
        report.delays  (run of task-sql)
            asks to read marts.* on gateway wh
            asks to read every file of the release
            asks to write a log
        report.copy  (run of task-sql)
            after report.delays
            asks to write marts.copy on gateway wh
            asks to read every file of the release
            asks to write a log
            takes day

        jobs
        nightly: *
        ");
    }

    #[test]
    fn what_is_no_release_is_refused() {
        for bytes in [&b""[..], b"{}", b"[1", b"{\"payload\":\"e30=\"}"] {
            let error = open_any(bytes, None).unwrap_err().render();
            assert!(error.starts_with("error[CD0013]: this is not a release"), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_a_release_or_an_error(bytes: Vec<u8>) {
            let _ = open_any(&bytes, None);
        }
    }
}
