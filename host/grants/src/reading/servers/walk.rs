//! The walk over a parsed statement: every relation it names, every function it calls.

use std::{
    collections::{BTreeSet, HashSet},
    ops::ControlFlow,
};

use sqlparser::{
    ast::{
        AccessExpr, BinaryOperator, CastKind, DataType, DateTimeField, Expr, Function, FunctionArg,
        FunctionArgExpr, FunctionArgumentClause, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query,
        Select, SetExpr, Statement, TableFactor, Value, Visit, Visitor,
    },
    tokenizer::{Token, TokenWithSpan},
};

use super::{
    Found, dml,
    functions::{self, Sequence},
    names::Names,
    only, phrases, settings, table, types, unreadable,
};
use crate::file::Beyond;
use crate::reading::{Dialect, Reading, ReadingProblem, Relation, StatementKind};

/// How often words stand in a statement that open a part of it: the tree must hold as many parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) selects: usize,
    pub(super) joins: usize,
    pub(super) set_operations: usize,
}

impl Counts {
    pub(super) fn of(tokens: &[TokenWithSpan]) -> Self {
        let count = |words: &[&str]| {
            let is_one = |t: &&TokenWithSpan| match &t.token {
                Token::Word(w) => {
                    w.quote_style.is_none() && words.iter().any(|k| w.value.eq_ignore_ascii_case(k))
                }
                _ => false,
            };
            tokens.iter().filter(is_one).count()
        };
        Self {
            selects: count(&["select"]),
            joins: count(&["join", "straight_join"]),
            set_operations: count(&["union", "except", "intersect"]),
        }
    }
}

/// One query's `WITH` names, and how many of them can be seen from where the walk is.
struct Scope {
    names: Vec<(String, *const Query)>,
    visible: usize,
    recursive: bool,
}

pub(super) struct Walk<'a> {
    top: &'a Statement,
    pub(super) names: Names<'a>,
    scopes: Vec<Scope>,
    pub(super) reads: BTreeSet<Relation>,
    pub(super) writes: BTreeSet<Relation>,
    /// Names that are written, called or defined, and so are no relations that are read.
    pub(super) accounted: Vec<*const ObjectName>,
    /// Reserved words that stand where the server allows them.
    pub(super) allowed_words: HashSet<*const Ident>,
    /// The first kind of change a statement inside makes.
    pub(super) changes: Option<StatementKind>,
    /// What the statement does beyond the relations it names.
    pub(super) beyond: BTreeSet<Beyond>,
    pub(super) counts: Counts,
}

impl<'a> Walk<'a> {
    pub(super) fn new(top: &'a Statement, names: Names<'a>) -> Self {
        Self {
            top,
            names,
            scopes: Vec::new(),
            reads: BTreeSet::new(),
            writes: BTreeSet::new(),
            accounted: Vec::new(),
            allowed_words: HashSet::new(),
            changes: None,
            beyond: BTreeSet::new(),
            counts: Counts::default(),
        }
    }

    pub(super) fn reach(&mut self, beyond: Beyond, does: bool) {
        if does {
            self.beyond.insert(beyond);
        }
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.names.dialect == Dialect::Postgres
    }

    pub(super) fn visit(&mut self, statement: &Statement) -> Found<()> {
        match statement.visit(self) {
            ControlFlow::Break(problem) => Err(problem),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    pub(super) fn finish(self, kind: StatementKind, expected: &Counts) -> Found<Reading> {
        let rights = matches!(kind, StatementKind::Grant | StatementKind::Revoke);
        if self.counts != *expected && !rights {
            return unreadable("parts of it are not where the reader finds them");
        }
        let kind = if kind.is_read() { self.changes.unwrap_or(kind) } else { kind };
        let Self { reads, writes, beyond, .. } = self;
        Ok(Reading { kind: Some(kind), reads, writes, beyond, problem: None })
    }

    /// Records a relation that is written.
    pub(super) fn write(&mut self, name: &ObjectName) -> Found<Relation> {
        let relation = self.names.relation(name)?;
        self.accounted.push(name);
        self.write_relation(relation.clone())?;
        Ok(relation)
    }

    pub(super) fn write_relation(&mut self, relation: Relation) -> Found<()> {
        if relation.is_engine_owned() {
            return Err(ReadingProblem::Reserved(relation.to_string()));
        }
        self.writes.insert(relation);
        Ok(())
    }

    pub(super) fn read(&mut self, name: &ObjectName) -> Found<()> {
        let dual = matches!(&name.0[..], [ObjectNamePart::Identifier(only)]
            if only.quote_style.is_none() && only.value.eq_ignore_ascii_case("dual"));
        if dual && !self.is_postgres() {
            return Ok(());
        }
        let relation = self.names.relation(name)?;
        self.reads.insert(relation);
        Ok(())
    }

    fn is_common_table(&self, name: &ObjectName) -> bool {
        let [ObjectNamePart::Identifier(ident)] = &name.0[..] else { return false };
        let mut seen = self.scopes.iter().flat_map(|s| s.names.iter().take(s.visible));
        seen.any(|(known, _)| *known == ident.value)
    }

    /// A function that may be called, by its name.
    pub(super) fn function_name(&mut self, name: &ObjectName) -> Found<String> {
        let shown = || {
            ReadingProblem::Function(name.to_string().chars().take(80).flat_map(char::escape_debug).collect())
        };
        let ident = match &name.0[..] {
            [ObjectNamePart::Identifier(only)] => only,
            [ObjectNamePart::Identifier(schema), ObjectNamePart::Identifier(name)]
                if self.is_postgres() && schema.value == "pg_catalog" =>
            {
                name
            }
            _ => return Err(shown()),
        };
        let folded = match self.names.dialect {
            Dialect::Mysql => ident.value.to_ascii_lowercase(),
            _ => ident.value.clone(),
        };
        if !functions::is_allowed(self.names.dialect, &folded) {
            return Err(shown());
        }
        self.allowed_words.insert(ident);
        Ok(folded)
    }

    fn function(&mut self, function: &Function) -> Found<()> {
        let Function {
            name,
            uses_odbc_syntax,
            parameters,
            args,
            within_group: _,
            filter: _,
            null_treatment: _,
            over: _,
        } = function;
        only(!uses_odbc_syntax && *parameters == FunctionArguments::None, "function call")?;
        let called = self.function_name(name)?;
        if let FunctionArguments::List(list) = args {
            let known = |clause: &FunctionArgumentClause| {
                use FunctionArgumentClause as Clause;
                matches!(
                    clause,
                    Clause::OrderBy(_)
                        | Clause::Separator(_)
                        | Clause::Limit(_)
                        | Clause::IgnoreOrRespectNulls(_)
                        | Clause::JsonNullClause(_)
                )
            };
            only(list.clauses.iter().all(known), "function call")?;
        }
        if called == "current_setting" {
            return shown_setting(args);
        }
        match functions::sequence_use(self.names.dialect, &called) {
            Some(how) => self.sequence(args, how),
            None => Ok(()),
        }
    }

    /// `nextval('schema.name')`: the sequence must stand there as a plain string.
    fn sequence(&mut self, args: &FunctionArguments, how: Sequence) -> Found<()> {
        let first = match args {
            FunctionArguments::List(list) => list.args.first(),
            _ => None,
        };
        let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(mut_expr))) = first else {
            return only(false, "sequence function");
        };
        let mut expr = mut_expr;
        if let Expr::Cast {
            kind: CastKind::DoubleColon | CastKind::Cast,
            expr: inner,
            data_type: DataType::Regclass,
            ..
        } = expr
        {
            expr = inner;
        }
        let Expr::Value(value) = expr else { return only(false, "sequence function") };
        let Value::SingleQuotedString(text) = &value.value else { return only(false, "sequence function") };
        let relation = phrases::relation_in(text, self.names)?;
        match how {
            Sequence::Read => drop(self.reads.insert(relation)),
            Sequence::Write => self.write_relation(relation)?,
        }
        Ok(())
    }

    fn expression(&mut self, expr: &Expr) -> Found<()> {
        match expr {
            Expr::Identifier(ident) => {
                if ident.quote_style.is_none() && is_value_word(&ident.value.to_ascii_lowercase()) {
                    self.allowed_words.insert(ident);
                }
                Ok(())
            }
            Expr::Function(function) => self.function(function),
            Expr::BinaryOp { op, .. } => known_operator(op),
            Expr::AnyOp { compare_op, .. } | Expr::AllOp { compare_op, .. } => known_operator(compare_op),
            Expr::Cast { data_type, format: None, kind: CastKind::Cast | CastKind::DoubleColon, .. } => {
                types::check(data_type)
            }
            Expr::Convert { is_try: false, data_type, styles, .. } if styles.is_empty() => {
                data_type.as_ref().map_or(Ok(()), types::check)
            }
            Expr::TypedString(typed) if !typed.uses_odbc_syntax => types::check(&typed.data_type),
            Expr::Prefixed { prefix, .. } => {
                only(!self.is_postgres() && prefix.value.starts_with('_'), "literal")
            }
            Expr::CompoundFieldAccess { access_chain, .. } => {
                let known = |access: &AccessExpr| match access {
                    AccessExpr::Dot(field) => matches!(field, Expr::Identifier(_)),
                    AccessExpr::Subscript(_) => true,
                };
                only(access_chain.iter().all(known), "field access")
            }
            Expr::Extract { field, .. } => {
                if let DateTimeField::Custom(field) = field {
                    self.allowed_words.insert(field);
                }
                Ok(())
            }
            Expr::MatchAgainst { .. } => only(!self.is_postgres(), "expression"),
            _ if is_plain(expr) => Ok(()),
            _ => only(false, "expression"),
        }
    }

    fn query(&mut self, query: &Query) -> Found<()> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch: _,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if !locks.is_empty() {
            return Err(ReadingProblem::Kind("SELECT … FOR UPDATE".to_owned()));
        }
        let plain = for_clause.is_none()
            && settings.is_none()
            && format_clause.is_none()
            && pipe_operators.is_empty();
        only(
            plain && table::is_plain_order(order_by.as_ref()) && table::is_plain_limit(limit_clause.as_ref()),
            "query",
        )?;
        let mut names = Vec::new();
        for cte in with.iter().flat_map(|with| &with.cte_tables) {
            only(cte.from.is_none() && table::is_plain_alias(Some(&cte.alias)), "WITH")?;
            names.push((cte.alias.name.value.clone(), std::ptr::from_ref::<Query>(&cte.query)));
        }
        let recursive = with.as_ref().is_some_and(|with| with.recursive);
        self.scopes.push(Scope { names, visible: 0, recursive });
        let mut parts = vec![&**body];
        while let Some(part) = parts.pop() {
            match part {
                SetExpr::SetOperation { left, right, .. } => {
                    self.counts.set_operations += 1;
                    parts.extend([&**left, &**right]);
                }
                SetExpr::Table(_) => return only(false, "query"),
                SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => {}
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {}
            }
        }
        Ok(())
    }

    /// A body of a `WITH` sees the names before its own, and its own where it is recursive. A name
    /// further on counts as a table, which can only refuse too much.
    fn enter_common_table(&mut self, query: &Query) {
        for scope in &mut self.scopes {
            if let Some(at) = scope.names.iter().position(|(_, body)| std::ptr::eq(*body, query)) {
                scope.visible = at + usize::from(scope.recursive);
            }
        }
    }

    fn leave_common_table(&mut self, query: &Query) {
        for scope in &mut self.scopes {
            if let Some(at) = scope.names.iter().position(|(_, body)| std::ptr::eq(*body, query)) {
                scope.visible = at + 1;
            }
        }
    }
}

/// `current_setting('name')`: the setting must stand there as a plain string.
fn shown_setting(args: &FunctionArguments) -> Found<()> {
    let FunctionArguments::List(list) = args else { return only(false, "function call") };
    match list.args.first() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) => match &value.value {
            Value::SingleQuotedString(name) if settings::is_shown(&name.to_ascii_lowercase()) => Ok(()),
            _ => Err(ReadingProblem::Function("current_setting".to_owned())),
        },
        _ => Err(ReadingProblem::Function("current_setting".to_owned())),
    }
}

/// Reserved words that stand for a value on their own.
fn is_value_word(word: &str) -> bool {
    matches!(
        word,
        "default"
            | "current_catalog"
            | "current_role"
            | "current_schema"
            | "current_user"
            | "session_user"
            | "user"
    )
}

/// The scanner lets through the operators it lists, and those alone.
fn known_operator(op: &BinaryOperator) -> Found<()> {
    let own = matches!(op, BinaryOperator::PGCustomBinaryOperator(_) | BinaryOperator::Assignment);
    only(!own, "operator")
}

/// Expressions that are read by their parts alone.
fn is_plain(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::CompoundIdentifier(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::IsJson { .. }
            | Expr::IsNormalized { .. }
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::SimilarTo { .. }
            | Expr::RLike { .. }
            | Expr::UnaryOp { .. }
            | Expr::AtTimeZone { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Overlay { .. }
            | Expr::Collate { .. }
            | Expr::Nested(_)
            | Expr::Value(_)
            | Expr::Case { .. }
            | Expr::Exists { .. }
            | Expr::Subquery(_)
            | Expr::GroupingSets(_)
            | Expr::Cube(_)
            | Expr::Rollup(_)
            | Expr::Tuple(_)
            | Expr::Array(_)
            | Expr::Interval(_)
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..)
    )
}

impl Visitor for Walk<'_> {
    type Break = ReadingProblem;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        self.enter_common_table(query);
        flow(self.query(query))
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        self.scopes.pop();
        self.leave_common_table(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        self.counts.selects += 1;
        flow(table::select(self, select))
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Self::Break> {
        if std::ptr::eq(statement, self.top) && !dml::is_one(statement) {
            return ControlFlow::Continue(());
        }
        flow(dml::statement(self, statement))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        flow(table::factor(self, factor))
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<Self::Break> {
        if self.accounted.iter().any(|known| std::ptr::eq(*known, name)) || self.is_common_table(name) {
            return ControlFlow::Continue(());
        }
        flow(self.read(name))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        flow(self.expression(expr))
    }

    fn pre_visit_ident(&mut self, ident: &Ident) -> ControlFlow<Self::Break> {
        if types::is_catalog_type(&ident.value) {
            return ControlFlow::Break(ReadingProblem::Type(ident.value.clone()));
        }
        let dual =
            !self.is_postgres() && ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("dual");
        let allowed = dual || self.allowed_words.contains(&std::ptr::from_ref(ident));
        if allowed || self.names.is_name(ident) {
            return ControlFlow::Continue(());
        }
        let why = format!("`{}` stands where a name is read", ident.value.escape_debug());
        ControlFlow::Break(ReadingProblem::Unreadable(why))
    }
}

fn flow(result: Found<()>) -> ControlFlow<ReadingProblem> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(problem) => ControlFlow::Break(problem),
    }
}
