//! Schema files: what the YAML beside the models says of models, seeds and sources, and the tests
//! it asks for.
//!
//! In: the text of one file. Out: [`SchemaFile`].
//! Never: resolves a name; whether a model exists is the graph's question.
//! Fails: by adding to [`Problems`], each with its line; the rest of the file is still read.
//! Source: <https://docs.getdbt.com/reference/configs-and-properties>.

use serde_json::Value as Json;

use crate::config::{Config, KNOWN};
use crate::jinja::Settings;
use crate::problem::{Problems, did_you_mean};
use crate::yaml::{self, Key, Kind, Node};

/// One schema file, read.
#[derive(Debug, Default)]
pub struct SchemaFile {
    /// What it says of models.
    pub models: Vec<Properties>,
    /// What it says of seeds.
    pub seeds: Vec<Properties>,
    /// The tables of its sources.
    pub sources: Vec<SourceTable>,
    /// Kinds of entries that are left out: unit tests, metrics and the like.
    pub left_out: Vec<String>,
}

/// What a file says of one model or seed.
#[derive(Debug)]
pub struct Properties {
    /// The node's name.
    pub name: String,
    /// The line it begins on.
    pub line: u32,
    /// Its configuration.
    pub config: Config,
    /// The tests it asks for.
    pub tests: Vec<TestEntry>,
}

/// One table of a source.
#[derive(Debug)]
pub struct SourceTable {
    /// The source's name.
    pub source: String,
    /// The table's name, as `source()` is given it.
    pub table: String,
    /// The line it begins on.
    pub line: u32,
    /// The schema in the warehouse.
    pub schema: String,
    /// The relation's name in the warehouse.
    pub identifier: String,
    /// Labels, which its tests carry.
    pub tags: Vec<String>,
    /// The tests it asks for.
    pub tests: Vec<TestEntry>,
}

/// One generic test, as asked for.
#[derive(Debug, Clone)]
pub struct TestEntry {
    /// `unique`, `not_null`, `accepted_values` or `relationships`.
    pub kind: TestKind,
    /// The column it looks at.
    pub column: String,
    /// Whether the column's name is to be quoted.
    pub quote: bool,
    /// The line it stands on.
    pub line: u32,
    /// Its name where the project gives it one.
    pub name: Option<String>,
    /// Severity, tags, `where`.
    pub config: Config,
}

/// What a generic test claims.
#[derive(Debug, Clone, PartialEq)]
pub enum TestKind {
    /// No value stands twice.
    Unique,
    /// Every row has a value.
    NotNull,
    /// Every value is one of these.
    AcceptedValues {
        /// The values.
        values: Vec<Json>,
        /// Whether they are written as text.
        quote: bool,
    },
    /// Every value stands in a column of another relation.
    Relationships {
        /// The other relation: `ref('…')` or `source('…', '…')`.
        to: String,
        /// Its column.
        field: String,
    },
}

/// The four generic tests.
const TESTS: [&str; 4] = ["unique", "not_null", "accepted_values", "relationships"];
/// Settings of a test that may stand beside its arguments.
const TEST_SETTINGS: [&str; 4] = ["severity", "tags", "where", "enabled"];
/// Entries of a schema file that do not change what is done.
const LEFT_OUT: [&str; 9] = [
    "analyses",
    "exposures",
    "functions",
    "groups",
    "macros",
    "metrics",
    "saved_queries",
    "semantic_models",
    "unit_tests",
];

/// Reads a schema file.
pub fn read(path: &str, text: &str, settings: &Settings<'_>, problems: &mut Problems) -> SchemaFile {
    let mut file = SchemaFile::default();
    let tree = match yaml::parse(text) {
        Ok(tree) => tree,
        Err(why) => {
            problems.add(path, why.line, why.message);
            return file;
        }
    };
    let mut reader = Reader { path, settings, problems };
    for (key, node) in tree.entries() {
        match key.text.as_str() {
            "version" | "anchors" => {}
            "models" => file.models = reader.list(key, node, Reader::properties),
            "seeds" => file.seeds = reader.list(key, node, Reader::properties),
            "sources" => {
                file.sources = reader.list(key, node, Reader::source).into_iter().flatten().collect()
            }
            "snapshots" => reader.add(key.line, "snapshots are not supported; use an incremental model"),
            word if LEFT_OUT.contains(&word) => file.left_out.push(word.to_owned()),
            word => {
                let hint = did_you_mean(word, ["models", "seeds", "sources"]);
                reader.add(key.line, format!("`{word}` is not a key of a schema file{hint}"));
            }
        }
    }
    file
}

/// Reads parts of the file and keeps the list of problems.
struct Reader<'a, 'p> {
    path: &'a str,
    settings: &'a Settings<'a>,
    problems: &'p mut Problems,
}

impl Reader<'_, '_> {
    fn add(&mut self, line: u32, message: impl Into<String>) {
        self.problems.add(self.path, line, message);
    }

    fn list<T>(&mut self, key: &Key, node: &Node, read: fn(&mut Self, &Node) -> Option<T>) -> Vec<T> {
        if !matches!(node.kind, Kind::List(_)) && !node.is_null() {
            self.add(key.line, format!("`{}` is a list", key.text));
        }
        node.items().iter().filter_map(|item| read(self, item)).collect()
    }

    fn name(&mut self, node: &Node, what: &str) -> Option<String> {
        match node.get("name").and_then(Node::text) {
            Some(name) if !name.is_empty() => Some(name.to_owned()),
            _ => {
                self.add(node.line, format!("{what} has no name; add `name: …`"));
                None
            }
        }
    }

    fn properties(&mut self, node: &Node) -> Option<Properties> {
        let name = self.name(node, "this entry")?;
        let config = self.config(node);
        let tests = self.tests_of(node);
        Some(Properties { name, line: node.line, config, tests })
    }

    fn source(&mut self, node: &Node) -> Option<Vec<SourceTable>> {
        let source = self.name(node, "this source")?;
        if let Some(database) = node.get("database").filter(|node| !node.is_null()) {
            self.add(
                database.line,
                "`database` is not supported; a source lies in the gateway's own database",
            );
        }
        let schema = self.text(node, "schema").unwrap_or_else(|| source.clone());
        let config = self.config(node);
        let mut tables = Vec::new();
        let items = node.get("tables").map(Node::items).unwrap_or_default();
        for table in items {
            let Some(name) = self.name(table, "this table") else { continue };
            let own = self.config(table);
            let enabled = own.enabled.or(config.enabled).unwrap_or(true);
            if !enabled {
                continue;
            }
            let mut tags = config.tags.clone();
            tags.extend(own.tags);
            let identifier = self.text(table, "identifier").unwrap_or_else(|| name.clone());
            let tests = self.tests_of(table);
            let (source, schema) = (source.clone(), schema.clone());
            tables.push(SourceTable {
                source,
                table: name,
                line: table.line,
                schema,
                identifier,
                tags,
                tests,
            });
        }
        Some(tables)
    }

    /// A text that may hold Jinja.
    fn text(&mut self, node: &Node, key: &str) -> Option<String> {
        let node = node.get(key)?;
        match self.settings.value(&node.to_json()) {
            Ok(Json::String(text)) if !text.is_empty() => Some(text),
            Ok(_) => {
                self.add(node.line, format!("`{key}` is a text"));
                None
            }
            Err(why) => {
                self.add(node.line, why);
                None
            }
        }
    }

    /// `config:` and the settings that older projects write beside it.
    fn config(&mut self, node: &Node) -> Config {
        let mut config = Config::default();
        for (key, value) in node.get("config").map(Node::entries).unwrap_or_default() {
            self.set(&mut config, key, value);
        }
        for (key, value) in node.entries() {
            if matches!(key.text.as_str(), "tags" | "meta") {
                self.set(&mut config, key, value);
            }
        }
        config
    }

    fn set(&mut self, config: &mut Config, key: &Key, value: &Node) {
        let name = key.text.trim_start_matches('+');
        let set = self.settings.value(&value.to_json()).and_then(|value| config.set(name, &value));
        if let Err(why) = set {
            self.add(key.line, why);
        }
    }

    fn tests_of(&mut self, node: &Node) -> Vec<TestEntry> {
        let mut tests = Vec::new();
        self.tests(node, None, &mut tests);
        for column in node.get("columns").map(Node::items).unwrap_or_default() {
            let Some(name) = self.name(column, "this column") else { continue };
            let quote = column.get("quote").map(Node::to_json) == Some(Json::Bool(true));
            self.tests(column, Some((&name, quote)), &mut tests);
        }
        tests
    }

    fn tests(&mut self, node: &Node, column: Option<(&str, bool)>, into: &mut Vec<TestEntry>) {
        for key in ["tests", "data_tests"] {
            for item in node.get(key).map(Node::items).unwrap_or_default() {
                if let Some(test) = self.test(item, column) {
                    into.push(test);
                }
            }
        }
    }

    /// One test: a word, `{word: arguments}`, or `{test_name: word, …}`.
    fn test(&mut self, item: &Node, column: Option<(&str, bool)>) -> Option<TestEntry> {
        let (word, body) = match (item.text(), item.entries()) {
            (Some(word), _) => (word.to_owned(), None),
            (None, [(key, body)]) => (key.text.clone(), Some(body)),
            (None, _) => match item.get("test_name").and_then(Node::text) {
                Some(word) => (word.to_owned(), Some(item)),
                None => {
                    self.add(item.line, "a test is a word or one word with its arguments");
                    return None;
                }
            },
        };
        if !TESTS.contains(&word.as_str()) {
            let hint = did_you_mean(&word, TESTS);
            self.add(
                item.line,
                format!("the test `{word}` is not one of unique, not_null, accepted_values and relationships, which are supported beside singular tests{hint}"),
            );
            return None;
        }
        let mut given = Given { config: Config::default(), name: None, arguments: Vec::new() };
        if let Some(body) = body {
            self.body(body, &mut given);
        }
        if given.config.enabled == Some(false) {
            return None;
        }
        self.entry(item.line, &word, column, given)
    }

    /// Takes a test's arguments and settings apart.
    fn body(&mut self, body: &Node, given: &mut Given) {
        for (key, value) in body.entries() {
            match key.text.as_str() {
                "arguments" => given.arguments.extend(value.entries().iter().cloned()),
                "config" => {
                    for (key, value) in value.entries() {
                        self.set(&mut given.config, key, value);
                    }
                }
                "name" => given.name = value.text().map(str::to_owned),
                "description" | "meta" | "test_name" => {}
                word if TEST_SETTINGS.contains(&word) || KNOWN.contains(&word) => {
                    self.set(&mut given.config, key, value);
                }
                _ => given.arguments.push((key.clone(), value.clone())),
            }
        }
    }

    fn entry(
        &mut self,
        line: u32,
        word: &str,
        column: Option<(&str, bool)>,
        given: Given,
    ) -> Option<TestEntry> {
        let Given { config, name, arguments } = given;
        let mut taken = Arguments { arguments, line, word };
        let own_column = taken.take("column_name").and_then(|node| node.text().map(str::to_owned));
        let column = match (column, own_column) {
            (Some((name, quote)), _) => Ok((name.to_owned(), quote)),
            (None, Some(name)) => Ok((name, false)),
            (None, None) => {
                Err((line, format!("`{word}` stands under a column, or names it with `column_name`")))
            }
        };
        let kind = match word {
            "unique" => Ok(TestKind::Unique),
            "not_null" => Ok(TestKind::NotNull),
            "accepted_values" => taken.accepted_values(),
            _ => taken.relationships(),
        };
        for (key, _) in &taken.arguments {
            self.add(key.line, format!("`{word}` has no argument `{}`", key.text));
        }
        match (column, kind) {
            (Ok((column, quote)), Ok(kind)) => Some(TestEntry { kind, column, quote, line, name, config }),
            (Err((line, why)), _) | (_, Err((line, why))) => {
                self.add(line, why);
                None
            }
        }
    }
}

/// What a test was given, taken apart.
struct Given {
    config: Config,
    name: Option<String>,
    arguments: Vec<(Key, Node)>,
}

/// The arguments of one test that nobody has taken yet.
struct Arguments<'a> {
    arguments: Vec<(Key, Node)>,
    line: u32,
    word: &'a str,
}

impl Arguments<'_> {
    fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.arguments.iter().position(|(key, _)| key.text == name)?;
        Some(self.arguments.remove(at).1)
    }

    fn required(&mut self, name: &str) -> Result<Node, (u32, String)> {
        self.take(name).ok_or_else(|| (self.line, format!("`{}` needs the argument `{name}`", self.word)))
    }

    fn accepted_values(&mut self) -> Result<TestKind, (u32, String)> {
        let node = self.required("values")?;
        let values: Vec<Json> = node.items().iter().map(Node::to_json).collect();
        if values.is_empty()
            || values.iter().any(|value| value.is_array() || value.is_object() || value.is_null())
        {
            return Err((node.line, "`values` is a list of words, numbers or booleans".to_owned()));
        }
        let quote = self.take("quote").is_none_or(|node| node.to_json() != Json::Bool(false));
        Ok(TestKind::AcceptedValues { values, quote })
    }

    fn relationships(&mut self) -> Result<TestKind, (u32, String)> {
        let mut text = |name: &str| {
            let node = self.required(name)?;
            node.text().map(str::to_owned).ok_or_else(|| (node.line, format!("`{name}` is a text")))
        };
        Ok(TestKind::Relationships { to: text("to")?, field: text("field")? })
    }
}
