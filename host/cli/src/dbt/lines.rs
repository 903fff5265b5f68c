//! The lines of a run, as dbt's users know them.
//!
//! In: nodes and what came of them. Out: text. Never: prints, looks at a clock, or lets what a
//! warehouse said move the cursor.
//! Fails: not at all. Source: `docs/guides/move-a-dbt-project.md`.

use super::{
    manifest::Node,
    outcome::{Done, Status},
};
use crate::text::{self, Colour, Paint};

/// Columns before the bracket.
const WIDTH: usize = 76;

/// `1 of 28 START sql view model dev.orders .... [RUN]`.
pub(crate) fn start(number: usize, of: usize, node: &Node) -> String {
    dotted(&format!("{number} of {of} START {}", described(node)), "RUN".to_owned())
}

/// What a node is called while it runs.
fn described(node: &Node) -> String {
    let name = text::tame(&node.shown());
    match node.resource_type.as_str() {
        "model" => format!("sql {} model {name}", text::tame(node.materialized())),
        "seed" => format!("seed file {name}"),
        "source" => format!("freshness of {name}"),
        "operation" => operation(node, &name),
        kind => format!("{} {name}", text::tame(kind)),
    }
}

/// The line of a node that ended.
pub(crate) fn end(
    number: usize,
    of: usize,
    node: &Node,
    done: &Done,
    command: Command,
    paint: Paint,
) -> String {
    let name = text::tame(&node.shown());
    let kind = node.resource_type.as_str();
    let took = format!("in {:.2}s", done.took);
    let (words, bracket, colour) = match done.status {
        Status::Success if command == Command::Compile => {
            (format!("OK compiled {name}"), took, Colour::Green)
        }
        Status::Success => {
            let message = done.message.as_deref().and_then(|message| message.lines().next()).unwrap_or("OK");
            (format!("OK {}", made(node)), format!("{} {took}", text::tame(message)), Colour::Green)
        }
        Status::NoOp => (format!("NO-OP {name}"), took, Colour::Dim),
        Status::Pass => (format!("PASS {name}"), format!("PASS {took}"), Colour::Green),
        Status::Warn => {
            let count = done.failures.map_or(String::new(), |n| format!(" {n}"));
            (format!("WARN{count} {name}"), format!("WARN{count} {took}"), Colour::Yellow)
        }
        Status::Fail => {
            let count = done.failures.map_or(String::new(), |n| format!(" {n}"));
            (format!("FAIL{count} {name}"), format!("FAIL{count} {took}"), Colour::Red)
        }
        Status::Error if matches!(kind, "test" | "unit_test") => {
            (format!("ERROR {name}"), format!("ERROR {took}"), Colour::Red)
        }
        Status::Error => (format!("ERROR {}", failed(node)), format!("ERROR {took}"), Colour::Red),
        Status::Skipped => {
            let what = if matches!(kind, "test" | "unit_test") { "test" } else { "relation" };
            (format!("SKIP {what} {name}"), "SKIP".to_owned(), Colour::Yellow)
        }
    };
    let line = dotted(&format!("{number} of {of} {words}"), String::new());
    let line = line.trim_end_matches("[]");
    format!("{line}[{}]", paint.paint(colour, &bracket))
}

/// What a command does with nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Run,
    Compile,
}

fn made(node: &Node) -> String {
    let name = text::tame(&node.shown());
    match node.resource_type.as_str() {
        "model" => format!("created sql {} model {name}", text::tame(node.materialized())),
        "seed" => format!("loaded seed file {name}"),
        "snapshot" => format!("snapshotted {name}"),
        "operation" => operation(node, &name),
        _ => name,
    }
}

/// A hook by its name, and what `run-operation` runs by its text.
fn operation(node: &Node, name: &str) -> String {
    match &node.raw_code {
        Some(code) if !node.tags.iter().any(|tag| tag.starts_with("on-run-")) => {
            let call = code.trim_start_matches("{% do ").trim_end_matches(" %}");
            format!("operation {}", text::tame(&call.chars().take(60).collect::<String>()))
        }
        _ => format!("hook {name}"),
    }
}

fn failed(node: &Node) -> String {
    let name = text::tame(&node.shown());
    match node.resource_type.as_str() {
        "model" => format!("creating sql {} model {name}", text::tame(node.materialized())),
        "seed" => format!("loading seed file {name}"),
        "snapshot" => format!("snapshotting {name}"),
        _ => name,
    }
}

/// The line of a node that was only counted.
pub(crate) fn counted(node: &Node, done: &Done, paint: Paint) -> String {
    let name = text::tame(&node.name);
    let kind = text::tame(&node.resource_type).replace('_', " ");
    let word = if done.status == Status::Skipped { "SKIP" } else { "NO-OP" };
    paint.paint(Colour::Dim, dotted(&format!("{word} {kind} {name}"), word.to_owned()))
}

fn dotted(words: &str, bracket: String) -> String {
    let dots = WIDTH.saturating_sub(words.chars().count() + 1).max(3);
    format!("{words} {} [{bracket}]", ".".repeat(dots))
}

/// Words of a template, each line without what could move the cursor.
pub(crate) fn block(words: &str) -> String {
    words.lines().map(text::tame).collect::<Vec<_>>().join("\n")
}

/// `Found 5 models, 3 seeds, 20 data tests`.
pub(crate) fn found<'a>(nodes: impl Iterator<Item = &'a Node>) -> String {
    let mut counts: Vec<(&str, u64)> = Vec::new();
    for node in nodes {
        let kind = match node.resource_type.as_str() {
            "model" => "model",
            "seed" => "seed",
            "snapshot" => "snapshot",
            "test" => "data test",
            "unit_test" => "unit test",
            "source" => "source",
            "exposure" => "exposure",
            "metric" => "metric",
            "semantic_model" => "semantic model",
            "operation" if node.tags.iter().any(|tag| tag.starts_with("on-run-")) => "hook",
            "saved_query" => "saved query",
            _ => continue,
        };
        match counts.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((kind, 1)),
        }
    }
    let order = [
        "model",
        "seed",
        "snapshot",
        "data test",
        "unit test",
        "source",
        "exposure",
        "hook",
        "metric",
        "semantic model",
        "saved query",
    ];
    counts.sort_by_key(|(kind, _)| order.iter().position(|known| known == kind));
    if counts.is_empty() {
        return "Found nothing".to_owned();
    }
    let words: Vec<String> = counts
        .iter()
        .map(|(kind, count)| match *kind {
            "saved query" if *count != 1 => format!("{count} saved queries"),
            kind => text::count(*count, kind),
        })
        .collect();
    format!("Found {}", words.join(", "))
}

/// Details of what did not succeed, and the last line.
pub(crate) fn summary(results: &[(&Node, &Done)], paint: Paint) -> String {
    let count = |wanted: &[Status]| results.iter().filter(|(_, done)| wanted.contains(&done.status)).count();
    let (bad, warned) = (count(&[Status::Error, Status::Fail]), count(&[Status::Warn]));
    let mut out = String::from("\n");
    let head = match (bad, warned) {
        (0, 0) => paint.paint(Colour::Green, "Completed successfully"),
        (0, _) => {
            paint.paint(Colour::Yellow, format!("Completed with {}", text::count(warned as u64, "warning")))
        }
        _ => {
            let (bad, warned) = (text::count(bad as u64, "error"), text::count(warned as u64, "warning"));
            paint.paint(Colour::Red, format!("Completed with {bad} and {warned}"))
        }
    };
    out.push_str(&format!("{head}\n"));
    for (node, done) in results {
        if matches!(done.status, Status::Error | Status::Fail | Status::Warn) {
            out.push_str(&details(node, done, paint));
        }
    }
    let total = results.len();
    out.push_str(&format!(
        "\nDone. PASS={} WARN={warned} ERROR={bad} SKIP={} NO-OP={} TOTAL={total}\n",
        count(&[Status::Success, Status::Pass]),
        count(&[Status::Skipped]),
        count(&[Status::NoOp]),
    ));
    out
}

fn details(node: &Node, done: &Done, paint: Paint) -> String {
    let (word, colour) = match done.status {
        Status::Warn => ("Warning", Colour::Yellow),
        Status::Fail => ("Failure", Colour::Red),
        _ => ("Error", Colour::Red),
    };
    let kind = text::tame(&node.resource_type);
    let place = text::tame(&node.original_file_path);
    let mut out = format!(
        "\n{}\n",
        paint.paint(colour, format!("{word} in {kind} {} ({place})", text::tame(&node.name)))
    );
    let told = match (done.message.as_deref(), done.failures) {
        (Some(message), _) => message.to_owned(),
        (None, Some(rows)) => format!("Got {}", text::count(rows.unsigned_abs(), "result")),
        (None, None) => String::new(),
    };
    let code = done.code.as_ref().filter(|code| !told.contains(code.as_str()));
    let code = code.map(|code| format!("{}: ", text::tame(code))).unwrap_or_default();
    for (at, line) in told.lines().enumerate() {
        out.push_str(&format!("  {}{}\n", if at == 0 { &code } else { "" }, text::tame(line)));
    }
    if done.compiled.is_some() {
        out.push_str(&format!("  compiled code at {}\n", compiled_path(node)));
    }
    out
}

/// Where the compiled code of a node goes, under the folder of artifacts.
pub(crate) fn compiled_path(node: &Node) -> String {
    format!("target/compiled/{}", sql_path(node))
}

/// `package/path/of/node.sql`; a test of a schema file has a folder for itself.
pub(crate) fn sql_path(node: &Node) -> String {
    let package = &node.package_name;
    let file = &node.original_file_path;
    if file.ends_with(".yml") || file.ends_with(".yaml") {
        let name = if node.path.is_empty() { format!("{}.sql", node.name) } else { node.path.clone() };
        return format!("{package}/{file}/{name}");
    }
    match node.resource_type.as_str() {
        "seed" => format!("{package}/{file}.sql"),
        _ => format!("{package}/{file}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: &str, name: &str) -> Node {
        let mut node = Node {
            name: name.to_owned(),
            resource_type: kind.to_owned(),
            package_name: "shop".to_owned(),
            schema: Some("dev".to_owned()),
            original_file_path: format!("models/{name}.sql"),
            ..Node::default()
        };
        node.config.insert("materialized".to_owned(), "view".into());
        node
    }

    fn done(status: Status, message: Option<&str>, failures: Option<i64>) -> Done {
        Done { status, message: message.map(str::to_owned), failures, took: 0.054, ..Done::skipped() }
    }

    #[test]
    fn a_run_reads_as_its_users_know_it() {
        let (model, seed, test) =
            (node("model", "orders"), node("seed", "items"), node("test", "unique_orders_id"));
        let all = [
            (&seed, done(Status::Success, Some("INSERT 3"), None)),
            (&model, done(Status::Success, Some("CREATE VIEW"), None)),
            (&model, done(Status::Error, Some("relation \"raw.x\" does not exist\u{1b}[2J\n  LINE 1"), None)),
            (&test, done(Status::Pass, None, Some(0))),
            (&test, done(Status::Warn, Some("Got 2 results, configured to warn if != 0"), Some(2))),
            (&test, done(Status::Fail, None, Some(1))),
            (&test, done(Status::Error, Some("no"), None)),
            (&test, done(Status::Skipped, None, None)),
            (&model, done(Status::Skipped, None, None)),
        ];
        let mut out = format!("{}\n{}\n", found(all.iter().map(|(node, _)| *node)), start(1, 9, &model));
        for (at, (node, done)) in all.iter().enumerate() {
            out.push_str(&format!("{}\n", end(at + 1, 9, node, done, Command::Run, Paint::off())));
        }
        let results: Vec<_> = all.iter().map(|(node, done)| (*node, done)).collect();
        out.push_str(&summary(&results, Paint::off()));
        insta::assert_snapshot!(out, @r#"
        Found 3 models, 1 seed, 5 data tests
        1 of 9 START sql view model dev.orders ..................................... [RUN]
        1 of 9 OK loaded seed file dev.items ....................................... [INSERT 3 in 0.05s]
        2 of 9 OK created sql view model dev.orders ................................ [CREATE VIEW in 0.05s]
        3 of 9 ERROR creating sql view model dev.orders ............................ [ERROR in 0.05s]
        4 of 9 PASS unique_orders_id ............................................... [PASS in 0.05s]
        5 of 9 WARN 2 unique_orders_id ............................................. [WARN 2 in 0.05s]
        6 of 9 FAIL 1 unique_orders_id ............................................. [FAIL 1 in 0.05s]
        7 of 9 ERROR unique_orders_id .............................................. [ERROR in 0.05s]
        8 of 9 SKIP test unique_orders_id .......................................... [SKIP]
        9 of 9 SKIP relation dev.orders ............................................ [SKIP]

        Completed with 3 errors and 1 warning

        Error in model orders (models/orders.sql)
          relation "raw.x" does not exist\u{1b}[2J
            LINE 1

        Warning in test unique_orders_id (models/unique_orders_id.sql)
          Got 2 results, configured to warn if != 0

        Failure in test unique_orders_id (models/unique_orders_id.sql)
          Got 1 result

        Error in test unique_orders_id (models/unique_orders_id.sql)
          no

        Done. PASS=3 WARN=1 ERROR=3 SKIP=2 NO-OP=0 TOTAL=9
        "#);
    }
}
