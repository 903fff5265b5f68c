//! What goes into a guest and what it says in the end, checked and cut to size.
//!
//! In: the plan's invocation; the guest's answer. Out: WIT values; an [`EndState`].
//! Never: trusts a length, a code or a character of what a guest returned.
//! Fails: with CD0407 where cutting would change the meaning, as in a project's graph.
//! Source: `docs/adr/0003-threads-not-fibers.md`.

use cofferdam_call::{
    Descr, Description, EndState, GENERATED_BYTES_MAX, GENERATED_FILE_BYTES_MAX, GENERATED_FILES_MAX,
    GRAPH_BYTES_MAX, Generated, Invocation, NamedJson, Problem, SqlAsk, TASKS_MAX, TaskDescription, shorten,
};

use crate::{
    bindings::{
        project::exports::cofferdam::task::project as wit_project,
        task::exports::cofferdam::task::task as wit_task,
    },
    stopped::{Stopped, VALUE_TOO_LARGE},
    text::{clean, clean_line},
};

/// Bytes of an outcome's summary.
const SUMMARY_BYTES_MAX: usize = 1 << 10;
/// Bytes of a task failure's or a problem's message.
const FAILURE_BYTES_MAX: usize = 16 << 10;
/// Problems a loader may report.
const PROBLEMS_MAX: usize = 100;
/// Bytes of a task's id, an entry, a tag, a gateway, a relation, a setting's name.
const SHORT_BYTES_MAX: usize = 255;
/// Bytes of a path.
const PATH_BYTES_MAX: usize = 4 << 10;
/// Bytes of one setting.
const JSON_BYTES_MAX: usize = 64 << 10;
/// Entries of one task's lists.
const LIST_MAX: usize = 2_000;
/// What stands for a code that is none.
const NO_CODE: &str = "GUEST";

pub(crate) fn invocation(from: Invocation) -> wit_task::Invocation {
    let arguments = |list: Vec<NamedJson>| {
        list.into_iter().map(|it| wit_task::Argument { name: it.name, json: it.json }).collect()
    };
    wit_task::Invocation {
        task: from.task,
        entry: from.entry,
        gateway: from.gateway,
        run: from.run,
        attempt: from.attempt,
        environment: from.environment,
        started_at: from.started_at,
        settings: arguments(from.settings),
        arguments: arguments(from.arguments),
    }
}

pub(crate) fn project_config(from: Descr) -> wit_project::ProjectConfig {
    let argument = |it: NamedJson| wit_project::Argument { name: it.name, json: it.json };
    wit_project::ProjectConfig {
        root: from.root,
        gateway: from.gateway,
        adapter: from.adapter,
        vars: from.vars.into_iter().map(argument).collect(),
        settings: from.settings.into_iter().map(argument).collect(),
    }
}

pub(crate) fn of_task(result: Result<wit_task::Outcome, wit_task::TaskFailure>) -> Result<EndState, Stopped> {
    Ok(match result {
        Ok(outcome) => EndState::Succeeded {
            rows_affected: outcome.rows_affected,
            summary: shorten(&clean_line(&outcome.summary), SUMMARY_BYTES_MAX),
        },
        Err(failure) => EndState::Failed {
            retryable: failure.kind == wit_task::FailureKind::Transient,
            cancelled: failure.kind == wit_task::FailureKind::Cancelled,
            code: guest_code(&failure.code),
            message: shorten(&clean(&failure.message), FAILURE_BYTES_MAX),
        },
    })
}

/// A guest's code, if it is 2 to 16 of `A-Z`, `0-9`, `_`.
fn guest_code(code: &str) -> String {
    let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let valid = (2..=16).contains(&code.len()) && code.bytes().all(allowed);
    if valid { code } else { NO_CODE }.to_owned()
}

pub(crate) fn of_project(
    result: Result<wit_project::Description, Vec<wit_project::Problem>>,
) -> Result<EndState, Stopped> {
    match result {
        Ok(description) => {
            let mut total = Total::default();
            at_most("the list of tasks", description.tasks.len(), TASKS_MAX)?;
            let tasks = description.tasks.into_iter().map(|task| described(task, &mut total));
            let tasks = tasks.collect::<Result<_, _>>()?;
            Ok(EndState::Described(Description { tasks, files: generated(description.files)? }))
        }
        Err(problems) => {
            let more = problems.len().saturating_sub(PROBLEMS_MAX);
            let mut problems: Vec<_> = problems.into_iter().take(PROBLEMS_MAX).map(problem).collect();
            if more > 0 {
                let message = format!("{more} more problems were found and are not shown");
                problems.push(Problem { path: String::new(), line: 0, message });
            }
            Ok(EndState::Problems(problems))
        }
    }
}

fn problem(from: wit_project::Problem) -> Problem {
    Problem {
        path: shorten(&clean_line(&from.path), PATH_BYTES_MAX),
        line: from.line,
        message: shorten(&clean(&from.message), FAILURE_BYTES_MAX),
    }
}

/// The files a loader made. Which paths they may have is for whoever builds the release to say.
fn generated(files: Vec<wit_project::Generated>) -> Result<Vec<Generated>, Stopped> {
    at_most("the list of files", files.len(), GENERATED_FILES_MAX)?;
    let mut total = 0;
    for file in &files {
        at_most("a file's path", file.path.len(), PATH_BYTES_MAX)?;
        at_most("a file", file.content.len(), GENERATED_FILE_BYTES_MAX)?;
        total += file.content.len();
        at_most("the sum of the files", total, GENERATED_BYTES_MAX)?;
    }
    Ok(files.into_iter().map(|file| Generated { path: file.path, content: file.content }).collect())
}

/// Bytes of the whole graph.
#[derive(Default)]
struct Total(usize);

impl Total {
    /// The text, if it and all before it are within their limits. A graph is signed into a
    /// release: it is taken as it is or not at all.
    fn take(&mut self, what: &str, text: String, max: usize) -> Result<String, Stopped> {
        at_most(what, text.len(), max)?;
        // Each text costs its length on the wire, and each record a little.
        self.0 += text.len() + 4;
        at_most("the project's graph", self.0, GRAPH_BYTES_MAX)?;
        Ok(text)
    }

    fn list(&mut self, what: &str, list: Vec<String>) -> Result<Vec<String>, Stopped> {
        at_most(what, list.len(), LIST_MAX)?;
        list.into_iter().map(|text| self.take(what, text, SHORT_BYTES_MAX)).collect()
    }
}

fn at_most(what: &str, size: usize, limit: usize) -> Result<(), Stopped> {
    if size <= limit {
        return Ok(());
    }
    Err(Stopped::new(
        VALUE_TOO_LARGE,
        format!("{what} the guest returned is {size} long; the limit is {limit}"),
    ))
}

fn described(from: wit_project::TaskSpec, total: &mut Total) -> Result<TaskDescription, Stopped> {
    at_most("a task's list of settings", from.settings.len(), LIST_MAX)?;
    at_most("a task's list of requests", from.sql.len(), LIST_MAX)?;
    Ok(TaskDescription {
        id: total.take("a task's id", from.id, SHORT_BYTES_MAX)?,
        entry: total.take("a task's entry", from.entry, SHORT_BYTES_MAX)?,
        needs: total.list("a task's list of needs", from.needs)?,
        path: total.take("a task's path", from.path, PATH_BYTES_MAX)?,
        tags: total.list("a task's list of tags", from.tags)?,
        settings: from
            .settings
            .into_iter()
            .map(|it| {
                Ok(NamedJson {
                    name: total.take("a setting's name", it.name, SHORT_BYTES_MAX)?,
                    json: total.take("a setting", it.json, JSON_BYTES_MAX)?,
                })
            })
            .collect::<Result<_, _>>()?,
        sql: from.sql.into_iter().map(|ask| sql_ask(ask, total)).collect::<Result<_, _>>()?,
        reads_kept: from.reads_kept,
    })
}

fn sql_ask(from: wit_project::SqlRequest, total: &mut Total) -> Result<SqlAsk, Stopped> {
    Ok(SqlAsk {
        gateway: total.take("a request's gateway", from.gateway, SHORT_BYTES_MAX)?,
        mode: total.take("a request's mode", from.mode, SHORT_BYTES_MAX)?,
        reads: total.list("a request's list of reads", from.reads)?,
        writes: total.list("a request's list of writes", from.writes)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, json: String) -> wit_project::TaskSpec {
        wit_project::TaskSpec {
            id: id.to_owned(),
            entry: "model".to_owned(),
            needs: vec![],
            path: String::new(),
            tags: vec![],
            settings: vec![wit_project::Argument { name: "sql".to_owned(), json }],
            sql: vec![],
            reads_kept: false,
        }
    }

    #[test]
    fn a_guests_words_are_cut_and_cleaned() {
        let failure = wit_task::TaskFailure {
            kind: wit_task::FailureKind::Transient,
            code: "no code\x1b".to_owned(),
            message: format!("\x1b[31m{}", "x".repeat(20_000)),
        };
        let Ok(EndState::Failed { retryable, code, message, .. }) = of_task(Err(failure)) else { panic!() };
        assert!(retryable);
        assert_eq!(code, "GUEST");
        assert!(message.starts_with("\u{fffd}[31mxxx") && message.len() <= FAILURE_BYTES_MAX);
    }

    fn graph(
        tasks: Vec<wit_project::TaskSpec>,
    ) -> Result<wit_project::Description, Vec<wit_project::Problem>> {
        Ok(wit_project::Description { tasks, files: Vec::new() })
    }

    fn files(sizes: &[usize]) -> Result<EndState, Stopped> {
        let file = |size: &usize| wit_project::Generated { path: "p".to_owned(), content: vec![0; *size] };
        of_project(Ok(wit_project::Description {
            tasks: Vec::new(),
            files: sizes.iter().map(file).collect(),
        }))
    }

    #[test]
    fn a_graph_within_its_limits_is_taken_as_it_is() {
        let Ok(EndState::Described(found)) = of_project(graph(vec![task("model.a", "{}".to_owned())])) else {
            panic!()
        };
        assert_eq!(found.tasks[0].id, "model.a");
        assert_eq!(found.tasks[0].settings[0].json, "{}");
    }

    #[test]
    fn generated_files_are_bounded_in_number_size_and_sum() {
        assert!(files(&[GENERATED_FILE_BYTES_MAX]).is_ok());
        insta::assert_snapshot!(files(&[GENERATED_FILE_BYTES_MAX + 1]).unwrap_err(), @"a file the guest returned is 67108865 long; the limit is 67108864");
        insta::assert_snapshot!(files(&vec![0; GENERATED_FILES_MAX + 1]).unwrap_err(), @"the list of files the guest returned is 1001 long; the limit is 1000");
        insta::assert_snapshot!(files(&[GENERATED_FILE_BYTES_MAX; 5]).unwrap_err(), @"the sum of the files the guest returned is 335544320 long; the limit is 268435456");
    }

    #[test]
    fn a_graph_beyond_its_limits_is_refused_whole() {
        let long_id = of_project(graph(vec![task(&"x".repeat(256), String::new())]));
        assert_eq!(long_id.unwrap_err().code, VALUE_TOO_LARGE);
        let huge = (0..1_100).map(|n| task(&format!("t{n}"), "x".repeat(JSON_BYTES_MAX))).collect();
        assert_eq!(of_project(graph(huge)).unwrap_err().code, VALUE_TOO_LARGE);
        let many = (0..=TASKS_MAX).map(|_| task("t", String::new())).collect();
        insta::assert_snapshot!(of_project(graph(many)).unwrap_err(), @"the list of tasks the guest returned is 20001 long; the limit is 20000");
    }

    #[test]
    fn problems_past_the_hundredth_are_counted() {
        let one =
            || wit_project::Problem { path: "models/a.sql".to_owned(), line: 3, message: "no".to_owned() };
        let Ok(EndState::Problems(problems)) = of_project(Err((0..150).map(|_| one()).collect())) else {
            panic!()
        };
        assert_eq!(problems.len(), 101);
        assert_eq!(problems[100].message, "50 more problems were found and are not shown");
    }
}
