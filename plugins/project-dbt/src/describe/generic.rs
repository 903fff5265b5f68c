//! Generic tests as nodes of their own.
//!
//! In: what properties files ask for, on models, seeds, snapshots, sources and their columns.
//! Out: one item per test, named as dbt names them.
//! Never: runs a test's macro with `execute` set.
//! Fails: by adding problems: a test nobody has written, arguments of a wrong shape.
//! Source: <https://docs.getdbt.com/reference/resource-properties/data-tests>; manifests of dbt.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::Build;
use super::nodes::{Draft, Item, no_checksum};
use super::patches::version_columns;
use super::test_names;
use super::world::{Describing, RefAsked};
use crate::arguments;
use crate::problem::did_you_mean;
use crate::project::config::{Kind, add_call, list};
use crate::project::properties::Entry;
use crate::python;
use crate::yaml::Node;

/// Words of a test that are settings, wherever they stand.
const SETTINGS: [&str; 15] = [
    "severity",
    "tags",
    "enabled",
    "where",
    "limit",
    "warn_if",
    "error_if",
    "fail_calc",
    "store_failures",
    "store_failures_as",
    "sql_header",
    "meta",
    "database",
    "schema",
    "alias",
];

/// What a test looks at.
struct Tested<'a> {
    entry: &'a Entry,
    /// `orders`, `orders_v2`, or `erp_orders` of a source.
    name: String,
    /// `ref('orders')` or `source('erp', 'orders')`.
    call: String,
    /// What stands before the test's name: `source_` for sources.
    prefix: &'static str,
    /// `models.orders`.
    key: String,
    /// The id of the tested node; none for sources.
    attached: Option<String>,
    /// Tags its tests carry.
    tags: Vec<String>,
    /// The name and table of the source.
    source: Option<(String, String)>,
    /// The name and version of the node.
    node: Option<RefAsked>,
    quote: Option<bool>,
}

/// One test as it is asked for.
struct Asked {
    kind: String,
    arguments: Map<String, Json>,
    line: u32,
}

impl Build<'_> {
    /// Adds the tests of all properties files.
    pub(super) fn add_generic_tests(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            match entry.kind {
                "models" => self.tests_of_model(entry),
                "seeds" | "snapshots" => {
                    let tested = self.tested(entry, entry.name.clone(), None);
                    self.tests_in(&tested, &entry.data, Some(&entry.node));
                }
                "sources" if !entry.data.contains_key("overrides") => self.tests_of_source(entry),
                _ => {}
            }
        }
        self.entries = entries;
    }

    fn tests_of_model(&mut self, entry: &Entry) {
        let versions = list(entry.data.get("versions").unwrap_or(&Json::Null));
        if versions.is_empty() {
            let tested = self.tested(entry, entry.name.clone(), None);
            self.tests_in(&tested, &entry.data, Some(&entry.node));
            return;
        }
        for version in versions.iter().filter_map(Json::as_object) {
            let Some(v) = version.get("v").filter(|v| !v.is_null()) else { continue };
            let tested = self.tested(entry, format!("{}_v{}", entry.name, python::text(v)), Some(v));
            let mut data = entry.data.clone();
            for key in ["tests", "data_tests"] {
                if let Some(own) = version.get(key) {
                    data.remove("tests");
                    data.remove("data_tests");
                    data.insert(key.to_owned(), own.clone());
                }
            }
            let all = list(entry.data.get("columns").unwrap_or(&Json::Null));
            data.insert("columns".to_owned(), Json::Array(version_columns(&all, version.get("columns"))));
            self.tests_in(&tested, &data, None);
        }
    }

    fn tested<'a>(&self, entry: &'a Entry, name: String, version: Option<&Json>) -> Tested<'a> {
        let call = match version {
            Some(version) => format!("ref('{}', version='{}')", entry.name, python::text(version)),
            None => format!("ref('{}')", entry.name),
        };
        let package = self.packages[entry.file.package].name();
        let matches = |item: &&Item| {
            matches!(item.kind, Kind::Model | Kind::Seed | Kind::Snapshot)
                && item.name() == entry.name
                && version.is_none_or(|version| item.node.get("version") == Some(version))
        };
        let mut candidates: Vec<&Item> = self
            .by_name
            .get(&entry.name)
            .into_iter()
            .flatten()
            .map(|at| &self.items[*at])
            .filter(matches)
            .collect();
        candidates.sort_by_key(|item| (!item.enabled, item.text("package_name") != package));
        Tested {
            entry,
            name,
            call,
            prefix: "",
            key: format!("{}.{}", entry.kind, entry.name),
            attached: candidates.first().map(|item| item.id.clone()),
            tags: Vec::new(),
            source: None,
            node: Some(RefAsked {
                package: None,
                name: entry.name.clone(),
                version: version.map(python::text),
            }),
            quote: entry.data.get("quote_columns").and_then(Json::as_bool),
        }
    }

    fn tests_of_source(&mut self, entry: &Entry) {
        let tables = list(entry.data.get("tables").unwrap_or(&Json::Null));
        let nodes = entry.node.get("tables").map(Node::items).unwrap_or_default();
        for (at, table) in tables.iter().enumerate() {
            let Some(table) = table.as_object() else { continue };
            let Some(name) = table.get("name").filter(|name| !name.is_null()).map(python::text) else {
                continue;
            };
            let mut tags = Vec::new();
            for place in [&entry.data, table] {
                tags.extend(list(place.get("tags").unwrap_or(&Json::Null)).iter().map(python::text));
            }
            let tested = Tested {
                entry,
                name: format!("{}_{name}", entry.name),
                call: format!("source('{}', '{name}')", entry.name),
                prefix: "source_",
                key: format!("sources.{}", entry.name),
                attached: None,
                tags,
                source: Some((entry.name.clone(), name)),
                node: None,
                quote: None,
            };
            self.tests_in(&tested, table, nodes.get(at));
        }
    }

    /// The tests of one node or table: those of its columns, then its own.
    fn tests_in(&mut self, tested: &Tested<'_>, data: &Map<String, Json>, node: Option<&Node>) {
        let entry = tested.entry;
        let columns = list(data.get("columns").unwrap_or(&Json::Null));
        let column_nodes = node.and_then(|node| node.get("columns")).map(Node::items).unwrap_or_default();
        for (at, column) in columns.iter().enumerate() {
            let Some(column) = column.as_object() else { continue };
            let Some(name) = column.get("name").filter(|name| !name.is_null()).map(python::text) else {
                continue;
            };
            let mut tags: Vec<String> =
                list(column.get("tags").unwrap_or(&Json::Null)).iter().map(python::text).collect();
            let config = column.get("config");
            let more = config.and_then(|config| config.get("tags")).map(list).unwrap_or_default();
            tags.extend(more.iter().map(python::text));
            let quote = column.get("quote").and_then(Json::as_bool).or(tested.quote).unwrap_or(false);
            let mark = self.around.quoting.mark;
            let name = if quote { format!("{mark}{name}{mark}") } else { name };
            let asked = self.asked(entry, column, column_nodes.get(at));
            for asked in asked {
                self.generic_test(tested, asked, Some(&name), &tags);
            }
        }
        for asked in self.asked(entry, data, node) {
            self.generic_test(tested, asked, None, &[]);
        }
    }

    /// The tests that stand under `tests` or `data_tests` of a map.
    fn asked(&mut self, entry: &Entry, data: &Map<String, Json>, node: Option<&Node>) -> Vec<Asked> {
        let path = &entry.file.path;
        let present = |key: &str| data.get(key).filter(|value| !value.is_null());
        let (key, tests) = match (present("tests"), present("data_tests")) {
            (Some(_), Some(_)) => {
                let line = node.map_or(entry.line, |node| node.line);
                let why = format!("`{}` has both `tests` and `data_tests`; keep one of them", entry.name);
                self.problems.add(path, line, why);
                return Vec::new();
            }
            (Some(tests), None) => ("tests", tests),
            (None, Some(tests)) => ("data_tests", tests),
            (None, None) => return Vec::new(),
        };
        let nodes = node.and_then(|node| node.get(key)).map(Node::items).unwrap_or_default();
        let Some(tests) = tests.as_array() else {
            self.problems.add(path, entry.line, format!("`{key}` of `{}` is a list", entry.name));
            return Vec::new();
        };
        let mut all = Vec::new();
        for (at, test) in tests.iter().enumerate() {
            let line = nodes.get(at).map_or(entry.line, |node| node.line);
            match asked(test, line) {
                Ok(asked) => all.push(asked),
                Err(why) => self.problems.add(path, line, why),
            }
        }
        all
    }

    fn generic_test(&mut self, tested: &Tested<'_>, asked: Asked, column: Option<&str>, tags: &[String]) {
        let entry = tested.entry;
        let path = entry.file.path.clone();
        let package = self.packages[entry.file.package].name().to_owned();
        let line = asked.line;
        let made = match self.parts(tested, asked, column) {
            Ok(made) => made,
            Err(why) => {
                self.problems.add(&path, line, why);
                return;
            }
        };
        let (namespace, kind) = match made.kind.split_once('.') {
            Some((namespace, kind)) => (Some(namespace.to_owned()), kind.to_owned()),
            None => (None, made.kind.clone()),
        };
        let Some(macro_id) = self.test_macro(&package, &made.kind) else {
            let why = self.no_such_test(&package, &made.kind);
            self.problems.add(&path, line, why);
            return;
        };
        let metadata = json!({"name": kind, "kwargs": made.arguments, "namespace": namespace});
        let digest = test_names::digest(&made.full, &metadata);
        let relative = entry.file.original.split_once('/').map_or("", |(_, rest)| rest);
        let mut fqn = vec![package.clone()];
        let folders = relative.rsplit_once('/').map(|(folders, _)| folders).unwrap_or_default();
        fqn.extend(folders.split('/').filter(|folder| !folder.is_empty()).map(str::to_owned));
        fqn.push(made.full.clone());
        let macro_name = match &namespace {
            Some(namespace) => format!("{namespace}.test_{kind}"),
            None => format!("test_{kind}"),
        };
        let code = format!("{{{{ {macro_name}(**_dbt_generic_test_kwargs) }}}}{}", config_call(&made.config));
        let draft = Draft {
            kind: Kind::Test,
            package: entry.file.package,
            name: &made.full,
            id: format!("test.{package}.{}.{digest}", made.full),
            file: &path,
            path: format!("{}.sql", made.short),
            original: &entry.file.original,
            fqn,
            code: &code,
            line,
            checksum: no_checksum(),
        };
        let mut item = draft.item(self);
        let mut all: BTreeSet<String> = tested.tags.iter().chain(tags).cloned().collect();
        all.extend(list(made.config.get("tags").unwrap_or(&Json::Null)).iter().map(python::text));
        item.node.insert("tags".to_owned(), all.into_iter().collect());
        item.node.insert("description".to_owned(), made.description.into());
        item.node.insert("column_name".to_owned(), column.map_or(Json::Null, Json::from));
        item.node.insert("file_key_name".to_owned(), tested.key.clone().into());
        item.node.insert("attached_node".to_owned(), tested.attached.clone().map_or(Json::Null, Json::from));
        item.node.insert("test_metadata".to_owned(), metadata.clone());
        item.calls(&macro_id);
        let mut said = made.config;
        if matches!(macro_id.as_str(), "macro.dbt.test_not_null" | "macro.dbt.test_unique") {
            item.sources.extend(tested.source.clone());
            item.refs.extend(tested.node.clone());
        } else {
            let called = self.render_test(&mut item, &package, &metadata["kwargs"]);
            if let Err(why) = add_call(&mut said, &called) {
                self.problems.add(&path, line, format!("the test `{}`: {why}", item.name()));
            }
        }
        self.configure(&mut item, "", None, &said);
        self.items.push(item);
    }

    /// Renders a test for the names it uses.
    fn render_test(&mut self, item: &mut Item, package: &str, arguments: &Json) -> Map<String, Json> {
        let mut world = Describing::of(&self.around, &item.node);
        let path = item.path.clone();
        let values = match arguments::rendered(&self.engine, package, &path, arguments, &world) {
            Ok(values) => values,
            Err(why) => {
                let message = format!("{}: the test `{}`: {}", why.code(), item.name(), why.message);
                self.problems.add(&path, item.line, message);
                item.broken = true;
                return Map::new();
            }
        };
        world.with_arguments(values);
        let outcome = self.engine.render(package, &path, item.text("raw_code"), &world);
        let found = world.found();
        let config = found.config.clone();
        item.take(found);
        if let Err(why) = outcome {
            let message = if why.path == path || why.path.is_empty() {
                why.message.clone()
            } else {
                format!("{} ({}:{})", why.message, why.path, why.line)
            };
            let message = format!("{}: the test `{}`: {message}", why.code(), item.name());
            self.problems.add(&path, item.line, message);
            item.broken = true;
        }
        config
    }

    /// The id of the macro of a test.
    fn test_macro(&self, package: &str, kind: &str) -> Option<String> {
        let found = self.engine.library().test(package, kind)?;
        Some(format!("macro.{}.{}", found.package, found.block.name))
    }

    fn no_such_test(&self, package: &str, named: &str) -> String {
        let known = self.known_tests(package);
        let hint = did_you_mean(named, known.iter().map(String::as_str));
        match named.split_once('.') {
            Some((other, kind)) => {
                format!("there is no test `{named}`: no macro `test_{kind}` in the package `{other}`{hint}")
            }
            None => format!("there is no test `{named}`: no macro `test_{named}`{hint}"),
        }
    }

    fn known_tests(&self, package: &str) -> BTreeSet<String> {
        let named = self.engine.library().macros().filter_map(|one| {
            let name = one.block.name.strip_prefix("test_")?;
            let own =
                one.package == package || one.package == "dbt" || one.package == self.packages[0].name();
            Some(if own { name.to_owned() } else { format!("{}.{name}", one.package) })
        });
        named.collect()
    }

    /// Settings and arguments told apart, names made.
    fn parts(&mut self, tested: &Tested<'_>, asked: Asked, column: Option<&str>) -> Result<Made, String> {
        let mut arguments = asked.arguments;
        if arguments.contains_key("model") {
            return Err(format!(
                "the test `{}` has an argument `model`, which is the tested node itself",
                asked.kind
            ));
        }
        let good = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if !asked.kind.split('.').all(good) || asked.kind.split('.').count() > 2 {
            return Err(format!("`{}` is not the name of a test: `name` or `package.name`", asked.kind));
        }
        if let Some(column) = column {
            arguments.insert("column_name".to_owned(), column.into());
        }
        match arguments.remove("arguments") {
            Some(Json::Object(more)) => arguments.extend(more),
            Some(Json::Null) | None => {}
            Some(other) => {
                return Err(format!("`arguments` of the test `{}` is a map, not `{other}`", asked.kind));
            }
        }
        arguments.insert("model".to_owned(), format!("{{{{ get_where_subquery({}) }}}}", tested.call).into());
        let mut inner = match arguments.remove("config") {
            Some(Json::Object(config)) => config,
            Some(Json::Null) | None => Map::new(),
            Some(other) => {
                return Err(format!("`config` of the test `{}` is a map, not `{other}`", asked.kind));
            }
        };
        let mut config = self.test_config(tested, &asked.kind, &mut arguments, &mut inner)?;
        let description = arguments.remove("description").map(|text| python::text(&text)).unwrap_or_default();
        let description = self.description(tested.entry, &description).0;
        let (short, full) = match arguments.remove("name") {
            Some(name) => (python::text(&name), python::text(&name)),
            None => {
                let kind = match asked.kind.split_once('.') {
                    Some((namespace, kind)) => format!("{namespace}_{}{kind}", tested.prefix),
                    None => format!("{}{}", tested.prefix, asked.kind),
                };
                test_names::names(&kind, &tested.name, &arguments)
            }
        };
        if short != full && !config.contains_key("alias") {
            config.insert("alias".to_owned(), short.clone().into());
        }
        Ok(Made { kind: asked.kind, arguments, config, description, short, full })
    }

    /// The settings of a test: those beside its arguments, and those in its `config`.
    fn test_config(
        &self,
        tested: &Tested<'_>,
        kind: &str,
        arguments: &mut Map<String, Json>,
        inner: &mut Map<String, Json>,
    ) -> Result<Map<String, Json>, String> {
        let mut config = Map::new();
        let empty = |value: &Json| match value {
            Json::Null => true,
            Json::Bool(value) => !value,
            Json::String(text) => text.is_empty(),
            Json::Array(items) => items.is_empty(),
            Json::Object(map) => map.is_empty(),
            Json::Number(number) => number.as_f64() == Some(0.0),
        };
        for key in SETTINGS {
            let beside = arguments.remove(key);
            if beside.as_ref().is_some_and(|value| !empty(value)) && inner.contains_key(key) {
                return Err(format!(
                    "the test `{}` has `{key}` beside its `config` and in it; keep one",
                    kind
                ));
            }
            let value = match beside {
                Some(value) if !empty(&value) => Some(value),
                beside => inner.remove(key).or(beside),
            };
            if let Some(value) = value.filter(|value| !value.is_null()) {
                config.insert(key.to_owned(), self.setting(tested, &value)?);
            }
        }
        for (key, value) in std::mem::take(inner) {
            let value = self.setting(tested, &value)?;
            if !value.is_null() {
                config.insert(key, value);
            }
        }
        Ok(config)
    }

    fn setting(&self, tested: &Tested<'_>, value: &Json) -> Result<Json, String> {
        match value {
            Json::String(text) if text.contains('{') => {
                self.value(tested.entry.file.package, &tested.entry.file.path, text)
            }
            other => Ok(other.clone()),
        }
    }
}

/// A test with settings and arguments told apart.
struct Made {
    kind: String,
    arguments: Map<String, Json>,
    config: Map<String, Json>,
    description: String,
    short: String,
    full: String,
}

/// A test as it is asked for: a name, a map of one name to arguments, or a map with `test_name`.
fn asked(test: &Json, line: u32) -> Result<Asked, String> {
    match test {
        Json::String(kind) => Ok(Asked { kind: kind.clone(), arguments: Map::new(), line }),
        Json::Object(map) if map.contains_key("test_name") => {
            let mut arguments = map.clone();
            let kind = arguments.remove("test_name").unwrap_or_default();
            Ok(Asked { kind: python::text(&kind), arguments, line })
        }
        Json::Object(map) if map.len() == 1 => {
            let (kind, arguments) = map.iter().next().ok_or("a test has a name")?;
            match arguments {
                Json::Object(arguments) => {
                    Ok(Asked { kind: kind.clone(), arguments: arguments.clone(), line })
                }
                Json::Null => Err(format!("the test `{kind}` has a `:` and no arguments; write `- {kind}`")),
                other => Err(format!("the arguments of the test `{kind}` are a map, not `{other}`")),
            }
        }
        Json::Object(map) => {
            let names: Vec<&str> = map.keys().map(String::as_str).collect();
            Err(format!(
                "a test is one name with its arguments below it; here are {}: is the indentation right?",
                names.join(", ")
            ))
        }
        other => Err(format!("a test is a name or a map, not `{other}`")),
    }
}

/// The call of `config` that dbt puts behind a test.
fn config_call(config: &Map<String, Json>) -> String {
    if config.is_empty() {
        return String::new();
    }
    let settings: Vec<String> = config
        .iter()
        .map(|(key, value)| match value {
            Json::String(text) => format!("{key}=\"{}\"", text.replace('"', "\\\"")),
            other => format!("{key}={}", python::repr(other)),
        })
        .collect();
    format!("{{{{ config({}) }}}}", settings.join(","))
}
