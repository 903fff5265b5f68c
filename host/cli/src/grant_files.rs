//! `grants explain|lint`: what the grants on this machine allow, by file and line.
//!
//! In: the grant folder, a release. Out: text. Never: decides anything itself: the functions are
//! those the broker calls. Fails: with the grants' codes, and `CD0012` for a task that is not there.
//! Source: `docs/guides/grants.md`.

use std::{fs, path::Path};

use cofferdam_bundle::statement::{Release, ReleasedTask};
use cofferdam_call::Confinement;
use cofferdam_grants::{GrantSet, Subject, explain as explain_task, lint, parse};
use cofferdam_ids::{Role, Sha256Digest, Timestamp};

use crate::{
    failure::{Failure, GRAPH, Outcome},
    text,
};

/// Reads every grant of a folder; paths in messages are `shown` and the file's name.
pub fn read(folder: &Path, shown: &str) -> Outcome<GrantSet> {
    let entries = fs::read_dir(folder).map_err(|e| Failure::file("list", folder, &e))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    files.sort();
    let mut grants = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|e| Failure::file("read", &file, &e))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{}/{name}", shown.trim_end_matches('/'));
        grants.push(parse(&name, &text).map_err(|e| Failure::of(&e))?);
    }
    GrantSet::from_files(grants).map_err(|e| Failure::of(&e))
}

/// Explains one task of a release in each role it may run in; `all` of a kernel is assumed.
pub fn explain(
    grants: &GrantSet,
    release: &Release,
    project: Sha256Digest,
    task: &str,
    now: Timestamp,
) -> Outcome<String> {
    let found = release.tasks.iter().find(|known| known.id.as_str() == task).ok_or_else(|| {
        let near = text::nearest(task, release.tasks.iter().map(|known| known.id.as_str()));
        let fix = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`cofferdam release inspect` lists the tasks".to_owned(),
        };
        Failure::new(
            GRAPH,
            format!("release {} has no task `{}`", release.release_seq, text::tame(task)),
            fix,
        )
    })?;
    let plugins = plugins(release, found);
    let mut out = String::new();
    for role in &found.roles {
        let subject = Subject { project, task: &found.id, role: *role, plugins: &plugins };
        out.push_str(&explain_task(grants, &subject, &found.requests, &found.limits, &full(), now));
    }
    Ok(out)
}

/// Whether any role of any task would be refused: what `release build` warns of.
pub fn refused(grants: &GrantSet, release: &Release, project: Sha256Digest, now: Timestamp) -> Vec<String> {
    let refusals = release.tasks.iter().filter_map(|task| {
        let plugins = plugins(release, task);
        let role = task.roles.first().copied().unwrap_or(Role::Run);
        let subject = Subject { project, task: &task.id, role, plugins: &plugins };
        grants.admit(&subject, &task.requests, &task.limits, &full(), now).err().map(|e| e.to_string())
    });
    refusals.collect()
}

/// The components that take part in a task: its own, and its gateway's adapter.
fn plugins(release: &Release, task: &ReleasedTask) -> Vec<Sha256Digest> {
    let adapter =
        release.gateways.iter().find(|g| Some(&g.gateway) == task.gateway.as_ref()).map(|g| &g.adapter);
    let names = [Some(&task.plugin), adapter];
    let digest =
        |name| release.plugins.iter().find(|plugin| &plugin.name == name).map(|plugin| plugin.sha256);
    names.into_iter().flatten().filter_map(digest).collect()
}

/// What a kernel with everything gives. What this machine gives, its executor says at start-up.
fn full() -> Confinement {
    Confinement { landlock_abi: u32::MAX, seccomp: true, rlimits: true, no_network: true }
}

/// Lints a folder of grants: the findings, one a line.
pub fn lint_text(grants: &GrantSet, now: Timestamp) -> (String, usize) {
    let findings = lint(grants, now);
    let mut out: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    let files = text::count(grants.files().len() as u64, "grant file");
    match findings.len() {
        0 => out.push_str(&format!("{files}, nothing to look at twice\n")),
        n => out.push_str(&format!("{files}, {} to look at twice\n", text::count(n as u64, "thing"))),
    }
    (out, findings.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn grants(text: &str) -> Outcome<GrantSet> {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("a.toml"), text).unwrap();
        fs::write(temp.path().join("notes.md"), "no grant").unwrap();
        read(temp.path(), ".cofferdam/grants")
    }

    fn starter() -> String {
        let plugins = [
            ("adapter-sqlite".to_owned(), Sha256Digest::of(b"adapter-sqlite")),
            ("task-sql".to_owned(), Sha256Digest::of(b"task-sql")),
        ];
        crate::init::starter_grant(
            "flights",
            Sha256Digest::of(b"root"),
            &plugins,
            &["wh"],
            &["marts".to_owned()],
            NOW,
        )
    }

    #[test]
    fn the_starter_grant_allows_the_projects_tasks_by_line() {
        let release = crate::release::sample();
        let set = grants(&starter()).unwrap();
        let text = explain(&set, &release, Sha256Digest::of(b"root"), "report.copy", NOW).unwrap();
        insta::assert_snapshot!(text, @r"
        report.copy in role run: allowed
          .cofferdam/grants/a.toml:11 grant `flights-starter` of replace-me@example.com, until 2026-12-21T00:00:00Z
          .cofferdam/grants/a.toml:20 allows sql write on `wh` (reads nothing; writes marts.copy); statements parsed, at most 100000 rows out
          .cofferdam/grants/a.toml:28 allows all files
          .cofferdam/grants/a.toml:31 allows telemetry
          within 1 s, 1024 KiB of memory, 1024 KiB of log
          the scheduler may be told: duration_s, rows_affected
        report.copy in role apply: allowed
          .cofferdam/grants/a.toml:11 grant `flights-starter` of replace-me@example.com, until 2026-12-21T00:00:00Z
          .cofferdam/grants/a.toml:20 allows sql write on `wh` (reads nothing; writes marts.copy); statements parsed, at most 100000 rows out
          .cofferdam/grants/a.toml:28 allows all files
          .cofferdam/grants/a.toml:31 allows telemetry
          within 1 s, 1024 KiB of memory, 1024 KiB of log
          the scheduler may be told: duration_s, rows_affected
        ");
        assert!(refused(&set, &release, Sha256Digest::of(b"root"), NOW).is_empty());
    }

    #[test]
    fn a_task_of_another_project_is_refused() {
        let set = grants(&starter()).unwrap();
        assert_eq!(refused(&set, &crate::release::sample(), Sha256Digest::of(b"other"), NOW).len(), 2);
    }

    #[test]
    fn a_task_that_is_not_there_names_the_nearest() {
        let set = grants(&starter()).unwrap();
        let error = explain(&set, &crate::release::sample(), Sha256Digest::of(b"root"), "report.coyp", NOW)
            .unwrap_err();
        insta::assert_snapshot!(error.render(), @r"
        error[CD0012]: release 7 has no task `report.coyp`
          fix: did you mean `report.copy`?
        ");
    }

    #[test]
    fn an_unknown_key_names_file_and_line() {
        let error = grants(&starter().replace("writes ", "wirtes ")).unwrap_err().render();
        assert!(error.contains(".cofferdam/grants/a.toml:"), "{error}");
    }
}
