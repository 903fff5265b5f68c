//! What stands in a database: every relation with everything about it that is not its rows.
//!
//! In: `psql` on a database. Out: relations by `schema.name`. Never: changes anything.
//! Fails: when the catalog cannot be read.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::step;

/// A table, a view or a materialized view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Relation {
    /// What it is, in words.
    pub(crate) kind: String,
    /// Its columns in their order.
    pub(crate) columns: Vec<Column>,
    /// What is said of it.
    pub(crate) comment: Option<String>,
    /// Its indexes without their names, which are made up anew each time.
    pub(crate) indexes: Vec<String>,
    /// Who may do what beside its owner.
    pub(crate) grants: Vec<String>,
    /// Its constraints.
    pub(crate) constraints: Vec<String>,
    /// A view's text as the server prints it.
    pub(crate) text: Option<String>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// Its type as the server prints it, its length and precision too.
    pub(crate) kind: String,
    /// Whether it refuses NULL.
    pub(crate) not_null: bool,
    /// What is said of it.
    pub(crate) comment: Option<String>,
}

/// Schemas that are the server's, or the executor's fence.
const NOT_OURS: &str = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'cofferdam')";

/// A query that gives one JSON document a relation.
fn catalog() -> String {
    format!(
        "SELECT json_build_object('name', n.nspname || '.' || c.relname, \
         'kind', CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' \
           WHEN 'm' THEN 'materialized view' ELSE c.relkind::text END, \
         'comment', obj_description(c.oid, 'pg_class'), \
         'text', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END, \
         'columns', (SELECT coalesce(json_agg(json_build_object('name', a.attname, \
             'kind', format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull, \
             'comment', col_description(c.oid, a.attnum)) ORDER BY a.attnum), '[]') \
           FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), \
         'indexes', (SELECT coalesce(json_agg(d ORDER BY d), '[]') FROM (SELECT regexp_replace( \
             pg_get_indexdef(i.indexrelid), 'INDEX .*? ON ', 'INDEX ON ') AS d \
           FROM pg_index i WHERE i.indrelid = c.oid) x), \
         'grants', (SELECT coalesce(json_agg(g ORDER BY g), '[]') FROM (SELECT \
             coalesce(nullif(x.grantee, 0)::regrole::text, 'public') || ': ' || x.privilege_type AS g \
           FROM aclexplode(c.relacl) x WHERE x.grantee <> c.relowner) y), \
         'constraints', (SELECT coalesce(json_agg(t ORDER BY t), '[]') FROM (SELECT \
             pg_get_constraintdef(k.oid) AS t FROM pg_constraint k WHERE k.conrelid = c.oid) z)) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {NOT_OURS}"
    )
}

/// All relations of a database.
pub(crate) fn read(psql: &mut Command) -> Result<BTreeMap<String, Relation>> {
    let printed = step::capture("psql", psql.args(["-At", "-c", &catalog()]))?;
    printed
        .lines()
        .map(|line| {
            let document: Value = serde_json::from_str(line).context("a relation of the catalog")?;
            Ok((text(&document["name"]).unwrap_or_default(), relation(&document)))
        })
        .collect()
}

/// Functions and schemas of a database, as lines.
pub(crate) fn others(psql: &mut Command) -> Result<Vec<String>> {
    let query = format!(
        "SELECT 'schema ' || n.nspname FROM pg_namespace n WHERE {NOT_OURS} UNION ALL \
         SELECT 'function ' || p.oid::regprocedure::text FROM pg_proc p \
         JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {NOT_OURS} ORDER BY 1"
    );
    Ok(step::capture("psql", psql.args(["-At", "-c", &query]))?.lines().map(str::to_owned).collect())
}

fn relation(document: &Value) -> Relation {
    let column = |c: &Value| Column {
        name: text(&c["name"]).unwrap_or_default(),
        kind: text(&c["kind"]).unwrap_or_default(),
        not_null: c["not_null"] == true,
        comment: text(&c["comment"]),
    };
    Relation {
        kind: text(&document["kind"]).unwrap_or_default(),
        columns: document["columns"].as_array().into_iter().flatten().map(column).collect(),
        comment: text(&document["comment"]),
        indexes: texts(&document["indexes"]),
        grants: texts(&document["grants"]),
        constraints: texts(&document["constraints"]),
        text: text(&document["text"]),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(text).collect()
}

/// What differs between two relations of one name, a line each.
pub(crate) fn differences(theirs: &Relation, ours: &Relation) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, theirs: &dyn std::fmt::Debug, ours: &dyn std::fmt::Debug| {
        let (theirs, ours) = (format!("{theirs:?}"), format!("{ours:?}"));
        if theirs != ours {
            found.push(format!("{what}: {theirs} and not {ours}"));
        }
    };
    compare("kind", &theirs.kind, &ours.kind);
    let names = |r: &Relation| r.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    compare("columns", &names(theirs), &names(ours));
    for column in &theirs.columns {
        let Some(other) = ours.columns.iter().find(|c| c.name == column.name) else { continue };
        compare(&format!("type of {}", column.name), &column.kind, &other.kind);
        compare(&format!("{} refuses NULL", column.name), &column.not_null, &other.not_null);
        compare(&format!("comment of {}", column.name), &column.comment, &other.comment);
    }
    compare("comment", &theirs.comment, &ours.comment);
    compare("indexes", &theirs.indexes, &ours.indexes);
    compare("grants", &theirs.grants, &ours.grants);
    compare("constraints", &theirs.constraints, &ours.constraints);
    found
}
