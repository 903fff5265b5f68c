//! Asks a loader what tasks a folder holds, in the executor's sandbox.
//!
//! In: the loader's component and the collected files. Out: task descriptions.
//! Never: runs the loader in this process, or lends it anything but the files.
//! Fails: with `CD0009` where the project's files are wrong, `CD0017` where the loader is.
//! Source: `docs/guides/command-line.md`.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use cofferdam_bundle::statement::FileEntry;
use cofferdam_call::{Problem, TaskDescription};
use cofferdam_ids::GatewayName;
use serde::{Deserialize, Serialize};

use crate::{
    config::Loader,
    failure::{DESCRIBE, Failure, Outcome, PROBLEMS},
    programs, text,
};

/// Problems shown at most; the rest are counted.
const PROBLEMS_SHOWN_MAX: usize = 50;

#[derive(Serialize)]
struct Question<'a> {
    files: Vec<HostFile<'a>>,
}

#[derive(Serialize)]
struct HostFile<'a> {
    path: &'a str,
    host_path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Tasks(Vec<TaskDescription>),
    Problems(Vec<Problem>),
    Error(Told),
}

/// An error the executor explains itself.
#[derive(Debug, Deserialize)]
struct Told {
    code: cofferdam_ids::Code,
    message: String,
    fix: String,
}

/// Describes one loader's folder. `project` is for the places in problems.
pub(crate) fn describe(
    loader: &Loader,
    component: &Path,
    gateway: &GatewayName,
    files: &[FileEntry],
    blobs: &Path,
) -> Outcome<Vec<TaskDescription>> {
    let mut command = Command::new(programs::beside("cofferdam-executor")?);
    command.arg("describe").arg("--plugin").arg(component);
    command.args(["--root", &loader.root, "--gateway", gateway.as_str()]);
    for (name, value) in &loader.vars {
        let json = serde_json::to_string(&super::assemble::json(value)).unwrap_or_default();
        command.arg("--var").arg(format!("{name}={json}"));
    }
    let question = Question {
        files: files
            .iter()
            .map(|file| HostFile {
                path: &file.path,
                host_path: blobs.join(file.sha256.to_string()).display().to_string(),
            })
            .collect(),
    };
    let output = ask(command, &serde_json::to_vec(&question).unwrap_or_default())?;
    let broken = |why: String| {
        Failure::new(
            DESCRIBE,
            format!("the loader `{}` could not describe the project", loader.plugin.get_ref()),
            "check that the programs of Cofferdam are of one version; then report it to the loader's author",
        )
        .why(why)
    };
    let last = output.stdout.trim();
    match serde_json::from_str::<Answer>(last) {
        Ok(Answer::Tasks(tasks)) => Ok(tasks),
        Ok(Answer::Problems(problems)) => Err(problems_failure(&problems)),
        Ok(Answer::Error(told)) => {
            let failure = Failure::new(told.code, text::tame(&told.message), text::tame(&told.fix));
            Err(failure.why(format!("while the loader `{}` described the project", loader.plugin.get_ref())))
        }
        Err(_) if !output.stderr.trim().is_empty() => Err(broken(text::tame(output.stderr.trim()))),
        Err(error) => Err(broken(format!("its answer cannot be read: {error}"))),
    }
}

struct Said {
    stdout: String,
    stderr: String,
}

fn ask(mut command: Command, question: &[u8]) -> Outcome<Said> {
    let program = Path::new("cofferdam-executor");
    let fail = |e: std::io::Error| Failure::file("run", program, &e);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(fail)?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // Both pipes may fill up, so one is written while the other is read. A child that went
        // away before it read all says why on its standard error.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(question)));
        child.wait_with_output().map_err(fail)
    })?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Said { stdout: text(output.stdout), stderr: text(output.stderr) })
}

/// Problems as a compiler prints them.
fn problems_failure(problems: &[Problem]) -> Box<Failure> {
    let mut before = String::new();
    for problem in problems.iter().take(PROBLEMS_SHOWN_MAX) {
        before.push_str(&format!("error: {}\n", text::tame(&problem.message)));
        let path = text::tame(&problem.path);
        match (path.is_empty(), problem.line) {
            (true, _) => {}
            (false, 0) => before.push_str(&format!("  --> {path}\n")),
            (false, line) => before.push_str(&format!("  --> {path}:{line}\n")),
        }
    }
    if problems.len() > PROBLEMS_SHOWN_MAX {
        before.push_str(&format!("… and {} more\n", problems.len() - PROBLEMS_SHOWN_MAX));
    }
    before.push('\n');
    let what = format!("the project has {}", text::count(problems.len() as u64, "problem"));
    Failure::new(PROBLEMS, what, "mend the places named above and build again").after(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_look_like_a_compilers() {
        let problem =
            |path: &str, line, message: &str| Problem { path: path.into(), line, message: message.into() };
        let failure = problems_failure(&[
            problem(
                "models/marts/delays.sql",
                12,
                "no model or seed is called `fligths`; did you mean `flights`?",
            ),
            problem("dbt_project.yml", 0, "the file has no `name`"),
        ]);
        insta::assert_snapshot!(failure.render(), @r"
        error: no model or seed is called `fligths`; did you mean `flights`?
          --> models/marts/delays.sql:12
        error: the file has no `name`
          --> dbt_project.yml

        error[CD0009]: the project has 2 problems
          fix: mend the places named above and build again
        ");
        assert_eq!(failure.exit_code(), 1);
    }

    #[test]
    fn every_kind_of_answer_is_read() {
        let tasks =
            r#"{"tasks":[{"id":"m","entry":"model","needs":[],"path":"","tags":[],"settings":[],"sql":[]}]}"#;
        assert!(matches!(serde_json::from_str(tasks), Ok(Answer::Tasks(tasks)) if tasks.len() == 1));
        let error = r#"{"error":{"code":"CD0501","message":"m","fix":"f"}}"#;
        assert!(matches!(serde_json::from_str(error), Ok(Answer::Error(told)) if told.code.0 == 501));
    }
}
