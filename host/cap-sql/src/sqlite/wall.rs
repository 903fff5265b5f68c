//! The engine's own authorizer: the wall behind the grant.
//!
//! In: what SQLite says a statement will do, while it compiles it. Out: yes, no, or NULL in the
//! place of a value. Deny by default: an action this file does not name is refused.
//! Never: reads the statement's text; that is the broker's part, and the two must agree.
//! Fails: closed, with `CD0304`.
//! Source: `docs/adr/0007-statement-reading-and-the-engine-s-authorizer.md`; sqlite.org, `sqlite3_set_authorizer`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cofferdam_call::Access;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::fence;
use crate::driver::SessionWall;

/// Catalog tables: whoever may open a session may see what there is, not what is in it.
const CATALOG: [&str; 4] = ["sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"];
/// Kept by the engine beside the catalog, and changed by it when a table is dropped or renamed.
const BESIDE_CATALOG: [&str; 4] = ["sqlite_sequence", "sqlite_stat1", "sqlite_stat3", "sqlite_stat4"];
/// Table-valued functions that read nothing but their argument or the catalog.
const FUNCTIONS_OF_ROWS: [&str; 11] = [
    "json_each",
    "json_tree",
    "jsonb_each",
    "jsonb_tree",
    "pragma_table_info",
    "pragma_table_xinfo",
    "pragma_table_list",
    "pragma_index_list",
    "pragma_index_info",
    "pragma_foreign_key_list",
    "pragma_database_list",
];
/// Pragmas that only describe.
const PRAGMAS: [&str; 7] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "foreign_key_list",
    "database_list",
];
/// Functions that reach outside of the statement, or would if they were compiled in.
const FUNCTIONS_REFUSED: [&str; 10] = [
    "load_extension",
    "fts3_tokenizer",
    "readfile",
    "writefile",
    "edit",
    "fsdir",
    "sqlite_log",
    "sqlite_dbpage",
    "sqlite_dbptr",
    "eval",
];

/// The wall of one session. Shared by its connection and its thread.
pub(super) struct Wall {
    rules: SessionWall,
    access: Access,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The broker's own statement is being compiled.
    ours: bool,
    /// The guest's statement is being compiled, as opposed to run.
    compiling: bool,
    /// The first thing that was refused.
    denied: Option<String>,
    /// Names read without a column and without a schema: the engine does not say whose they are.
    unresolved: Vec<String>,
    /// Rows come into a table.
    inserts: bool,
    /// Something is selected.
    selects: bool,
    /// The catalog is to be changed.
    changes_catalog: bool,
    /// By something that may.
    changes_shape: bool,
}

impl Wall {
    pub(super) fn new(rules: SessionWall, access: Access) -> Arc<Self> {
        Arc::new(Self { rules, access, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the broker's own statements without the wall.
    pub(super) fn without<T>(&self, work: impl FnOnce() -> T) -> T {
        self.state().ours = true;
        let done = work();
        self.state().ours = false;
        done
    }

    /// Compiles the guest's statement; gives what the compiler gave, and the names that are still
    /// to be looked up.
    pub(super) fn compile<T>(&self, work: impl FnOnce() -> T) -> (T, Vec<String>) {
        *self.state() = State { compiling: true, ..State::default() };
        let done = work();
        let mut state = self.state();
        state.compiling = false;
        (done, std::mem::take(&mut state.unresolved))
    }

    /// Whether the statement just compiled changes the catalog other than by creating, altering
    /// or dropping something it may.
    pub(super) fn meddles(&self) -> bool {
        let state = self.state();
        state.changes_catalog && !state.changes_shape
    }

    /// Whether the statement just compiled inserts rows and nothing was said of selecting any.
    pub(super) fn inserts_unseen(&self) -> bool {
        let state = self.state();
        state.inserts && !state.selects
    }

    pub(super) fn may_read(&self, schema: &str, table: &str) -> bool {
        !is_ours(table) && (self.rules.reads)(schema, table)
    }

    /// What was refused, as the guest is told.
    pub(super) fn denied(&self, otherwise: &str) -> String {
        let what = self.state().denied.take().unwrap_or_else(|| otherwise.to_owned());
        format!("the warehouse's own wall refuses the statement: {what}")
    }

    /// Decides on one action.
    pub(super) fn judge(&self, context: &AuthContext<'_>) -> Authorization {
        if self.state().ours {
            return Authorization::Allow;
        }
        match self.decide(context) {
            Ok(answer) => answer,
            Err(what) => {
                self.state().denied.get_or_insert(what);
                Authorization::Deny
            }
        }
    }

    fn decide(&self, context: &AuthContext<'_>) -> Result<Authorization, String> {
        use AuthAction as A;
        let schema = context.database_name;
        match context.action {
            A::Select => {
                self.state().selects = true;
                Ok(Authorization::Allow)
            }
            A::Recursive => Ok(Authorization::Allow),
            A::Read { table_name, column_name } => self.read(schema, table_name, column_name),
            A::Insert { table_name } => {
                self.state().inserts |= !is_in(&CATALOG, table_name);
                self.write_rows(schema, table_name)
            }
            A::Delete { table_name } | A::Update { table_name, .. } => self.write_rows(schema, table_name),
            A::CreateTable { table_name }
            | A::DropTable { table_name }
            | A::CreateView { view_name: table_name }
            | A::DropView { view_name: table_name }
            | A::CreateIndex { table_name, .. }
            | A::DropIndex { table_name, .. } => self.shape(schema, table_name),
            A::AlterTable { database_name, table_name } => self.shape(Some(database_name), table_name),
            // Parts of creating an index and of dropping a table; by themselves they are not lent.
            A::Reindex { .. } | A::DropTrigger { .. } if self.state().changes_shape => {
                Ok(Authorization::Allow)
            }
            A::Function { function_name } => {
                if is_in(&FUNCTIONS_REFUSED, function_name) {
                    return Err(format!("function `{function_name}` is not lent"));
                }
                Ok(Authorization::Allow)
            }
            A::Pragma { pragma_name, .. } => self.pragma(pragma_name),
            A::Transaction { .. } | A::Savepoint { .. } => {
                Err("transactions are begun and ended by their own calls".to_owned())
            }
            A::Attach { .. } | A::Detach { .. } => Err("files are attached by the gateway alone".to_owned()),
            A::CreateTempTable { .. } | A::CreateTempView { .. } | A::CreateTempIndex { .. } => {
                Err("temporary relations are not lent; use a schema the grant lets you write".to_owned())
            }
            _ => Err("the statement does what no grant covers".to_owned()),
        }
    }

    fn read(&self, schema: Option<&str>, table: &str, column: &str) -> Result<Authorization, String> {
        if is_in(&CATALOG, table) {
            return Ok(Authorization::Allow);
        }
        if is_in(&FUNCTIONS_OF_ROWS, table) {
            // Where the files lie on the host is not for guests.
            let is_path = table.eq_ignore_ascii_case("pragma_database_list") && column == "file";
            return Ok(if is_path { Authorization::Ignore } else { Authorization::Allow });
        }
        let Some(schema) = schema else {
            // `select count(*) from t` reads no column, and `t` may as well be a common table
            // expression. Looked up once the statement is compiled.
            self.state().unresolved.push(table.to_owned());
            return Ok(Authorization::Allow);
        };
        if is_in(&BESIDE_CATALOG, table) && self.state().changes_shape {
            return Ok(Authorization::Allow);
        }
        if self.may_read(schema, table) {
            return Ok(Authorization::Allow);
        }
        Err(format!("reading `{schema}.{table}` is not granted"))
    }

    fn write_rows(&self, schema: Option<&str>, table: &str) -> Result<Authorization, String> {
        if is_in(&CATALOG, table) && self.access > Access::Read {
            self.state().changes_catalog = true;
            return Ok(Authorization::Allow);
        }
        if is_in(&BESIDE_CATALOG, table) && self.state().changes_shape {
            return Ok(Authorization::Allow);
        }
        self.may_write(schema, table)?;
        Ok(Authorization::Allow)
    }

    fn shape(&self, schema: Option<&str>, table: &str) -> Result<Authorization, String> {
        self.may_write(schema, table)?;
        self.state().changes_shape = true;
        Ok(Authorization::Allow)
    }

    fn may_write(&self, schema: Option<&str>, table: &str) -> Result<(), String> {
        let schema = schema.unwrap_or("main");
        if self.access > Access::Read
            && schema != "temp"
            && !is_ours(table)
            && (self.rules.writes)(schema, table)
        {
            return Ok(());
        }
        Err(format!("changing `{schema}.{table}` is not granted"))
    }

    fn pragma(&self, name: &str) -> Result<Authorization, String> {
        // The statement itself would show the files' paths; `pragma_database_list` does not.
        let shows_paths = name.eq_ignore_ascii_case("database_list") && self.state().compiling;
        if is_in(&PRAGMAS, name) && !shows_paths {
            return Ok(Authorization::Allow);
        }
        Err(format!("pragma `{name}` is not lent"))
    }
}

/// The fence's table belongs to the gateway, whatever a grant says.
fn is_ours(table: &str) -> bool {
    table.eq_ignore_ascii_case(fence::TABLE)
}

fn is_in(list: &[&str], name: &str) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(name))
}
