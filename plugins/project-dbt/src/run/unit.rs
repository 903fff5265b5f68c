//! Runs a unit test: the model's statement over rows the test gives, beside the rows it expects.
//!
//! In: the test's node, the tested model's document. Out: pass, or a table of what differs.
//! Never: makes a relation, or reads a row of one: the warehouse is asked for columns alone.
//! Fails: as a failed check where the rows differ.
//! Source: <https://docs.getdbt.com/docs/build/unit-tests>.

use cofferdam_sdk::{FailureKind, Outcome, TaskFailure};
use serde_json::{Map, Value as Json};

use super::Run;
use super::compile::injected;
use super::fixtures::{self, Dialect, difference};
use super::result::Report;
use super::world::{Around, EPHEMERAL, Stubs};
use crate::codes;
use crate::document::{Document, RelationParts};
use crate::jinja::world::{ColumnInfo, Database as _};

/// An input of the test: what it stands for.
struct Input {
    /// The node's id, or `this`.
    unique_id: String,
    /// Its name in the statement.
    expression: String,
    relation: Option<RelationParts>,
}

impl Run<'_> {
    /// Runs the unit test.
    pub(super) fn unit_test(&self, around: &Around<'_>, report: &mut Report) -> Result<Outcome, TaskFailure> {
        let tested = self
            .document
            .tested
            .as_deref()
            .ok_or_else(|| self.unusable("its model is not in the release"))?;
        let node = &self.document.node.0;
        let mut stubs = Stubs::default();
        let over = node.get("overrides").and_then(Json::as_object).cloned().unwrap_or_default();
        let part = |key: &str| over.get(key).and_then(Json::as_object).cloned().unwrap_or_default();
        (stubs.vars, stubs.env, stubs.macros) = (part("vars"), part("env_vars"), part("macros"));
        let mut expressions = Vec::new();
        for given in node.get("given").and_then(Json::as_array).into_iter().flatten() {
            let told = given.get("input").and_then(Json::as_str).unwrap_or_default();
            let mut input = input(tested, told)
                .ok_or_else(|| self.unusable(&format!("the input `{told}` is nothing its model reads")))?;
            if let Some(to) = tested.refs.iter().find(|to| to.unique_id == input.unique_id) {
                input.relation = around.led(to).map_err(|why| self.unusable(&why))?;
            }
            let sql = self.given(around, &input, given)?;
            expressions.push((input.expression.clone(), sql));
            if input.unique_id == "this" {
                stubs.this = Some(input.expression);
            } else {
                stubs.inputs.insert(input.unique_id, input.expression);
            }
        }
        let mut model = Around::new(around.scene, tested);
        model.stubs = Some(&stubs);
        let sql = self.compile(&model)?;
        let sql = injected(&sql, &expressions, self.mysql);
        report.compiled = Some(sql.clone());
        report.made();
        self.compared(around, report, &sql)
    }

    /// The rows of an input as SQL.
    fn given(&self, around: &Around<'_>, input: &Input, given: &Json) -> Result<String, TaskFailure> {
        if given.get("format").and_then(Json::as_str) == Some("sql") {
            return Ok(given
                .get("rows")
                .and_then(Json::as_str)
                .unwrap_or_default()
                .trim()
                .trim_end_matches(';')
                .to_owned());
        }
        let rows =
            fixtures::rows(given.get("rows").unwrap_or(&Json::Null)).map_err(|why| self.unusable(&why))?;
        let warehouse = around.scene.warehouse;
        let columns = match &input.relation {
            None => Vec::new(),
            Some(parts) => warehouse.columns(&around.named(parts)).map_err(|_| self.last_failure(around))?,
        };
        if columns.is_empty() {
            let what =
                input.relation.as_ref().map_or_else(|| input.expression.clone(), RelationParts::dotted);
            return Err(self.unusable(&format!(
                "the columns of {what} are not known, because the warehouse has no such relation; build it first, for \
                 instance with --empty, or give the rows with `format: sql`"
            )));
        }
        let what = format!("the input `{}`", input.expression.trim_start_matches(EPHEMERAL));
        // A table of SQLite's knows the types of its columns.
        let dialect = if self.mysql { Dialect::MySql } else { Dialect::Standard };
        fixtures::select(&rows, &columns, &what, dialect).map_err(|why| self.unusable(&why))
    }

    pub(super) fn quoted(&self, name: &str) -> String {
        self.dialect().quoted(name)
    }

    fn dialect(&self) -> Dialect {
        match self.document.shared.target.kind.as_str() {
            _ if self.mysql => Dialect::MySql,
            "sqlite" => Dialect::Untyped,
            _ => Dialect::Standard,
        }
    }

    fn compared(&self, around: &Around<'_>, report: &mut Report, sql: &str) -> Result<Outcome, TaskFailure> {
        let warehouse = around.scene.warehouse;
        let expect = self.document.node.0.get("expect").cloned().unwrap_or_default();
        let (names, expected) = if expect.get("format").and_then(Json::as_str) == Some("sql") {
            let text = expect
                .get("rows")
                .and_then(Json::as_str)
                .unwrap_or_default()
                .trim()
                .trim_end_matches(';')
                .to_owned();
            let columns = warehouse.columns_of_query(&text).map_err(|_| self.last_failure(around))?;
            (columns.into_iter().map(|column| column.name).collect(), text)
        } else {
            let columns = warehouse.columns_of_query(sql).map_err(|_| self.last_failure(around))?;
            let rows = fixtures::rows(expect.get("rows").unwrap_or(&Json::Null))
                .map_err(|why| self.unusable(&why))?;
            let kept = kept(&columns, &rows);
            let select = fixtures::select(
                &rows,
                if kept.is_empty() { &columns } else { &kept },
                "the model",
                self.dialect(),
            );
            let names: Vec<String> = kept.into_iter().map(|column| column.name).collect();
            (names, select.map_err(|why| self.unusable(&why))?)
        };
        let list = names.iter().map(|name| self.quoted(name)).collect::<Vec<_>>().join(", ");
        let both = format!(
            "select {list}, 'actual' as actual_or_expected from (\n{sql}\n) as dbt_internal_unit_test_actual\nunion all\n\
             select {list}, 'expected' as actual_or_expected from (\n{expected}\n) as dbt_internal_unit_test_expected"
        );
        report.written = Some(both.clone());
        let answer = warehouse.wire.run(&both, true).map_err(|why| self.sql_failure(around, why))?;
        let (mut actual, mut wanted) = (Vec::new(), Vec::new());
        for row in &answer.rows {
            let mut cells: Vec<String> = row.iter().map(fixtures::text).collect();
            let of = cells.pop().unwrap_or_default();
            if of.trim() == "actual" { actual.push(cells) } else { wanted.push(cells) }
        }
        let Some(shown) = difference(&names, &actual, &wanted) else {
            report.status = "pass".to_owned();
            report.failures = Some(0);
            return Ok(self.outcome(Some(actual.len() as u64), "passed"));
        };
        report.status = "fail".to_owned();
        report.failures = Some(1);
        report.message = format!("actual differs from expected:\n\n{shown}\n");
        Err(TaskFailure {
            kind: FailureKind::CheckFailed,
            code: codes::CHECK_FAILED.to_owned(),
            message: format!("{}: actual differs from expected:\n\n{shown}\n", self.who()),
        })
    }

    fn unusable(&self, why: &str) -> TaskFailure {
        TaskFailure::permanent(codes::UNIT_TEST, format!("{}: {why}", self.who()))
    }
}

/// The columns compared: those the first row names, or all where it names none.
fn kept(columns: &[ColumnInfo], rows: &[Map<String, Json>]) -> Vec<ColumnInfo> {
    let Some(first) = rows.first() else { return columns.to_vec() };
    let find = |name: &String| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
    first.keys().filter_map(find).cloned().collect()
}

/// What `ref(…)`, `source(…)` or `this` of a test means to its model.
fn input(tested: &Document, told: &str) -> Option<Input> {
    let told = told.trim();
    if told == "this" {
        let expression = format!("{EPHEMERAL}{}", tested.node.name());
        return Some(Input {
            unique_id: "this".to_owned(),
            expression,
            relation: Some(tested.node.relation()),
        });
    }
    let (function, rest) = told.split_once('(')?;
    let inner = rest.trim_end().strip_suffix(')')?;
    let (mut words, mut version) = (Vec::new(), None);
    for part in inner.split(',').map(str::trim) {
        match part.split_once('=') {
            Some((_, value)) => version = Some(value.trim().trim_matches(['\'', '"'])),
            None => words.push(part.trim_matches(['\'', '"'])),
        }
    }
    match (function.trim(), words.as_slice()) {
        ("ref", [.., name]) => {
            let package = words.len().checked_sub(2).map(|at| words[at]);
            let exact = tested.reference(package, name, version);
            let to = exact.or_else(|| tested.refs.iter().find(|to| to.name == *name))?;
            let expression = format!("{EPHEMERAL}{name}");
            Some(Input { unique_id: to.unique_id.clone(), expression, relation: to.relation.clone() })
        }
        ("source", [source, table]) => {
            let to = tested.source(source, table)?;
            let expression = format!("{EPHEMERAL}{source}__{table}");
            Some(Input { unique_id: to.unique_id.clone(), expression, relation: Some(to.relation.clone()) })
        }
        _ => None,
    }
}

/// The macros that a unit test puts in the place of others: by package, the text of each.
pub(super) fn overrides(document: &Document) -> Vec<(String, String)> {
    let told = document.node.0.get("overrides").and_then(|over| over.get("macros")).and_then(Json::as_object);
    let mut all = Vec::new();
    for (name, value) in told.into_iter().flatten() {
        let (package, name) = name.split_once('.').unwrap_or((document.shared.project.name.as_str(), name));
        let text = format!(
            "{{% macro {name}() %}}{{% set ignored = [varargs, kwargs] %}}{{{{ return(fromjson({})) }}}}{{% endmacro %}}",
            Json::String(value.to_string())
        );
        all.push((package.to_owned(), text));
    }
    all
}
