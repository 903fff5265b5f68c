//! What stands in FROM, and the clauses of a SELECT.

use sqlparser::ast::{
    Expr, GroupByExpr, Join, JoinOperator, LimitClause, ObjectName, OrderBy, OrderByKind, Select,
    SelectFlavor, SelectItem, TableAlias, TableFactor, TableSample, TableSampleKind, TableSampleMethod,
    TableSampleModifier, TableWithJoins, WildcardAdditionalOptions,
};

use super::{Found, only, types, walk::Walk};
use crate::reading::ReadingProblem;

pub(super) fn is_plain_alias(alias: Option<&TableAlias>) -> bool {
    alias.is_none_or(|alias| alias.at.is_none())
}

pub(super) fn is_plain_order(order: Option<&OrderBy>) -> bool {
    order.is_none_or(|order| order.interpolate.is_none() && matches!(order.kind, OrderByKind::Expressions(_)))
}

pub(super) fn is_plain_limit(limit: Option<&LimitClause>) -> bool {
    match limit {
        Some(LimitClause::LimitOffset { limit_by, .. }) => limit_by.is_empty(),
        Some(LimitClause::OffsetCommaLimit { .. }) | None => true,
    }
}

/// A SELECT has no clauses but those both servers have.
pub(super) fn select(walk: &mut Walk<'_>, select: &Select) -> Found<()> {
    let Select {
        select_token: _,
        optimizer_hints,
        distinct: _,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection,
        exclude,
        into,
        from,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        named_window: _,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    if into.is_some() {
        return Err(ReadingProblem::Kind("SELECT … INTO".to_owned()));
    }
    let plain = optimizer_hints.is_empty()
        && (select_modifiers.is_none() || !walk.is_postgres())
        && top.is_none()
        && exclude.is_none()
        && lateral_views.is_empty()
        && prewhere.is_none()
        && connect_by.is_empty()
        && matches!(group_by, GroupByExpr::Expressions(..))
        && cluster_by.is_empty()
        && distribute_by.is_empty()
        && sort_by.is_empty()
        && qualify.is_none()
        && value_table_mode.is_none()
        && *flavor == SelectFlavor::Standard
        && projection.iter().all(is_plain_item);
    only(plain, "SELECT")?;
    from.iter().try_for_each(|table| joins(walk, table))
}

pub(super) fn is_plain_item(item: &SelectItem) -> bool {
    match item {
        SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. } => true,
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
            let WildcardAdditionalOptions {
                opt_ilike, opt_exclude, opt_except, opt_replace, opt_rename, ..
            } = options;
            opt_ilike.is_none()
                && opt_exclude.is_none()
                && opt_except.is_none()
                && opt_replace.is_none()
                && opt_rename.is_none()
        }
        SelectItem::ExprWithAliases { .. } => false,
    }
}

/// Checks and counts the joins of one entry of FROM.
pub(super) fn joins(walk: &mut Walk<'_>, table: &TableWithJoins) -> Found<()> {
    for Join { relation: _, global, join_operator } in &table.joins {
        use JoinOperator as Op;
        let known = match join_operator {
            Op::Join(_)
            | Op::Inner(_)
            | Op::Left(_)
            | Op::LeftOuter(_)
            | Op::Right(_)
            | Op::RightOuter(_)
            | Op::CrossJoin(_) => true,
            Op::FullOuter(_) => walk.is_postgres(),
            Op::StraightJoin(_) => !walk.is_postgres(),
            _ => false,
        };
        only(known && !global, "JOIN")?;
        walk.counts.joins += 1;
    }
    Ok(())
}

pub(super) fn factor(walk: &mut Walk<'_>, factor: &TableFactor) -> Found<()> {
    let postgres = walk.is_postgres();
    match factor {
        TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } => {
            let plain = with_hints.is_empty() && version.is_none() && json_path.is_none();
            only(is_plain_sample(sample.as_ref(), walk), "table in FROM")?;
            let theirs =
                if postgres { partitions.is_empty() && index_hints.is_empty() } else { args.is_none() };
            only(plain && theirs && (args.is_some() || !with_ordinality), "table in FROM")?;
            aliased(alias.as_ref())?;
            if let Some(args) = args {
                only(args.settings.is_none(), "table in FROM")?;
                called(walk, name)?;
            }
            Ok(())
        }
        TableFactor::Derived { alias, sample: None, .. } => aliased(alias.as_ref()),
        TableFactor::Function { name, alias, .. } if postgres => {
            aliased(alias.as_ref())?;
            called(walk, name)
        }
        TableFactor::UNNEST { alias, with_offset: false, with_offset_alias: None, .. } if postgres => {
            aliased(alias.as_ref())
        }
        TableFactor::NestedJoin { table_with_joins, alias } => {
            aliased(alias.as_ref())?;
            joins(walk, table_with_joins)
        }
        TableFactor::JsonTable { alias, .. } if !postgres => aliased(alias.as_ref()),
        _ => only(false, "table in FROM"),
    }
}

/// `TABLESAMPLE` by one of the server's own ways.
fn is_plain_sample(sample: Option<&TableSampleKind>, walk: &Walk<'_>) -> bool {
    let Some(TableSampleKind::AfterTableAlias(sample) | TableSampleKind::BeforeTableAlias(sample)) = sample
    else {
        return true;
    };
    let TableSample { modifier, name, quantity, seed: _, bucket, offset } = &**sample;
    let known = matches!(name, Some(TableSampleMethod::Bernoulli | TableSampleMethod::System));
    let share = quantity.as_ref().is_some_and(|q| q.parenthesized && q.unit.is_none());
    walk.is_postgres()
        && *modifier == TableSampleModifier::TableSample
        && known
        && share
        && bucket.is_none()
        && offset.is_none()
}

/// The types of an alias are conversions of what a function gives.
fn aliased(alias: Option<&TableAlias>) -> Found<()> {
    only(is_plain_alias(alias), "alias")?;
    let columns = alias.iter().flat_map(|alias| &alias.columns);
    columns.filter_map(|column| column.data_type.as_ref()).try_for_each(types::check)
}

/// A function in FROM. One that uses a sequence would not be seen as such there.
fn called(walk: &mut Walk<'_>, name: &ObjectName) -> Found<()> {
    let function = walk.function_name(name)?;
    if super::functions::sequence_use(walk.names.dialect, &function).is_some() {
        return Err(ReadingProblem::Function(function));
    }
    walk.accounted.push(name);
    Ok(())
}

/// The tables of a FROM clause that have names: the name, and the alias that stands for it.
pub(super) fn named<'t>(table: &'t TableWithJoins, found: &mut Vec<(&'t ObjectName, Option<&'t str>)>) {
    let factors = std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation));
    for factor in factors {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                found.push((name, alias.as_ref().map(|a| a.name.value.as_str())));
            }
            TableFactor::NestedJoin { table_with_joins, .. } => named(table_with_joins, found),
            _ => {}
        }
    }
}

/// Whether an expression is one that an option of a table may have.
pub(super) fn is_literal(value: &Expr) -> bool {
    matches!(value, Expr::Value(_) | Expr::Identifier(_))
}
