//! Asks a loader what tasks a folder holds, in the executor's sandbox.
//!
//! In: the loader's component and the collected files. Out: task descriptions, and the files the
//! loader made for them, kept by digest.
//! Never: runs the loader in this process, or lends it anything but the files.
//! Fails: with `CD0009` where the project's files are wrong, `CD0017` where the loader is, `CD0020`
//! where a file it made has no place in the release.
//! Source: `docs/guides/command-line.md`.

use std::{
    collections::BTreeSet,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use cofferdam_bundle::statement::FileEntry;
use cofferdam_call::{NamedJson, Problem, TaskDescription};
use cofferdam_ids::{GatewayName, PluginName, Sha256Digest};
use serde::{Deserialize, Serialize};

use crate::{
    config::Loader,
    failure::{DESCRIBE, Failure, GENERATED, Outcome, PROBLEMS},
    folder, programs, text,
};

/// Problems shown at most; the rest are counted.
const PROBLEMS_SHOWN_MAX: usize = 50;

#[derive(Serialize)]
struct Question<'a> {
    files: Vec<HostFile<'a>>,
    settings: Vec<NamedJson>,
}

#[derive(Serialize)]
struct HostFile<'a> {
    path: &'a str,
    host_path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Described(Described),
    Problems(Vec<Problem>),
    Error(Told),
}

/// What a loader says of its folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Described {
    /// The tasks.
    pub(crate) tasks: Vec<TaskDescription>,
    /// What the loader made; their paths are those in the release.
    pub(crate) files: Vec<FileEntry>,
}

/// What a loader is asked with.
pub(crate) struct Asked<'a> {
    pub(crate) component: &'a Path,
    pub(crate) gateway: &'a GatewayName,
    pub(crate) adapter: &'a PluginName,
    pub(crate) files: &'a [FileEntry],
    pub(crate) blobs: &'a Path,
    /// Where compiled loaders are kept.
    pub(crate) cache: &'a Path,
}

/// An error the executor explains itself.
#[derive(Debug, Deserialize)]
struct Told {
    code: cofferdam_ids::Code,
    message: String,
    fix: String,
}

/// Describes one loader's folder.
pub(crate) fn describe(loader: &Loader, asked: &Asked<'_>) -> Outcome<Described> {
    let mut command = Command::new(programs::beside("cofferdam-executor")?);
    command.arg("describe").arg("--plugin").arg(asked.component);
    command.args(["--root", &loader.root, "--gateway", asked.gateway.as_str()]);
    command.args(["--adapter", asked.adapter.as_str()]).arg("--output").arg(asked.blobs);
    let json = |value: &toml::Value| serde_json::to_string(&super::assemble::json(value)).unwrap_or_default();
    for (name, value) in &loader.vars {
        command.arg("--var").arg(format!("{name}={}", json(value)));
    }
    let files = asked.files.iter().map(|file| HostFile {
        path: &file.path,
        host_path: asked.blobs.join(file.sha256.to_string()).display().to_string(),
    });
    let settings = loader.settings.iter();
    let question = Question {
        files: files.collect(),
        settings: settings.map(|(name, value)| NamedJson { name: name.clone(), json: json(value) }).collect(),
    };
    folder::private_folder(asked.blobs)?;
    folder::private_folder(asked.cache)?;
    command.arg("--cache").arg(asked.cache);
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
        Ok(Answer::Described(found)) => placed(loader, found, asked),
        Ok(Answer::Problems(problems)) => Err(problems_failure(&problems)),
        Ok(Answer::Error(told)) => {
            let failure = Failure::new(told.code, text::tame(&told.message), text::tame(&told.fix));
            Err(failure.why(format!("while the loader `{}` described the project", loader.plugin.get_ref())))
        }
        Err(_) if !output.stderr.trim().is_empty() => Err(broken(text::tame(output.stderr.trim()))),
        Err(error) => Err(broken(format!("its answer cannot be read: {error}"))),
    }
}

/// Gives what the loader made its place in the release, under the project's folder.
fn placed(loader: &Loader, mut found: Described, asked: &Asked<'_>) -> Outcome<Described> {
    let mut taken: BTreeSet<String> = asked.files.iter().map(|file| file.path.clone()).collect();
    let root = loader.root.trim_matches('/');
    for file in &mut found.files {
        let said = text::tame(&file.path);
        let refuse = |why: &str| {
            let what = format!("the loader `{}` made a file `{said}`, {why}", loader.plugin.get_ref());
            let fix = "rename a file of the project that stands in its way; otherwise report it to the loader's author";
            Failure::new(GENERATED, what, fix)
        };
        if !is_plain(&file.path) {
            return Err(refuse("which is no path under `cofferdam/`"));
        }
        // What is signed is what lies here, whatever was said of it.
        let bytes = asked.blobs.join(file.sha256.to_string());
        let there = std::fs::read(&bytes).map_err(|e| Failure::file("read", &bytes, &e))?;
        if Sha256Digest::of(&there) != file.sha256 || there.len() as u64 != file.size {
            return Err(refuse("whose bytes are not what was said of them"));
        }
        if !root.is_empty() {
            file.path = format!("{root}/{}", file.path);
        }
        if !taken.insert(file.path.clone()) {
            return Err(refuse("which is there already"));
        }
    }
    Ok(found)
}

/// A path under `cofferdam/` that means the same everywhere.
fn is_plain(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.chars().any(|c| c.is_control() || c == '\\')
    };
    path.len() <= cofferdam_bundle::PATH_BYTES_MAX - 512
        && path.strip_prefix("cofferdam/").is_some_and(|rest| rest.split('/').all(part))
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
        let message = text::tame(&problem.message);
        match coded(&message) {
            Some((code, rest)) => before.push_str(&format!("error[{code}]: {rest}\n")),
            None => before.push_str(&format!("error: {message}\n")),
        }
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

/// A message that begins with a code of its own: the code, and the rest.
fn coded(message: &str) -> Option<(&str, &str)> {
    let (code, rest) = message.split_once(": ")?;
    let digits = code.strip_prefix("CD")?;
    (digits.len() == 4 && digits.bytes().all(|c| c.is_ascii_digit())).then_some((code, rest))
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
            problem("models/a.sql", 3, "CD0948: the text is too deep"),
            problem("dbt_project.yml", 0, "the file has no `name`"),
        ]);
        insta::assert_snapshot!(failure.render(), @r"
        error: no model or seed is called `fligths`; did you mean `flights`?
          --> models/marts/delays.sql:12
        error[CD0948]: the text is too deep
          --> models/a.sql:3
        error: the file has no `name`
          --> dbt_project.yml

        error[CD0009]: the project has 3 problems
          fix: mend the places named above and build again
        ");
        assert_eq!(failure.exit_code(), 1);
    }

    fn place(path: &str, there: &[&str]) -> Outcome<Vec<String>> {
        let temp = tempfile::tempdir().unwrap();
        let entry = |path: &str| FileEntry { path: path.to_owned(), sha256: Sha256Digest::of(b"x"), size: 1 };
        std::fs::write(temp.path().join(Sha256Digest::of(b"x").to_string()), b"x").unwrap();
        let files: Vec<_> = there.iter().map(|path| entry(path)).collect();
        let loader: Loader =
            toml::from_str("plugin = \"loader\"\nruns_with = \"task\"\nroot = \"shop\"").unwrap();
        let asked = Asked {
            component: Path::new("x"),
            gateway: &GatewayName::new("wh").unwrap(),
            adapter: &PluginName::new("a").unwrap(),
            files: &files,
            blobs: temp.path(),
            cache: temp.path(),
        };
        let found = Described { tasks: Vec::new(), files: vec![entry(path)] };
        Ok(placed(&loader, found, &asked)?.files.into_iter().map(|file| file.path).collect())
    }

    #[test]
    fn a_generated_file_lies_under_the_projects_folder_and_nowhere_else() {
        assert_eq!(place("cofferdam/nodes", &["shop/a.sql"]).unwrap(), ["shop/cofferdam/nodes"]);
        for bad in ["models/a.sql", "cofferdam/", "cofferdam/../a", "/cofferdam/a", "cofferdam//a", ""] {
            let error = place(bad, &[]).unwrap_err().render();
            assert!(error.starts_with("error[CD0020]"), "{bad}: {error}");
        }
        insta::assert_snapshot!(place("cofferdam/a", &["shop/cofferdam/a"]).unwrap_err().render(), @r"
        error[CD0020]: the loader `loader` made a file `cofferdam/a`, which is there already
          fix: rename a file of the project that stands in its way; otherwise report it to the loader's author
        ");
    }

    #[test]
    fn every_kind_of_answer_is_read() {
        let tasks = r#"{"described":{"tasks":[{"id":"m","entry":"model","needs":[],"path":"","tags":[],"settings":[],"sql":[],"reads_kept":false}],"files":[]}}"#;
        assert!(
            matches!(serde_json::from_str(tasks), Ok(Answer::Described(found)) if found.tasks.len() == 1)
        );
        let error = r#"{"error":{"code":"CD0501","message":"m","fix":"f"}}"#;
        assert!(matches!(serde_json::from_str(error), Ok(Answer::Error(told)) if told.code.0 == 501));
    }
}
