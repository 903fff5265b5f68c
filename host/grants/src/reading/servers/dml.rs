//! INSERT, UPDATE, DELETE and MERGE, on their own or under WITH.

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, FromTable, Insert, Merge, MergeAction, MergeInsertKind,
    MergeUpdateKind, ObjectName, ObjectNamePart, SelectItem, Statement, TableFactor, TableObject,
    TableWithJoins, Update, UpdateTableFromKind,
};

use super::{Found, only, table, unreadable, walk::Walk};
use crate::reading::StatementKind as Kind;

pub(super) fn is_one(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_)
    )
}

pub(super) fn statement(walk: &mut Walk<'_>, statement: &Statement) -> Found<()> {
    let kind = match statement {
        Statement::Insert(insert) => insert_into(walk, insert).map(|()| Kind::Insert)?,
        Statement::Update(update) => update_of(walk, update).map(|()| Kind::Update)?,
        Statement::Delete(delete) => delete_from(walk, delete).map(|()| Kind::Delete)?,
        Statement::Merge(merge) => merge_into(walk, merge).map(|()| Kind::Merge)?,
        _ => return unreadable("a statement inside another is not read"),
    };
    walk.changes.get_or_insert(kind);
    Ok(())
}

fn returning(items: Option<&Vec<SelectItem>>) -> bool {
    items.is_none_or(|items| items.iter().all(table::is_plain_item))
}

fn insert_into(walk: &mut Walk<'_>, insert: &Insert) -> Found<()> {
    let Insert {
        insert_token: _,
        optimizer_hints,
        or,
        ignore: _,
        into: _,
        table,
        table_alias: _,
        columns: _,
        overwrite,
        source: _,
        assignments: _,
        partitioned,
        after_columns,
        has_table_keyword,
        on: _,
        returning: rows,
        output,
        replace_into,
        priority: _,
        insert_alias: _,
        settings,
        format_clause,
        multi_table_insert_type,
        multi_table_into_clauses,
        multi_table_when_clauses,
        multi_table_else_clause,
    } = insert;
    let plain = optimizer_hints.is_empty()
        && or.is_none()
        && !overwrite
        && partitioned.is_none()
        && after_columns.is_empty()
        && !has_table_keyword
        && output.is_none()
        && (!replace_into || !walk.is_postgres())
        && settings.is_none()
        && format_clause.is_none()
        && multi_table_insert_type.is_none()
        && multi_table_into_clauses.is_empty()
        && multi_table_when_clauses.is_empty()
        && multi_table_else_clause.is_none()
        && returning(rows.as_ref());
    only(plain, "INSERT")?;
    match table {
        TableObject::TableName(name) => walk.write(name).map(drop),
        _ => only(false, "INSERT"),
    }
}

/// The table alone, without joins.
fn single<'t>(table: &'t TableWithJoins, what: &str) -> Found<&'t ObjectName> {
    match &table.relation {
        TableFactor::Table { name, args: None, .. } if table.joins.is_empty() => Ok(name),
        _ => unreadable(&format!("this form of {what} is not read")),
    }
}

fn update_of(walk: &mut Walk<'_>, update: &Update) -> Found<()> {
    let Update {
        update_token: _,
        optimizer_hints,
        table: target,
        assignments,
        from,
        selection: _,
        returning: rows,
        output,
        or,
        order_by,
        limit,
    } = update;
    let mysql = !walk.is_postgres();
    let plain = optimizer_hints.is_empty()
        && output.is_none()
        && or.is_none()
        && returning(rows.as_ref())
        && (mysql || (order_by.is_empty() && limit.is_none()));
    only(plain, "UPDATE")?;
    match from {
        None => {}
        Some(UpdateTableFromKind::AfterSet(tables)) if !mysql => {
            tables.iter().try_for_each(|table| table::joins(walk, table))?;
        }
        Some(_) => return only(false, "UPDATE"),
    }
    if mysql && !(target.joins.is_empty() && matches!(target.relation, TableFactor::Table { .. })) {
        table::joins(walk, target)?;
        return update_joined(walk, target, assignments);
    }
    let name = single(target, "UPDATE")?;
    walk.write(name).map(drop)
}

/// MySQL's UPDATE of several tables: those are written whose columns are set. A bare column could
/// belong to any of them.
fn update_joined(walk: &mut Walk<'_>, target: &TableWithJoins, assignments: &[Assignment]) -> Found<()> {
    let mut tables = Vec::new();
    table::named(target, &mut tables);
    for assignment in assignments {
        let AssignmentTarget::ColumnName(column) = &assignment.target else { return only(false, "UPDATE") };
        match column.0.len() {
            1 => {
                for (name, _) in &tables {
                    let relation = walk.names.relation(name)?;
                    walk.write_relation(relation)?;
                }
            }
            length => {
                let owner = ObjectName(column.0[..length - 1].to_vec());
                write_meant(walk, &owner, &tables)?;
            }
        }
    }
    Ok(())
}

/// Records as written every table of a FROM clause that a name could mean.
fn write_meant(walk: &mut Walk<'_>, name: &ObjectName, tables: &[(&ObjectName, Option<&str>)]) -> Found<()> {
    let last =
        |name: &ObjectName| name.0.last().and_then(ObjectNamePart::as_ident).map(|i| i.value.to_lowercase());
    let Some(wanted) = last(name) else { return only(false, "table name") };
    let mut meant = 0;
    for (table, alias) in tables {
        let known = match alias {
            Some(alias) => Some(alias.to_lowercase()),
            None => last(table),
        };
        if known.as_ref() == Some(&wanted) {
            let relation = walk.names.relation(table)?;
            walk.write_relation(relation)?;
            meant += 1;
        }
    }
    only(meant > 0, "table name, which is none of its tables,")
}

fn delete_from(walk: &mut Walk<'_>, delete: &Delete) -> Found<()> {
    let Delete {
        delete_token: _,
        optimizer_hints,
        tables,
        from,
        using,
        selection: _,
        returning: rows,
        output,
        order_by,
        limit,
    } = delete;
    let mysql = !walk.is_postgres();
    let plain = optimizer_hints.is_empty()
        && output.is_none()
        && returning(rows.as_ref())
        && (mysql || (tables.is_empty() && order_by.is_empty() && limit.is_none()));
    only(plain, "DELETE")?;
    let FromTable::WithFromKeyword(from) = from else { return only(false, "DELETE") };
    let sources = using.as_deref().unwrap_or(from);
    for source in sources {
        table::joins(walk, source)?;
    }
    if tables.is_empty() && (using.is_none() || !mysql) {
        let [target] = &from[..] else { return only(false, "DELETE") };
        let name = single(target, "DELETE")?;
        return walk.write(name).map(drop);
    }
    let mut known = Vec::new();
    sources.iter().for_each(|source| table::named(source, &mut known));
    for name in tables {
        write_meant(walk, name, &known)?;
    }
    if using.is_some() {
        only(tables.is_empty(), "DELETE")?;
        for target in from {
            let name = single(target, "DELETE")?;
            write_meant(walk, name, &known)?;
            walk.accounted.push(name);
        }
    }
    Ok(())
}

fn merge_into(walk: &mut Walk<'_>, merge: &Merge) -> Found<()> {
    let Merge { merge_token: _, optimizer_hints, into: _, table, source: _, on: _, clauses, output } = merge;
    only(walk.is_postgres() && optimizer_hints.is_empty() && output.is_none(), "MERGE")?;
    for clause in clauses {
        let known = match &clause.action {
            MergeAction::Insert(insert) => {
                insert.insert_predicate.is_none() && matches!(insert.kind, MergeInsertKind::Values(_))
            }
            MergeAction::Update(update) => {
                update.update_predicate.is_none()
                    && update.delete_predicate.is_none()
                    && matches!(update.kind, MergeUpdateKind::Set(_))
            }
            MergeAction::Delete { .. } | MergeAction::DoNothing { .. } => true,
        };
        only(known, "MERGE")?;
    }
    match table {
        TableFactor::Table { name, args: None, .. } => walk.write(name).map(drop),
        _ => only(false, "MERGE"),
    }
}
