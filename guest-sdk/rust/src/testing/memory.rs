//! [`MemoryHost`]: files, a scripted warehouse and a captured log.

use std::{cell::RefCell, rc::Rc};

use super::state::{Answer, State, squeeze};
use crate::{
    Access, ChangeMark, Column, ColumnDeclaration, Connection, Context, DataType, Dialect, Failure, FileInfo,
    Files, KeptAttempt, Level, Loader, MergeStrategy, ProjectContext, Relation, RelationInfo, RelationKind,
    Rows, Session, Snapshot, Sql, Table, Telemetry, Value, ValueRange, Warehouse,
    arrow::{FrameReader, rows},
    codes,
};

/// A host in memory. Clones share what they know and have seen.
///
/// ```
/// use cofferdam_sdk::{Column, DataType, Invocation, Outcome, Table, Task, TaskFailure, Context, Access};
/// use cofferdam_sdk::{read_all, testing::MemoryHost};
///
/// struct Count;
///
/// impl Task for Count {
///     fn run(cx: &Context<'_>, invocation: Invocation) -> Result<Outcome, TaskFailure> {
///         let connection = cx.warehouse.open(invocation.required_gateway()?, Access::Read)?;
///         let table = read_all(connection.query("select count(*) from orders", &[])?)?;
///         Ok(Outcome { rows_affected: None, summary: format!("{:?}", table.scalar()) })
///     }
/// }
///
/// let host = MemoryHost::new().answer(
///     "select count(*) from orders",
///     Table::new(vec![Column::new("n", DataType::Int64)], vec![vec![3.into()]]),
/// );
/// let invocation = Invocation { gateway: Some("main".into()), ..Invocation::default() };
/// let outcome = Count::run(&host.context(), invocation).unwrap();
/// assert_eq!(outcome.summary, "Some(Int64(3))");
/// assert_eq!(host.done(), ["open main for reading", "select count(*) from orders"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryHost {
    state: Rc<RefCell<State>>,
}

impl MemoryHost {
    /// An empty host.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file of the release.
    #[must_use]
    pub fn file(self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.state.borrow_mut().files.insert(path.to_owned(), bytes.into());
        self
    }

    /// Adds a relation the warehouse has.
    #[must_use]
    pub fn relation(self, relation: Relation, kind: RelationKind, columns: Vec<Column>) -> Self {
        self.state.borrow_mut().relations.insert(relation, (kind, columns));
        self
    }

    /// Adds an attempt of the run that has ended; its content is that of whatever file is asked for.
    #[must_use]
    pub fn attempt(self, attempt: KeptAttempt) -> Self {
        self.state.borrow_mut().attempts.push(attempt);
        self
    }

    /// Scripts the rows of a statement. Scripted several times, the answers come in turn and the
    /// last one stays. Runs of blanks count as one.
    #[must_use]
    pub fn answer(self, statement: &str, table: Table) -> Self {
        self.script(statement, Answer::Rows(table))
    }

    /// Scripts the number of rows of something that changes: a statement, or a call as
    /// [`Self::done`] writes it, e.g. `create table main.orders as select 1`. 0 unless scripted.
    #[must_use]
    pub fn answer_count(self, statement: &str, rows: u64) -> Self {
        self.script(statement, Answer::Count(rows))
    }

    /// Scripts a failure.
    #[must_use]
    pub fn fail(self, statement: &str, failure: Failure) -> Self {
        self.script(statement, Answer::Failure(failure))
    }

    fn script(self, statement: &str, answer: Answer) -> Self {
        self.state.borrow_mut().answers.entry(squeeze(statement)).or_default().push_back(answer);
        self
    }

    /// What a task is lent.
    pub fn context(&self) -> Context<'_> {
        Context { files: self, warehouse: self, telemetry: self }
    }

    /// What a project loader is lent.
    pub fn project_context(&self) -> ProjectContext<'_> {
        ProjectContext { files: self, telemetry: self }
    }

    /// Everything done to the warehouse so far, in its order, values behind `--`.
    pub fn done(&self) -> Vec<String> {
        self.state.borrow().done.clone()
    }

    /// The log so far.
    pub fn log_lines(&self) -> Vec<(Level, String)> {
        self.state.borrow().log.clone()
    }

    /// What was kept beside the log under this name.
    pub fn kept(&self, name: &str) -> Option<Vec<u8>> {
        self.state.borrow().kept.get(name).cloned()
    }

    /// The last word on how far the work is.
    pub fn last_progress(&self) -> Option<(u64, u64)> {
        self.state.borrow().progress
    }
}

impl Files for MemoryHost {
    fn list(&self, prefix: &str) -> Result<Vec<FileInfo>, Failure> {
        let state = self.state.borrow();
        let files = state.files.iter().filter(|(path, _)| path.starts_with(prefix));
        Ok(files.map(|(path, bytes)| FileInfo { path: path.clone(), size: bytes.len() as u64 }).collect())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Failure> {
        self.state
            .borrow()
            .files
            .get(path)
            .cloned()
            .ok_or_else(|| Failure::invalid(codes::UNSCRIPTED, format!("the release has no file `{path}`")))
    }

    fn read_part(&self, path: &str, offset: u64, length: u64) -> Result<Vec<u8>, Failure> {
        let whole = self.read(path)?;
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(whole.len());
        Ok(whole[at(offset)..at(offset.saturating_add(length))].to_vec())
    }
}

impl Telemetry for MemoryHost {
    fn log(&self, level: Level, message: &str) {
        self.state.borrow_mut().log.push((level, message.to_owned()));
    }

    fn progress(&self, done: u64, total: u64) {
        self.state.borrow_mut().progress = Some((done, total));
    }

    fn keep(&self, name: &str, content: &[u8]) -> Result<(), Failure> {
        self.state.borrow_mut().kept.insert(name.to_owned(), content.to_owned());
        Ok(())
    }

    fn kept(&self, _name: &str, start: &str) -> Result<Vec<KeptAttempt>, Failure> {
        let state = self.state.borrow();
        Ok(state.attempts.iter().filter(|attempt| attempt.task.starts_with(start)).cloned().collect())
    }
}

fn opened(state: &Rc<RefCell<State>>, gateway: &str, access: Access) -> Result<(), Failure> {
    let how = match access {
        Access::Read => "reading",
        Access::Write => "writing",
        Access::Admin => "administration",
    };
    state.borrow_mut().count(&format!("open {gateway} for {how}"), &[]).map(drop)
}

impl Warehouse for MemoryHost {
    fn open(&self, gateway: &str, access: Access) -> Result<Box<dyn Connection>, Failure> {
        opened(&self.state, gateway, access)?;
        Ok(Box::new(MemoryConnection { state: Rc::clone(&self.state) }))
    }
}

impl Sql for MemoryHost {
    fn open(&self, gateway: &str, access: Access) -> Result<Box<dyn Session>, Failure> {
        opened(&self.state, gateway, access)?;
        Ok(Box::new(MemoryConnection { state: Rc::clone(&self.state) }))
    }
}

struct MemoryConnection {
    state: Rc<RefCell<State>>,
}

impl MemoryConnection {
    /// A call that changes something, as [`MemoryHost::done`] writes it.
    fn change(&self, what: &str) -> Result<u64, Failure> {
        self.state.borrow_mut().count(what, &[])
    }

    fn put(&self, relation: &Relation, kind: RelationKind, columns: Vec<Column>) {
        self.state.borrow_mut().relations.insert(relation.clone(), (kind, columns));
    }

    fn loader(&self, what: String) -> Result<Box<dyn Loader>, Failure> {
        self.change(&what)?;
        let state = Rc::clone(&self.state);
        Ok(Box::new(MemoryLoader {
            state,
            what,
            reader: FrameReader::new(),
            rows: Vec::new(),
            replaces: None,
        }))
    }
}

impl Session for MemoryConnection {
    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure> {
        Ok(Box::new(MemoryRows::new(self.state.borrow_mut().rows(statement, values)?)?))
    }

    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        self.state.borrow_mut().count(statement, values)
    }

    fn begin(&self) -> Result<(), Failure> {
        self.change("begin").map(drop)
    }

    fn commit(&self) -> Result<(), Failure> {
        self.change("commit").map(drop)
    }

    fn commit_once(&self, step: &str) -> Result<bool, Failure> {
        self.change(&format!("commit once {step}")).map(|_| true)
    }

    fn rollback(&self) -> Result<(), Failure> {
        self.change("rollback").map(drop)
    }

    fn load(&self, table: &[String], _columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        self.loader(format!("load {}", table.join(".")))
    }
}

impl Connection for MemoryConnection {
    fn dialect(&self) -> Dialect {
        Dialect {
            name: "memory".into(),
            quote: "\"".into(),
            default_schema: "main".into(),
            transactional_ddl: true,
        }
    }

    fn render(&self, relation: &Relation) -> String {
        let parts = [&relation.database, &relation.schema].into_iter().flatten();
        let parts = parts.chain([&relation.name]).map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
        parts.collect::<Vec<_>>().join(".")
    }

    fn render_type(&self, data_type: &DataType) -> String {
        match data_type {
            DataType::Decimal { precision, scale } => format!("decimal({precision}, {scale})"),
            DataType::Other(name) => name.clone(),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure> {
        Session::query(self, statement, values)
    }

    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        Session::execute(self, statement, values)
    }

    fn execute_once(&self, step: &str, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        let rows = Session::execute(self, statement, values)?;
        Session::commit_once(self, step).map(|fresh| if fresh { rows } else { 0 })
    }

    fn begin(&self) -> Result<(), Failure> {
        Session::begin(self)
    }

    fn commit(&self) -> Result<(), Failure> {
        Session::commit(self)
    }

    fn commit_once(&self, step: &str) -> Result<bool, Failure> {
        Session::commit_once(self, step)
    }

    fn rollback(&self) -> Result<(), Failure> {
        Session::rollback(self)
    }

    fn ensure_schema(&self, schema: &str) -> Result<(), Failure> {
        self.change(&format!("ensure schema {schema}")).map(drop)
    }

    fn list_relations(&self, schema: &str) -> Result<Vec<RelationInfo>, Failure> {
        let state = self.state.borrow();
        let of_schema = state.relations.iter().filter(|(known, _)| known.schema.as_deref() == Some(schema));
        Ok(of_schema
            .map(|(known, (kind, _))| RelationInfo { relation: known.clone(), kind: *kind })
            .collect())
    }

    fn find(&self, relation: &Relation) -> Result<Option<RelationInfo>, Failure> {
        let state = self.state.borrow();
        let known = state.relations.get(relation);
        Ok(known.map(|(kind, _)| RelationInfo { relation: relation.clone(), kind: *kind }))
    }

    fn describe(&self, relation: &Relation) -> Result<Vec<Column>, Failure> {
        let state = self.state.borrow();
        let known = state.relations.get(relation).map(|(_, columns)| columns.clone());
        known.ok_or_else(|| Failure::invalid(codes::UNSCRIPTED, format!("there is no relation {relation}")))
    }

    fn column_types(&self, relation: &Relation) -> Result<Vec<ColumnDeclaration>, Failure> {
        let columns = self.describe(relation)?.into_iter().map(|column| ColumnDeclaration {
            declared: self.render_type(&column.data_type),
            name: column.name,
            nullable: column.nullable,
        });
        Ok(columns.collect())
    }

    fn create_table_as(&self, relation: &Relation, select: &str) -> Result<u64, Failure> {
        let rows = self.change(&format!("create table {relation} as {select}"))?;
        self.put(relation, RelationKind::Table, Vec::new());
        Ok(rows)
    }

    fn create_table(&self, relation: &Relation, columns: &[Column]) -> Result<(), Failure> {
        self.change(&format!("create table {relation} ({})", named(self, columns)))?;
        self.put(relation, RelationKind::Table, columns.to_vec());
        Ok(())
    }

    fn create_view(&self, relation: &Relation, select: &str) -> Result<(), Failure> {
        self.change(&format!("create view {relation} as {select}"))?;
        self.put(relation, RelationKind::View, Vec::new());
        Ok(())
    }

    fn insert(&self, relation: &Relation, select: &str, strategy: &MergeStrategy) -> Result<u64, Failure> {
        let how = match strategy {
            MergeStrategy::Append => "append".to_owned(),
            MergeStrategy::DeleteInsert(key) => format!("delete-insert on {}", key.join(", ")),
            MergeStrategy::Merge(key) => format!("merge on {}", key.join(", ")),
        };
        self.change(&format!("insert into {relation} ({how}) {select}"))
    }

    fn replace_range(&self, relation: &Relation, select: &str, within: &ValueRange) -> Result<u64, Failure> {
        let ValueRange { column, start, end } = within;
        let what = format!("replace {column} of {relation} with {select}");
        self.state.borrow_mut().count(&what, &[start.clone(), end.clone()])
    }

    fn snapshot(&self, relation: &Relation, select: &str, how: &Snapshot) -> Result<u64, Failure> {
        let mark = match &how.mark {
            ChangeMark::UpdatedAt(column) => format!("updated at {column}"),
            ChangeMark::Columns(columns) => format!("comparing {}", columns.join(", ")),
        };
        let rows =
            self.change(&format!("snapshot {relation} on {} ({mark}) {select}", how.key.join(", ")))?;
        self.put(relation, RelationKind::Table, Vec::new());
        Ok(rows)
    }

    fn rename(&self, relation: &Relation, name: &str) -> Result<(), Failure> {
        self.change(&format!("rename {relation} to {name}"))?;
        let mut state = self.state.borrow_mut();
        let known = state
            .relations
            .remove(relation)
            .ok_or_else(|| Failure::invalid(codes::UNSCRIPTED, format!("there is no relation {relation}")))?;
        state.relations.insert(Relation { name: name.to_owned(), ..relation.clone() }, known);
        Ok(())
    }

    fn drop_relation(&self, relation: &Relation) -> Result<(), Failure> {
        self.change(&format!("drop {relation}"))?;
        self.state.borrow_mut().relations.remove(relation);
        Ok(())
    }

    fn load(&self, relation: &Relation, columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        let what = format!("load {relation} ({})", named(self, columns));
        self.change(&what)?;
        Ok(Box::new(MemoryLoader {
            state: Rc::clone(&self.state),
            what: format!("load {relation}"),
            reader: FrameReader::new(),
            rows: Vec::new(),
            replaces: Some((relation.clone(), columns.to_vec())),
        }))
    }

    fn load_into(&self, relation: &Relation, columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        self.loader(format!("load into {relation} ({})", named(self, columns)))
    }
}

fn named(connection: &MemoryConnection, columns: &[Column]) -> String {
    let named = columns.iter().map(|column| {
        let null = if column.nullable { "" } else { " not null" };
        format!("{} {}{null}", column.name, connection.render_type(&column.data_type))
    });
    named.collect::<Vec<_>>().join(", ")
}

/// Rows of a table at hand, as a host would give them; also for tests with a host of their own.
pub struct MemoryRows {
    columns: Vec<Column>,
    frames: std::vec::IntoIter<Vec<u8>>,
}

impl MemoryRows {
    /// The rows of this table. Fails where a value does not fit its column.
    pub fn new(table: Table) -> Result<Self, Failure> {
        Ok(Self { frames: table.frames()?.into_iter(), columns: table.columns })
    }
}

impl Rows for MemoryRows {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.frames.next())
    }
}

struct MemoryLoader {
    state: Rc<RefCell<State>>,
    what: String,
    reader: FrameReader,
    rows: Vec<Vec<Value>>,
    replaces: Option<(Relation, Vec<Column>)>,
}

impl Loader for MemoryLoader {
    fn write(&mut self, frame: &[u8]) -> Result<(), Failure> {
        for batch in self.reader.read(frame)? {
            self.rows.append(&mut rows(&batch)?);
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<u64, Failure> {
        let mut state = self.state.borrow_mut();
        for row in &self.rows {
            state.ask(&format!("{}: row", self.what), row);
        }
        if let Some((relation, columns)) = self.replaces {
            state.relations.insert(relation, (RelationKind::Table, columns));
        }
        Ok(self.rows.len() as u64)
    }
}
