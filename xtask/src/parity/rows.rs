//! The rows of two relations: as many, and the same, in whatever order.
//!
//! In: `psql` on either database, and which columns count. Out: what differs, with the first rows
//! that do. Never: rounds, trims or folds: a value is what the server prints of it, and NULL is not
//! the empty text. Fails: when a relation cannot be read on either side.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::relation::Relation;

/// Rows shown of each side.
const SHOWN: usize = 3;

/// Rows of one side, counted and summed up.
type Sums = BTreeMap<String, String>;

/// Gives a `psql` of a database.
pub(crate) type Connect<'a> = &'a dyn Fn() -> Command;

/// Counts and sums of every relation. A relation that cannot be read has the server's words.
pub(crate) fn sums(psql: Connect<'_>, of: &BTreeMap<String, Vec<String>>) -> Result<Sums> {
    let mut script = String::from("SET timezone = 'UTC';\n");
    for (name, columns) in of {
        let row = row(columns);
        script += &format!(
            "SELECT {label}, count(*) || ' rows, ' || coalesce(sum(hashtextextended({row}, 0)::numeric), 0) || ' ' || \
             coalesce(sum(hashtextextended({row}, 42)::numeric), 0) FROM {table} q;\n",
            label = literal(name),
            table = quoted(name),
        );
    }
    let mut found = Sums::new();
    for line in piped(&mut psql(), &script)?.lines() {
        if let Some((name, sum)) = line.split_once('\t') {
            found.insert(name.to_owned(), sum.to_owned());
        }
    }
    Ok(found)
}

/// What differs between the rows of two relations whose sums differ.
pub(crate) fn differences(
    theirs: Connect<'_>,
    ours: Connect<'_>,
    name: &str,
    columns: &[String],
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let differing = differing_columns(theirs, ours, name, columns)?;
    if !differing.is_empty() {
        found.push(format!("values differ in: {}", differing.join(", ")));
    }
    let all = |psql: Connect<'_>| -> Result<Vec<String>> {
        let query = format!(
            "SET timezone = 'UTC'; SELECT r FROM (SELECT replace({}, chr(10), '\\n') AS r FROM {} q) x ORDER BY r COLLATE \"C\";",
            row(columns),
            quoted(name)
        );
        Ok(piped(&mut psql(), &query)?.lines().map(str::to_owned).collect())
    };
    let (theirs, ours) = (all(theirs)?, all(ours)?);
    if theirs.len() != ours.len() {
        found.push(format!("{} rows and not {}", theirs.len(), ours.len()));
    }
    for (whose, rows) in
        [("only dbt-core", without(&theirs, &ours)), ("only Cofferdam", without(&ours, &theirs))]
    {
        found.extend(rows.iter().take(SHOWN).map(|row| format!("{whose}: {row}")));
    }
    Ok(found)
}

/// Rows that one side has more of than the other.
fn without(of: &[String], other: &[String]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in other {
        *counts.entry(row).or_default() += 1;
    }
    let mut left = Vec::new();
    for row in of {
        match counts.get_mut(row.as_str()) {
            Some(count) if *count > 0 => *count -= 1,
            _ => left.push(row.clone()),
        }
    }
    left
}

/// The columns whose values, each taken alone, are not the same.
pub(crate) fn differing_columns(
    theirs: Connect<'_>,
    ours: Connect<'_>,
    name: &str,
    columns: &[String],
) -> Result<Vec<String>> {
    let mut script = String::from("SET timezone = 'UTC';\n");
    for column in columns {
        let value = row(std::slice::from_ref(column));
        script += &format!(
            "SELECT {}, sum(hashtextextended({value}, 0)::numeric) FROM {} q;\n",
            literal(column),
            quoted(name)
        );
    }
    let lines = |psql: Connect<'_>| -> Result<BTreeSet<String>> {
        Ok(piped(&mut psql(), &script)?.lines().map(str::to_owned).collect())
    };
    let (theirs, ours) = (lines(theirs)?, lines(ours)?);
    let differing = theirs.symmetric_difference(&ours).filter_map(|l| l.split_once('\t'));
    let differing: BTreeSet<&str> = differing.map(|(column, _)| column).collect();
    Ok(columns.iter().filter(|c| differing.contains(c.as_str())).cloned().collect())
}

/// The columns of a relation that count.
pub(crate) fn counted(relation: &Relation, name: &str, ignored: &BTreeSet<String>) -> Vec<String> {
    let bare = name.split_once('.').map_or(name, |(_, bare)| bare);
    let counts = |column: &str| {
        !ignored.contains(column)
            && !ignored.contains(&format!("{bare}.{column}"))
            && !ignored.contains(&format!("{name}.{column}"))
    };
    relation.columns.iter().map(|c| c.name.clone()).filter(|c| counts(c)).collect()
}

fn row(columns: &[String]) -> String {
    if columns.is_empty() {
        return "'()'".to_owned();
    }
    let columns: Vec<String> = columns.iter().map(|c| format!("q.{}", identifier(c))).collect();
    format!("ROW({})::text", columns.join(", "))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quoted(name: &str) -> String {
    let (schema, bare) = name.split_once('.').unwrap_or(("public", name));
    format!("{}.{}", identifier(schema), identifier(bare))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Runs a script; a statement that fails prints nothing and does not end it.
fn piped(psql: &mut Command, script: &str) -> Result<String> {
    psql.args(["-qAt", "-F", "\t", "-v", "ON_ERROR_STOP=0", "-f", "-"]);
    psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = psql.spawn().context("cannot start psql")?;
    let mut input = child.stdin.take().context("psql takes no input")?;
    let script = script.to_owned();
    let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
    let output = child.wait_with_output().context("psql")?;
    writer.join().map_err(|_| anyhow::anyhow!("psql's input"))?.context("psql's input")?;
    if !output.status.success() {
        bail!("psql: {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
