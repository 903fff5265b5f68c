//! The walk over a parsed statement that finds what it reads.

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::ast::{
    AlterTableOperation, ColumnDef, ColumnOption, Expr, ObjectName, ObjectNamePart, Query, Select, SetExpr,
    Statement, TableConstraint, TableFactor, Visit, Visitor,
};

use super::{
    Dialect, Reading, ReadingProblem, Relation,
    functions::{CATALOG, EPONYMOUS, ROW_FUNCTIONS, is_pure},
    sqlite::{Effect, common_tables},
};

/// Everything a statement reads. `inner` is the statement itself or the one under its `WITH`.
pub(super) fn reads(
    statement: &Statement,
    inner: &Statement,
    effect: &Effect<'_>,
    default_schema: &str,
) -> Result<Reading, ReadingProblem> {
    let mut walk =
        Walk { statement, inner, effect, scopes: Vec::new(), reads: BTreeSet::new(), called: Vec::new() };
    if let ControlFlow::Break(problem) = statement.visit(&mut walk) {
        return Err(problem);
    }
    for name in foreign_tables(inner, default_schema)? {
        // A foreign key names a table of its own table's schema.
        walk.reads.insert(name);
    }
    Ok(Reading { reads: walk.reads, ..Reading::default() })
}

/// A one- or two-part name as a relation.
pub(super) fn relation(name: &ObjectName, default_schema: &str) -> Result<Relation, ReadingProblem> {
    let unreadable =
        || ReadingProblem::Unreadable("a relation is named by a name and at most a schema".to_owned());
    let part = |part: &ObjectNamePart| part.as_ident().map(|i| i.value.clone()).ok_or_else(unreadable);
    match &name.0[..] {
        [only] => Ok(Relation::new(Dialect::Sqlite, default_schema, &part(only)?)),
        [schema, name] => Ok(Relation::new(Dialect::Sqlite, &part(schema)?, &part(name)?)),
        _ => Err(unreadable()),
    }
}

/// The first two words of a statement, in capitals, to name its kind by.
pub(super) fn first_words(statement: &Statement) -> String {
    let text = statement.to_string();
    let words: Vec<_> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').take(2).collect();
    words.join(" ").trim().to_ascii_uppercase().chars().take(40).collect()
}

/// One query's `WITH` names, and how many of them can be seen from where the walk is.
struct Scope {
    names: Vec<(String, *const Query)>,
    visible: usize,
}

pub(super) struct Walk<'a> {
    statement: &'a Statement,
    inner: &'a Statement,
    effect: &'a Effect<'a>,
    scopes: Vec<Scope>,
    reads: BTreeSet<Relation>,
    /// Names of functions that stand in FROM.
    called: Vec<*const ObjectName>,
}

impl Walk<'_> {
    fn is_common_table(&self, name: &ObjectName) -> bool {
        let [ObjectNamePart::Identifier(ident)] = &name.0[..] else { return false };
        let name = ident.value.to_ascii_lowercase();
        let mut seen = self.scopes.iter().flat_map(|s| s.names.iter().take(s.visible));
        seen.any(|(known, _)| *known == name)
    }

    fn read(&mut self, name: &ObjectName) -> Result<(), ReadingProblem> {
        let relation = relation(name, &self.effect.default_schema)?;
        let engine_owned = relation.is_engine_owned() || EPONYMOUS.contains(&relation.name());
        if engine_owned && !CATALOG.contains(&relation.name()) {
            return Err(ReadingProblem::Reserved(relation.to_string()));
        }
        self.reads.insert(relation);
        Ok(())
    }

    fn function(&self, name: &ObjectName) -> Result<(), ReadingProblem> {
        let shown = || name.to_string().chars().take(80).flat_map(char::escape_debug).collect();
        match &name.0[..] {
            [ObjectNamePart::Identifier(ident)] if is_pure(&ident.value.to_ascii_lowercase()) => Ok(()),
            _ => Err(ReadingProblem::Function(shown())),
        }
    }

    fn table_factor(&mut self, factor: &TableFactor) -> Result<(), ReadingProblem> {
        let refuse = |what: &str| Err(ReadingProblem::Unreadable(format!("{what} in FROM is not read")));
        match factor {
            TableFactor::Table { name, args: Some(_), .. } => {
                // `schema.function(…)` does not choose the catalog that is asked.
                let known = relation(name, &self.effect.default_schema)?;
                if !ROW_FUNCTIONS.contains(&known.name()) {
                    return Err(ReadingProblem::Function(known.name().escape_debug().to_string()));
                }
                if !CATALOG.contains(&known.name()) {
                    self.called.push(name);
                }
                Ok(())
            }
            TableFactor::Table { version: None, json_path: None, .. } => Ok(()),
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => Ok(()),
            _ => refuse("this"),
        }
    }
}

impl Visitor for Walk<'_> {
    type Break = ReadingProblem;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        // In SQLite the names of one WITH see each other in any order. Here a body sees those before
        // it and itself alone; a name further on counts as a table, which can only refuse too much.
        for scope in &mut self.scopes {
            if let Some(at) = scope.names.iter().position(|(_, body)| std::ptr::eq(*body, query)) {
                scope.visible = at + 1;
            }
        }
        self.scopes.push(Scope { names: common_tables(query), visible: 0 });
        match &*query.body {
            SetExpr::Merge(_) | SetExpr::Table(_) => {
                ControlFlow::Break(ReadingProblem::Unreadable("this form of query is not read".to_owned()))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<Self::Break> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        if select.into.is_some() || !select.lateral_views.is_empty() {
            return ControlFlow::Break(ReadingProblem::Unreadable(
                "this form of SELECT is not read".to_owned(),
            ));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Self::Break> {
        // A statement inside an expression or a common table expression is nothing SQLite has.
        if std::ptr::eq(statement, self.statement) || std::ptr::eq(statement, self.inner) {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(ReadingProblem::Unreadable("a statement inside another is not read".to_owned()))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        flow(self.table_factor(factor))
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<Self::Break> {
        let target = self.effect.targets.iter().any(|t| std::ptr::eq(*t, name));
        let called = self.called.iter().any(|known| std::ptr::eq(*known, name));
        if target || called || self.is_common_table(name) {
            return ControlFlow::Continue(());
        }
        flow(self.read(name))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        match expr {
            Expr::Function(function) => flow(self.function(&function.name)),
            Expr::InUnnest { .. } => {
                ControlFlow::Break(ReadingProblem::Unreadable("IN UNNEST is not read".to_owned()))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn flow(result: Result<(), ReadingProblem>) -> ControlFlow<ReadingProblem> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(problem) => ControlFlow::Break(problem),
    }
}

/// Tables that the foreign keys of a statement name.
fn foreign_tables(statement: &Statement, main: &str) -> Result<Vec<Relation>, ReadingProblem> {
    let mut names: Vec<&ObjectName> = Vec::new();
    let schema = match statement {
        Statement::CreateTable(create) => {
            names.extend(create.columns.iter().flat_map(of_column));
            for constraint in &create.constraints {
                if let TableConstraint::ForeignKey(key) = constraint {
                    names.push(&key.foreign_table);
                }
            }
            relation(&create.name, if create.temporary { "temp" } else { main })?
        }
        Statement::AlterTable(alter) => {
            for operation in &alter.operations {
                if let AlterTableOperation::AddColumn { column_def, .. } = operation {
                    names.extend(of_column(column_def));
                }
            }
            relation(&alter.name, main)?
        }
        _ => return Ok(Vec::new()),
    };
    names.into_iter().map(|name| relation(name, schema.schema())).collect()
}

fn of_column(column: &ColumnDef) -> impl Iterator<Item = &ObjectName> {
    column.options.iter().filter_map(|option| match &option.option {
        ColumnOption::ForeignKey(key) => Some(&key.foreign_table),
        _ => None,
    })
}
