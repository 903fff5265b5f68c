//! A project of a few nodes on a real PostgreSQL, node by node: documents as the loader writes them,
//! the adapter over a session of its own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use cofferdam_adapter_postgres::Postgres as Adapted;
use cofferdam_project_dbt::DbtTask;
use cofferdam_project_dbt::document::{
    DOCUMENT_SETTING, Document, MacroFile, NODES_PATH, Node, Reference, RelationParts, SHARED_SETTING,
    Shared, SourceReference,
};
use cofferdam_sdk::testing::{MemoryHost, MemoryRows};
use cofferdam_sdk::{
    Access, Adapter, Argument, Column, Connection, Context, DataType, Detail, Failure, Invocation, Loader,
    Outcome, Rows, Session, Sql, Table, Task, TaskFailure, Value, Warehouse,
    arrow::{FrameReader, rows},
};
use cofferdam_servers::Postgres;
use postgres::{Client, NoTls, SimpleQueryMessage};
use serde_json::{Map, Value as Json, json};

static SERVER: OnceLock<Postgres> = OnceLock::new();
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A session as the host lends it, over a client of the test's own.
#[derive(Clone)]
pub struct Live {
    client: Rc<RefCell<Client>>,
    /// What was sent, in order.
    pub sent: Rc<RefCell<Vec<String>>>,
    pub steps: Rc<RefCell<Vec<String>>>,
}

fn failed(error: &postgres::Error) -> Failure {
    let message = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    let detail = Detail { code: "CD0301".into(), message };
    match error.code().map(|code| code.code()) {
        Some(code) if code.starts_with("23") => Failure::Constraint(detail),
        Some("40001" | "40P01") => Failure::Transient(detail),
        _ => Failure::Invalid(detail),
    }
}

fn of(name: &str) -> DataType {
    match name {
        "bool" => DataType::Boolean,
        "int2" | "int4" | "int8" | "oid" => DataType::Int64,
        "float4" | "float8" => DataType::Float64,
        "numeric" => DataType::Other("numeric".into()),
        "date" => DataType::Date,
        "timestamp" => DataType::Timestamp,
        "timestamptz" => DataType::TimestampUtc,
        _ => DataType::Text,
    }
}

fn value(text: Option<&str>, of: &DataType) -> Value {
    let Some(text) = text else { return Value::Null };
    match of {
        DataType::Boolean => Value::Boolean(text == "t"),
        DataType::Int64 => Value::Int64(text.parse().unwrap()),
        DataType::Float64 => Value::Float64(text.parse().unwrap()),
        DataType::Timestamp => Value::Text(text.replacen(' ', "T", 1)),
        DataType::TimestampUtc => Value::Text(text.replacen(' ', "T", 1).replacen("+00", "Z", 1)),
        _ => Value::Text(text.to_owned()),
    }
}

/// The statement with its values pasted in: they are names of this test's own.
fn bound(statement: &str, values: &[Value]) -> String {
    let mut text = statement.to_owned();
    for (at, value) in values.iter().enumerate().rev() {
        let pasted = match value {
            Value::Null => "NULL".to_owned(),
            Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Value::Int64(number) => number.to_string(),
            other => panic!("not bound here: {other:?}"),
        };
        text = text.replace(&format!("${}", at + 1), &pasted);
    }
    text
}

impl Live {
    fn columns(&self, statement: &str) -> Result<Vec<(String, DataType)>, Failure> {
        let prepared = self.client.borrow_mut().prepare(statement).map_err(|error| failed(&error))?;
        Ok(prepared.columns().iter().map(|c| (c.name().to_owned(), of(c.type_().name()))).collect())
    }

    fn say(&self, statement: &str) -> Result<(), Failure> {
        self.sent.borrow_mut().push(statement.to_owned());
        self.client.borrow_mut().batch_execute(statement).map_err(|error| failed(&error))
    }

    /// The rows of a query past the adapter, as text: columns by `|`, rows by `; `.
    pub fn text(&self, query: &str) -> String {
        let answer =
            self.client.borrow_mut().simple_query(query).unwrap_or_else(|why| panic!("{query}: {why}"));
        let rows = answer.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|at| row.get(at).unwrap_or("NULL").to_owned())
                    .collect::<Vec<_>>()
                    .join("|"),
            ),
            _ => None,
        });
        rows.collect::<Vec<_>>().join("; ")
    }
}

fn wrong_way(message: &str) -> Failure {
    Failure::Invalid(Detail { code: "CD0309".into(), message: message.into() })
}

impl Session for Live {
    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure> {
        let statement = bound(statement, values);
        self.sent.borrow_mut().push(statement.clone());
        let columns = self.columns(&statement)?;
        if columns.is_empty() {
            return Err(wrong_way("the statement returns no rows: execute it"));
        }
        let answer = self.client.borrow_mut().simple_query(&statement).map_err(|error| failed(&error))?;
        let rows = answer.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some(columns.iter().enumerate().map(|(at, (_, of))| value(row.get(at), of)).collect())
            }
            _ => None,
        });
        let columns = columns.iter().map(|(name, of)| Column::new(name.as_str(), of.clone())).collect();
        Ok(Box::new(MemoryRows::new(Table::new(columns, rows.collect()))?))
    }

    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        let statement = bound(statement, values);
        self.sent.borrow_mut().push(statement.clone());
        if !self.columns(&statement)?.is_empty() {
            return Err(wrong_way("the statement returns rows: query it"));
        }
        self.client.borrow_mut().execute(statement.as_str(), &[]).map_err(|error| failed(&error))
    }

    fn begin(&self) -> Result<(), Failure> {
        self.say("begin")
    }

    fn commit(&self) -> Result<(), Failure> {
        self.say("commit")
    }

    fn commit_once(&self, step: &str) -> Result<bool, Failure> {
        if self.steps.borrow().iter().any(|known| known == step) {
            self.rollback()?;
            return Ok(false);
        }
        self.commit()?;
        self.steps.borrow_mut().push(step.to_owned());
        Ok(true)
    }

    fn rollback(&self) -> Result<(), Failure> {
        self.say("rollback")
    }

    fn load(&self, table: &[String], columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
        let names = columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ");
        let copy =
            format!("copy {} ({names}) from stdin", table.iter().map(quoted).collect::<Vec<_>>().join("."));
        self.sent.borrow_mut().push(copy.clone());
        Ok(Box::new(Load { live: self.clone(), copy, reader: FrameReader::new(), text: String::new() }))
    }
}

struct Load {
    live: Live,
    copy: String,
    reader: FrameReader,
    text: String,
}

impl Loader for Load {
    fn write(&mut self, frame: &[u8]) -> Result<(), Failure> {
        for batch in self.reader.read(frame)? {
            for row in rows(&batch)? {
                let cells = row.iter().map(|value| match value {
                    Value::Null => "\\N".to_owned(),
                    Value::Boolean(truth) => truth.to_string(),
                    Value::Int64(number) => number.to_string(),
                    Value::Float64(number) => number.to_string(),
                    Value::Text(text) => text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t"),
                    Value::Bytes(_) => String::new(),
                });
                self.text.push_str(&cells.collect::<Vec<_>>().join("\t"));
                self.text.push('\n');
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<u64, Failure> {
        use std::io::Write as _;
        let mut client = self.live.client.borrow_mut();
        let mut writer = client.copy_in(self.copy.as_str()).map_err(|error| failed(&error))?;
        writer.write_all(self.text.as_bytes()).unwrap();
        writer.finish().map_err(|error| failed(&error))
    }
}

impl Sql for Live {
    fn open(&self, _gateway: &str, _access: Access) -> Result<Box<dyn Session>, Failure> {
        // What an attempt left open is undone when its session ends.
        self.client.borrow_mut().batch_execute("rollback").unwrap();
        Ok(Box::new(self.clone()))
    }
}

impl Warehouse for Live {
    fn open(&self, gateway: &str, access: Access) -> Result<Box<dyn Connection>, Failure> {
        Ok(Box::new(Adapted::open(self, gateway, access)?))
    }
}

/// A project and its database.
pub struct House {
    pub live: Live,
    nodes: BTreeMap<String, Document>,
    files: Vec<(String, String)>,
    pub shared: Shared,
    /// What the attempts kept, by name: of the last one.
    pub kept: RefCell<BTreeMap<String, Vec<u8>>>,
    pub run: RefCell<String>,
}

/// A database of its own, empty, and its name.
pub fn database() -> (Live, String) {
    let server = SERVER.get_or_init(Postgres::start);
    let database = format!("house_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    server.psql(&format!("create database {database}"));
    let settings = format!(
        "host={} port={} user=postgres dbname={database}",
        server.socket_folder().display(),
        server.port()
    );
    let mut client = Client::connect(&settings, NoTls).unwrap();
    client.batch_execute("set timezone = 'UTC'").unwrap();
    let live = Live { client: Rc::new(RefCell::new(client)), sent: Rc::default(), steps: Rc::default() };
    (live, database)
}

impl House {
    /// A project without nodes, and a database of its own.
    pub fn new() -> Self {
        let (live, database) = database();
        let mut shared = Shared::default();
        shared.project.name = "shop".into();
        shared.target.kind = "postgres".into();
        shared.target.schema = "analytics".into();
        shared.target.database.clone_from(&database);
        Self {
            live,
            nodes: BTreeMap::new(),
            files: Vec::new(),
            shared,
            kept: RefCell::default(),
            run: RefCell::new("run-1".into()),
        }
    }

    /// Adds a node; `more` goes into it as it is.
    pub fn node(mut self, kind: &str, name: &str, code: &str, config: Json, more: Json) -> Self {
        let unique_id = format!("{kind}.shop.{name}");
        let extension = if kind == "seed" { "csv" } else { "sql" };
        let file = format!("{kind}s/{name}.{extension}");
        let mut node = json!({
            "unique_id": unique_id, "name": name, "package_name": "shop", "resource_type": kind, "alias": name,
            "schema": config.get("schema").and_then(Json::as_str).unwrap_or("analytics"),
            "database": self.shared.target.database,
            "raw_code": if kind == "seed" { "" } else { code }, "config": config, "columns": {}, "description": "",
            "original_file_path": file, "relation_name": format!("\"analytics\".\"{name}\""),
        });
        if let (Json::Object(node), Json::Object(more)) = (&mut node, more) {
            node.extend(more);
        }
        let Json::Object(node) = node else { unreachable!() };
        let mut document = Document { node: Node(node), file: file.clone(), ..Document::default() };
        let all = format!("{code} {}", serde_json::to_string(&document.node).unwrap());
        self.link(&mut document, &all);
        self.files.push((file, code.to_owned()));
        self.nodes.insert(unique_id, document);
        self
    }

    fn link(&self, document: &mut Document, text: &str) {
        for (found, known) in &self.nodes {
            let name = known.node.name();
            let named = [format!("ref('{name}')"), format!("ref(\\\"{name}\\\")")];
            let ephemeral = known.node.setting("materialized") == Some(&json!("ephemeral"));
            if known.node.resource_type() == "source" || !named.iter().any(|named| text.contains(named)) {
                continue;
            }
            let relation = (!ephemeral).then(|| known.node.relation());
            let event_time = known.node.setting("event_time").and_then(Json::as_str).map(str::to_owned);
            document.refs.push(Reference {
                name: name.to_owned(),
                unique_id: found.clone(),
                relation,
                ephemeral,
                event_time,
                ..Reference::default()
            });
            if ephemeral {
                for inner in &known.ephemerals {
                    document.ephemerals.push(inner.clone());
                }
                document.ephemerals.push(known.clone());
            }
        }
        if text.contains("source('raw', 'events')") {
            document.sources.push(SourceReference {
                source: "raw".into(),
                name: "events".into(),
                unique_id: "source.shop.raw.events".into(),
                relation: RelationParts {
                    database: Some(self.shared.target.database.clone()),
                    schema: "raw".into(),
                    identifier: "events".into(),
                    ..RelationParts::default()
                },
                event_time: None,
            });
        }
    }

    pub fn model(self, name: &str, code: &str, config: Json) -> Self {
        self.node("model", name, code, config, json!({}))
    }

    /// A unit test of a model.
    pub fn unit_test(mut self, name: &str, model: &str, told: Json) -> Self {
        let tested = self.nodes[&format!("model.shop.{model}")].clone();
        self = self.node("unit_test", name, "", json!({}), told);
        if let Some(document) = self.nodes.get_mut(&format!("unit_test.shop.{name}")) {
            document.tested = Some(Box::new(tested));
        }
        self
    }

    /// Adds a file of macros that every node may call.
    pub fn macros(self, text: &str) -> Self {
        self.macros_of("shop", text)
    }

    /// Adds a file of macros of a package.
    pub fn macros_of(mut self, package: &str, text: &str) -> Self {
        let file = format!("macros/m{}.sql", self.files.len());
        self.files.push((file.clone(), text.to_owned()));
        for document in self.nodes.values_mut() {
            document.macros.push(MacroFile {
                package: package.into(),
                file: file.clone(),
                names: Vec::new(),
            });
        }
        self
    }

    /// One attempt at a node, in a run of its own.
    pub fn attempt(&self, id: &str, arguments: &[(&str, &str)]) -> Result<Outcome, TaskFailure> {
        self.live.steps.borrow_mut().clear();
        self.again(id, arguments)
    }

    /// Another attempt of the same run.
    pub fn again(&self, id: &str, arguments: &[(&str, &str)]) -> Result<Outcome, TaskFailure> {
        let document = &self.nodes.get(id).unwrap_or_else(|| panic!("no node {id}"));
        let one = serde_json::to_vec(document).unwrap();
        let two = serde_json::to_vec(&self.shared).unwrap();
        let ranges = [(DOCUMENT_SETTING, (0, one.len())), (SHARED_SETTING, (one.len(), two.len()))];
        let host = self.files.iter().fold(
            MemoryHost::new().file(NODES_PATH, [one.as_slice(), &two].concat()),
            |host, (path, text)| host.file(path, text.as_str()),
        );
        let invocation = Invocation {
            task: id.into(),
            entry: id.split('.').next().unwrap().into(),
            gateway: Some("wh".into()),
            run: self.run.borrow().clone(),
            started_at: "2024-03-01T12:30:00Z".into(),
            settings: ranges.iter().map(|(name, range)| Argument::new(*name, range).unwrap()).collect(),
            arguments: arguments
                .iter()
                .map(|(name, json)| Argument { name: (*name).into(), json: (*json).into() })
                .collect(),
            ..Invocation::default()
        };
        self.live.sent.borrow_mut().clear();
        let cx = Context { files: &host, warehouse: &self.live, telemetry: &host };
        let done = DbtTask::run(&cx, invocation);
        let names = ["compiled.sql", "run.sql", "result.json", "show.json", "catalog.json"];
        let kept = names.iter().filter_map(|name| Some(((*name).to_owned(), host.kept(name)?)));
        *self.kept.borrow_mut() = kept.collect();
        done
    }

    /// Runs a node; what it says, or why it failed.
    pub fn run(&self, id: &str, arguments: &[(&str, &str)]) -> String {
        match self.attempt(id, arguments) {
            Ok(outcome) => outcome.summary,
            Err(why) => why.to_string(),
        }
    }

    /// What the last attempt sent, one statement a line.
    pub fn sent(&self) -> String {
        let database = format!("\"{}\".", self.shared.target.database);
        let squeeze =
            |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ").replace(&database, "");
        self.live.sent.borrow().iter().map(squeeze).collect::<Vec<_>>().join("\n")
    }

    /// The columns of a table with their types.
    pub fn types(&self, table: &str) -> String {
        self.live.text(&format!(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute \
             where attrelid = '{table}'::regclass and attnum > 0 and not attisdropped order by attnum"
        ))
    }

    pub fn text(&self, query: &str) -> String {
        self.live.text(query)
    }

    /// The statement the last attempt compiled.
    pub fn compiled(&self) -> String {
        let inside = self.result().get("compiled_code").and_then(Json::as_str).map(str::to_owned);
        inside.unwrap_or_else(|| self.kept("compiled.sql"))
    }

    /// A file the last attempt kept.
    pub fn kept(&self, name: &str) -> String {
        String::from_utf8(self.kept.borrow().get(name).cloned().unwrap_or_default()).unwrap()
    }

    /// The result the last attempt kept.
    pub fn result(&self) -> Map<String, Json> {
        serde_json::from_str(&self.kept("result.json")).unwrap()
    }
}
