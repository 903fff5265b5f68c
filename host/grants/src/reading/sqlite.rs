//! SQLite: which statements are read, and what each of them writes.

use std::thread;

use sqlparser::{
    ast::{
        AlterTable, AlterTableOperation, CreateIndex, CreateTable, CreateView, Delete, FromTable, Insert,
        ObjectName, ObjectType, OnConflict, OnInsert, Query, SetExpr, Statement, TableFactor, TableObject,
        TableWithJoins, Update,
    },
    dialect::SQLiteDialect,
    parser::Parser,
    tokenizer::Token,
};

use super::{
    Dialect, Reading, ReadingProblem, Relation, StatementKind,
    lexical::{self, Tokens},
    mend::mend,
    walk,
};

type Found<T> = Result<T, ReadingProblem>;

/// The schema of temporary relations.
const TEMP: &str = "temp";

/// Depth up to which a statement is read on the caller's own stack.
const DEPTH_OWN_STACK: usize = 100;
/// Stack for the deepest statement let through.
const DEEP_STACK_BYTES: usize = 256 << 20;

/// Reads one statement. An unqualified name belongs to `default_schema`: the engine looks in `temp`
/// before it and in attached schemas behind it; there, its authorizer decides.
pub(super) fn read(sql: &str, default_schema: &str) -> Found<Reading> {
    let mut tokens = lexical::tokenize(sql)?;
    tokens.tokens.retain(|t| !matches!(t.token, Token::Whitespace(_)));
    tokens.tokens = mend(tokens.tokens, Dialect::Sqlite);
    if tokens.depth <= DEPTH_OWN_STACK {
        return parse(tokens, default_schema);
    }
    let unreadable = || ReadingProblem::Unreadable("its expressions nest too deeply".to_owned());
    thread::scope(|scope| {
        let deep = thread::Builder::new().stack_size(DEEP_STACK_BYTES);
        let reader = deep.spawn_scoped(scope, || parse(tokens, default_schema)).map_err(|_| unreadable())?;
        reader.join().map_err(|_| unreadable())?
    })
}

fn parse(tokens: Tokens, default_schema: &str) -> Found<Reading> {
    let unreadable = |why: String| ReadingProblem::Unreadable(why);
    let mut parser = Parser::new(&SQLiteDialect {}).with_tokens_with_locations(tokens.tokens);
    while parser.consume_token(&Token::SemiColon) {}
    if parser.peek_token_ref().token == Token::EOF {
        return Err(ReadingProblem::Count(0));
    }
    let statement = &parser.parse_statement().map_err(|e| unreadable(e.to_string()))?;
    let ended = parser.consume_token(&Token::SemiColon);
    while parser.consume_token(&Token::SemiColon) {}
    // The parser's own way to read all of a text stops at the word END and drops what follows.
    let next = parser.next_token().token;
    if next != Token::EOF {
        return Err(if ended {
            ReadingProblem::Count(2)
        } else {
            unreadable(format!("`{}` stands behind its end", next.to_string().escape_debug()))
        });
    }
    // `WITH … INSERT` is parsed as a query whose body is the statement.
    let inner = match statement {
        Statement::Query(query) => match &*query.body {
            SetExpr::Insert(inner) | SetExpr::Update(inner) | SetExpr::Delete(inner) => inner,
            _ => statement,
        },
        _ => statement,
    };
    let effect = effect(inner, default_schema)?;
    let mut reading = walk::reads(statement, inner, &effect, default_schema)?;
    reading.kind = Some(effect.kind);
    for write in effect.writes {
        if write.is_engine_owned() {
            return Err(ReadingProblem::Reserved(write.to_string()));
        }
        reading.writes.insert(write);
    }
    Ok(reading)
}

/// What a statement does before its expressions are looked at.
pub(super) struct Effect<'a> {
    pub(super) kind: StatementKind,
    writes: Vec<Relation>,
    /// Names that are written and so not read.
    pub(super) targets: Vec<&'a ObjectName>,
    /// The schema an unqualified name in its queries belongs to.
    pub(super) default_schema: Box<str>,
}

impl<'a> Effect<'a> {
    fn new(kind: StatementKind, default_schema: &str) -> Self {
        Self { kind, writes: Vec::new(), targets: Vec::new(), default_schema: default_schema.into() }
    }

    fn writing(mut self, name: &'a ObjectName, default_schema: &str) -> Found<Self> {
        self.writes.push(walk::relation(name, default_schema)?);
        self.targets.push(name);
        Ok(self)
    }
}

fn effect<'a>(statement: &'a Statement, main: &str) -> Found<Effect<'a>> {
    use StatementKind as Kind;
    match statement {
        Statement::Query(_) => Ok(Effect::new(Kind::Select, main)),
        Statement::Insert(insert) => Effect::new(Kind::Insert, main).writing(insert_target(insert)?, main),
        Statement::Update(update) => Effect::new(Kind::Update, main).writing(update_target(update)?, main),
        Statement::Delete(delete) => Effect::new(Kind::Delete, main).writing(delete_target(delete)?, main),
        Statement::CreateTable(create) => create_table(create, main),
        Statement::CreateView(create) => create_view(create, main),
        Statement::CreateIndex(create) => create_index(create, main),
        Statement::AlterTable(alter) => alter_table(alter, main),
        Statement::Drop { object_type, names, temporary: false, table: None, .. } => {
            if !matches!(object_type, ObjectType::Table | ObjectType::View | ObjectType::Index) {
                return Err(ReadingProblem::Kind(format!("DROP {object_type}")));
            }
            names.iter().try_fold(Effect::new(Kind::Drop, main), |effect, name| effect.writing(name, main))
        }
        other => Err(ReadingProblem::Kind(walk::first_words(other))),
    }
}

fn insert_target(insert: &Insert) -> Found<&ObjectName> {
    if let Some(OnInsert::OnConflict(OnConflict { .. })) | None = &insert.on
        && let TableObject::TableName(name) = &insert.table
    {
        return Ok(name);
    }
    Err(ReadingProblem::Unreadable("this form of INSERT is not read".to_owned()))
}

fn update_target(update: &Update) -> Found<&ObjectName> {
    only_table(&update.table)
        .ok_or_else(|| ReadingProblem::Unreadable("this form of UPDATE is not read".to_owned()))
}

fn delete_target(delete: &Delete) -> Found<&ObjectName> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    match &from[..] {
        [table] if delete.tables.is_empty() && delete.using.is_none() => only_table(table),
        _ => None,
    }
    .ok_or_else(|| ReadingProblem::Unreadable("this form of DELETE is not read".to_owned()))
}

fn only_table(table: &TableWithJoins) -> Option<&ObjectName> {
    match &table.relation {
        TableFactor::Table { name, args: None, .. } if table.joins.is_empty() => Some(name),
        _ => None,
    }
}

fn create_table<'a>(create: &'a CreateTable, main: &str) -> Found<Effect<'a>> {
    let foreign = create.like.is_some()
        || create.clone.is_some()
        || create.inherits.is_some()
        || create.partition_of.is_some()
        || create.location.is_some()
        || create.external;
    if foreign {
        return Err(ReadingProblem::Unreadable("this form of CREATE TABLE is not read".to_owned()));
    }
    let schema = if create.temporary { TEMP } else { main };
    Effect::new(StatementKind::Create, main).writing(&create.name, schema)
}

fn create_view<'a>(create: &'a CreateView, main: &str) -> Found<Effect<'a>> {
    if create.materialized || create.to.is_some() {
        return Err(ReadingProblem::Unreadable("this form of CREATE VIEW is not read".to_owned()));
    }
    let schema = if create.temporary { TEMP } else { main };
    let mut effect = Effect::new(StatementKind::Create, main).writing(&create.name, schema)?;
    // Inside a view an unqualified name belongs to the view's own schema; a temporary view sees all.
    if let Some(own) = effect.writes.first().map(Relation::schema).filter(|s| *s != TEMP) {
        effect.default_schema = own.into();
    }
    Ok(effect)
}

/// `CREATE INDEX schema.index ON table`: the table belongs to the index's schema.
fn create_index<'a>(create: &'a CreateIndex, main: &str) -> Found<Effect<'a>> {
    let Some(name) = &create.name else {
        return Err(ReadingProblem::Unreadable("an index needs a name".to_owned()));
    };
    let effect = Effect::new(StatementKind::Create, main).writing(name, main)?;
    let schema = effect.writes.first().map_or(main, Relation::schema).to_owned();
    effect.writing(&create.table_name, &schema)
}

fn alter_table<'a>(alter: &'a AlterTable, main: &str) -> Found<Effect<'a>> {
    let mut effect = Effect::new(StatementKind::Alter, main).writing(&alter.name, main)?;
    let schema = effect.writes.first().map_or(main, Relation::schema).to_owned();
    for operation in &alter.operations {
        match operation {
            AlterTableOperation::RenameTable { table_name } => {
                let (sqlparser::ast::RenameTableNameKind::To(name)
                | sqlparser::ast::RenameTableNameKind::As(name)) = table_name;
                effect = effect.writing(name, &schema)?;
            }
            AlterTableOperation::RenameColumn { .. }
            | AlterTableOperation::AddColumn { .. }
            | AlterTableOperation::DropColumn { .. } => {}
            _ => return Err(ReadingProblem::Kind("ALTER TABLE of this form".to_owned())),
        }
    }
    Ok(effect)
}

/// Names given by a query's `WITH`, folded, with the query behind each.
pub(super) fn common_tables(query: &Query) -> Vec<(String, *const Query)> {
    let tables = query.with.iter().flat_map(|with| &with.cte_tables);
    tables
        .map(|cte| (cte.alias.name.value.to_ascii_lowercase(), std::ptr::from_ref::<Query>(&cte.query)))
        .collect()
}
