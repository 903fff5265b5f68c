//! The attempt's one connection, as statements and transactions see it.
//!
//! In: statements in text, as templates write them. Out: rows, and what each did.
//! Never: opens a session before something is asked; ends a transaction half done; repeats work of
//! an earlier attempt of the run that must not be repeated.
//! Fails: with the host's failures; the last one is kept, so that an attempt that ends by it can say
//! whether trying again may help.
//! Source: `wit/warehouse/warehouse.wit`; dbt's connection manager for `begin` and `commit`.

use std::cell::{Cell, OnceCell, RefCell};

use cofferdam_sdk::{Access, Connection, Context, DataType, Failure, Table, Value, read_all};

use super::split::{Kind, statements};
use crate::jinja::world::{Answer, Cell as Item, Response};
use crate::python;

/// What the host says to a statement asked for in the wrong way: rows where none are given, or none
/// where rows are.
const WRONG_WAY: &str = "CD0309";

/// The connection.
pub(super) struct Wire<'a> {
    cx: Context<'a>,
    gateway: Option<String>,
    access: Access,
    /// The dialect, as the release says.
    pub(super) dialect: &'a str,
    connection: OnceCell<Box<dyn Connection>>,
    /// Whether the template has begun a transaction, and whether the warehouse has.
    wanted: Cell<bool>,
    open: Cell<bool>,
    /// Whether what is committed must not be done again by another attempt.
    pub(super) once: Cell<bool>,
    commits: Cell<u32>,
    /// The comment each statement carries.
    pub(super) comment: RefCell<Option<(String, bool)>>,
    /// What the statement named `main` did; the flag says that the next one is it.
    pub(super) main_is_next: Cell<bool>,
    pub(super) main: RefCell<Option<Answer>>,
    /// The last answer with rows, where somebody wants it.
    pub(super) keep_last: Cell<bool>,
    pub(super) last: RefCell<Option<Answer>>,
    pub(super) last_failure: RefCell<Option<Failure>>,
    /// Rises with everything that may change what is known of relations.
    pub(super) changes: Cell<u64>,
}

impl<'a> Wire<'a> {
    pub(super) fn new(cx: Context<'a>, gateway: Option<&str>, access: Access, dialect: &'a str) -> Self {
        Self {
            cx,
            gateway: gateway.map(str::to_owned),
            access,
            dialect,
            connection: OnceCell::new(),
            wanted: Cell::new(false),
            open: Cell::new(false),
            once: Cell::new(false),
            commits: Cell::new(0),
            comment: RefCell::default(),
            main_is_next: Cell::new(false),
            main: RefCell::default(),
            keep_last: Cell::new(false),
            last: RefCell::default(),
            last_failure: RefCell::default(),
            changes: Cell::new(0),
        }
    }

    pub(super) fn connection(&self) -> Result<&dyn Connection, Failure> {
        if let Some(opened) = self.connection.get() {
            return Ok(opened.as_ref());
        }
        let gateway = self.gateway.as_deref().ok_or_else(|| {
            Failure::invalid(crate::codes::ARGUMENT, "the task has no gateway; name one in the project")
        })?;
        let opened = self.cx.warehouse.open(gateway, self.access)?;
        Ok(self.connection.get_or_init(|| opened).as_ref())
    }

    fn mysql(&self) -> bool {
        self.dialect == "mysql"
    }

    /// Whether tables and views can be made inside a transaction.
    pub(super) fn transactional_ddl(&self) -> bool {
        !self.mysql()
    }

    /// Keeps a failure for whoever reports the attempt.
    pub(super) fn noted<T>(&self, done: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(why) = &done {
            *self.last_failure.borrow_mut() = Some(why.clone());
        }
        done
    }

    pub(super) fn begin(&self) -> Result<(), Failure> {
        if self.wanted.replace(true) || !self.transactional_ddl() {
            // Without DDL in transactions one is begun for the statements that change rows.
            return Ok(());
        }
        self.really_begin()
    }

    fn really_begin(&self) -> Result<(), Failure> {
        if !self.open.get() {
            self.connection()?.begin()?;
            self.open.set(true);
        }
        Ok(())
    }

    /// Makes the open transaction last. Gives false where an earlier attempt has done its work.
    pub(super) fn commit(&self) -> Result<bool, Failure> {
        self.wanted.set(false);
        if !self.open.replace(false) {
            return Ok(true);
        }
        let n = self.commits.get() + 1;
        self.commits.set(n);
        if self.once.get() {
            return self.connection()?.commit_once(&format!("dbt:{n}"));
        }
        self.connection()?.commit().map(|()| true)
    }

    pub(super) fn rollback(&self) -> Result<(), Failure> {
        self.wanted.set(false);
        if self.open.replace(false) { self.connection()?.rollback() } else { Ok(()) }
    }

    pub(super) fn is_begun(&self) -> bool {
        self.wanted.get()
    }

    /// Runs all statements of a text; the answer is the last one's.
    pub(super) fn run(&self, text: &str, rows: bool) -> Result<Answer, Failure> {
        let mysql = self.mysql();
        let parts = statements(text, mysql);
        let mut answer = Answer::default();
        let last = parts.len().saturating_sub(1);
        for (at, part) in parts.iter().enumerate() {
            answer = self.one(part, mysql, rows && at == last)?;
        }
        if self.main_is_next.replace(false) {
            *self.main.borrow_mut() = Some(answer.clone());
        }
        if rows && self.keep_last.get() {
            *self.last.borrow_mut() = Some(answer.clone());
        }
        Ok(answer)
    }

    fn one(&self, statement: &str, mysql: bool, rows: bool) -> Result<Answer, Failure> {
        let kind = Kind::of(statement, mysql);
        match kind.word.as_str() {
            "begin" | "start" => return self.begin().map(|()| said("BEGIN")),
            "commit" | "end" => return self.commit().map(|_| said("COMMIT")),
            "rollback" | "abort" => return self.rollback().map(|()| said("ROLLBACK")),
            _ => {}
        }
        if !self.transactional_ddl() {
            if kind.shapes() && self.open.get() {
                self.connection()?.commit()?;
                self.open.set(false);
            } else if self.wanted.get() && !kind.shapes() {
                self.really_begin()?;
            }
        }
        if !kind.reads() {
            self.changes.set(self.changes.get() + 1);
        }
        let text = self.commented(statement);
        let connection = self.connection()?;
        let done = if kind.reads() {
            match self.queried(&text, &kind, rows) {
                Err(why) if why.detail().code == WRONG_WAY => {
                    connection.execute(&text, &[]).map(|changed| answered(&kind, changed))
                }
                other => other,
            }
        } else {
            match connection.execute(&text, &[]) {
                Err(why) if why.detail().code == WRONG_WAY => self.queried(&text, &kind, rows),
                other => other.map(|changed| answered(&kind, changed)),
            }
        };
        self.noted(done)
    }

    fn queried(&self, text: &str, kind: &Kind, rows: bool) -> Result<Answer, Failure> {
        let found = self.connection()?.query(text, &[])?;
        if !rows {
            drop(found);
            return Ok(answered(kind, 0));
        }
        let table = read_all(found)?;
        let mut answer = answered(kind, table.rows.len() as u64);
        answer.columns = table.columns.iter().map(|column| column.name.clone()).collect();
        answer.rows = items(&table);
        Ok(answer)
    }

    fn commented(&self, statement: &str) -> String {
        match &*self.comment.borrow() {
            None => statement.to_owned(),
            Some((comment, true)) => format!("{statement}\n/* {comment} */"),
            Some((comment, false)) => format!("/* {comment} */\n{statement}"),
        }
    }

    /// The rows of a statement of ours.
    pub(super) fn table(&self, statement: &str, values: &[Value]) -> Result<Table, Failure> {
        let found = self.connection()?.query(statement, values).and_then(read_all);
        self.noted(found)
    }
}

fn said(what: &str) -> Answer {
    let response = Response { message: what.to_owned(), code: what.to_owned(), rows_affected: None };
    Answer { response, ..Answer::default() }
}

fn answered(kind: &Kind, rows: u64) -> Answer {
    let rows_affected = if kind.counts { i64::try_from(rows).unwrap_or(i64::MAX) } else { -1 };
    let response =
        Response { message: kind.message(rows), code: kind.tag.clone(), rows_affected: Some(rows_affected) };
    Answer { response, ..Answer::default() }
}

/// The rows as templates see them.
fn items(table: &Table) -> Vec<Vec<Item>> {
    let row = |row: &Vec<Value>| {
        row.iter().zip(&table.columns).map(|(value, column)| item(value, &column.data_type)).collect()
    };
    table.rows.iter().map(row).collect()
}

fn item(value: &Value, of: &DataType) -> Item {
    match value {
        Value::Null => Item::Null,
        Value::Boolean(value) => Item::Boolean(*value),
        Value::Int64(value) => Item::Integer(*value),
        Value::Float64(value) => Item::Number(python::float(*value)),
        Value::Bytes(value) => Item::Text(String::from_utf8_lossy(value).into_owned()),
        Value::Text(text) => match of {
            DataType::Decimal { .. } => Item::Number(text.clone()),
            DataType::Other(name) if name == "numeric" => Item::Number(text.clone()),
            DataType::Date => Item::Date(text.clone()),
            DataType::Timestamp => Item::DateTime(text.replacen('T', " ", 1)),
            DataType::TimestampUtc => {
                Item::DateTime(text.replacen('T', " ", 1).trim_end_matches('Z').to_owned() + "+00:00")
            }
            _ => Item::Text(text.clone()),
        },
    }
}
