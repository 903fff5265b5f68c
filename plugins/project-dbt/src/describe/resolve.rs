//! Leads every name to its node: references, sources, groups, access.
//!
//! In: items with the names they ask for. Out: the same with the ids they stand on.
//! Never: guesses; a name that leads nowhere is a problem with its line, or switches a test off.
//! Fails: by adding problems: names that lead nowhere, to something disabled or private, two nodes
//! of one name or of one relation, models that read one another in a circle.
//! Source: the way dbt resolves `ref` and `source`.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value as Json, json};

use super::Build;
use super::nodes::Item;
use super::world::RefAsked;
use crate::problem::did_you_mean;
use crate::project::config::Kind;
use crate::python;

/// What a name leads to.
enum Led {
    /// To this item.
    To(usize),
    /// To something that is switched off.
    Disabled(usize),
    /// Nowhere.
    Nowhere,
}

impl Build<'_> {
    /// Positions of items by their name.
    pub(super) fn index_names(&mut self) {
        self.by_name.clear();
        for (at, item) in self.items.iter().enumerate() {
            if matches!(item.kind, Kind::Model | Kind::Seed | Kind::Snapshot) {
                self.by_name.entry(item.name().to_owned()).or_default().push(at);
            }
        }
        self.sources_by_name.clear();
        for (at, item) in self.items.iter().enumerate().filter(|(_, item)| item.kind == Kind::Source) {
            let key = (item.text("source_name").to_owned(), item.name().to_owned());
            self.sources_by_name.entry(key).or_default().push(at);
        }
    }

    /// Leads every name of every item.
    pub(super) fn resolve(&mut self) {
        self.index_names();
        self.refuse_doubles();
        for at in 0..self.items.len() {
            if self.items[at].enabled {
                self.resolve_item(at);
            }
        }
        self.link_semantics();
        self.check_groups();
        self.refuse_lacking();
        self.refuse_circles();
        self.primary_keys();
    }

    fn resolve_item(&mut self, at: usize) {
        let unit_test = self.items[at].kind == Kind::UnitTest;
        let mut depends = Vec::new();
        for (source, table) in self.items[at].sources.clone() {
            match self.lead_source(at, &source, &table) {
                Led::To(to) => depends.push(self.items[to].id.clone()),
                led => {
                    let why = self.explain_source(&source, &table, &led);
                    self.lost(at, &table, why);
                }
            }
        }
        for asked in self.items[at].refs.clone() {
            match self.lead(at, &asked) {
                Led::To(to) => {
                    self.check_access(at, to, &asked);
                    depends.push(self.items[to].id.clone());
                }
                led => {
                    let why = self.explain(&asked, &led);
                    self.lost(at, &asked.name, why);
                }
            }
        }
        let mut more = Vec::new();
        for (source, table) in &self.items[at].more_sources {
            if let Led::To(to) = self.lead_source(at, source, table) {
                more.push(self.items[to].id.clone());
            }
        }
        for asked in &self.items[at].more_refs {
            if let Led::To(to) = self.lead(at, asked) {
                more.push(self.items[to].id.clone());
            }
        }
        let item = &mut self.items[at];
        if !unit_test {
            item.depends.extend(depends);
            item.depends_more.extend(more);
        }
        let refs: Vec<Json> = item.refs.iter().map(RefAsked::json).collect();
        let sources: Vec<Json> = item.sources.iter().map(|(source, table)| json!([source, table])).collect();
        if item.node.contains_key("refs") {
            item.node.insert("refs".to_owned(), Json::Array(refs));
        }
        if item.node.contains_key("sources") {
            item.node.insert("sources".to_owned(), Json::Array(sources));
        }
        if item.node.contains_key("metrics") {
            let named = |(package, name): &(Option<String>, String)| match package {
                Some(package) => json!([package, name]),
                None => json!([name]),
            };
            let metrics = item.metrics.iter().map(named).collect();
            item.node.insert("metrics".to_owned(), Json::Array(metrics));
        }
        let all: Vec<&String> = item
            .depends
            .iter()
            .chain(item.depends_more.iter().filter(|id| !item.depends.contains(*id)))
            .collect();
        let nodes = json!(all);
        if item.kind != Kind::Seed
            && let Some(Json::Object(on)) = item.node.get_mut("depends_on")
        {
            on.insert("nodes".to_owned(), nodes);
        }
    }

    /// What a `ref` of an item leads to.
    pub(super) fn led_ref(&self, at: usize, asked: &RefAsked) -> Option<usize> {
        match self.lead(at, asked) {
            Led::To(to) => Some(to),
            _ => None,
        }
    }

    /// What a `source` of an item leads to.
    pub(super) fn led_source(&self, at: usize, source: &str, table: &str) -> Option<usize> {
        match self.lead_source(at, source, table) {
            Led::To(to) => Some(to),
            _ => None,
        }
    }

    fn lead(&self, at: usize, asked: &RefAsked) -> Led {
        let named = |to: &usize| {
            let item = &self.items[*to];
            match (&asked.version, item.node.get("version").filter(|version| !version.is_null())) {
                (Some(version), Some(own)) => python::text(own) == *version,
                (Some(_), None) => false,
                (None, Some(own)) => item.node.get("latest_version") == Some(own),
                (None, None) => true,
            }
        };
        let candidates: Vec<usize> =
            self.by_name.get(&asked.name).into_iter().flatten().copied().filter(named).collect();
        self.choose(at, asked.package.as_deref(), &candidates)
    }

    fn lead_source(&self, at: usize, source: &str, table: &str) -> Led {
        let key = (source.to_owned(), table.to_owned());
        let candidates = self.sources_by_name.get(&key).map_or(&[][..], Vec::as_slice);
        self.choose(at, None, candidates)
    }

    /// The one that dbt takes: of the package named; else of the root, the own, any package.
    fn choose(&self, at: usize, package: Option<&str>, candidates: &[usize]) -> Led {
        let enabled = |of: Option<&str>| {
            candidates.iter().copied().find(|to| {
                let item = &self.items[*to];
                item.enabled && of.is_none_or(|name| item.text("package_name") == name)
            })
        };
        let found = match package {
            Some(package) => enabled(Some(package)),
            None => enabled(Some(self.packages[0].name()))
                .or_else(|| enabled(Some(self.items[at].text("package_name"))))
                .or_else(|| enabled(None)),
        };
        if let Some(to) = found {
            return Led::To(to);
        }
        let off = candidates
            .iter()
            .find(|to| package.is_none_or(|name| self.items[**to].text("package_name") == name));
        off.map_or(Led::Nowhere, |to| Led::Disabled(*to))
    }

    fn explain(&self, asked: &RefAsked, led: &Led) -> String {
        let written = asked.written();
        match led {
            Led::Disabled(to) => format!("`{written}` leads to {}, which is disabled", self.items[*to].path),
            _ => {
                let versions: Vec<String> = self
                    .by_name
                    .get(&asked.name)
                    .into_iter()
                    .flatten()
                    .filter_map(|to| self.items[*to].node.get("version").filter(|version| !version.is_null()))
                    .map(python::text)
                    .collect();
                if asked.version.is_some() && !versions.is_empty() {
                    return format!(
                        "`{written}` leads nowhere: the model has the versions {}",
                        versions.join(", ")
                    );
                }
                let hint = did_you_mean(&asked.name, self.by_name.keys().map(String::as_str));
                let place = asked
                    .package
                    .as_ref()
                    .map(|name| format!(" in the package `{name}`"))
                    .unwrap_or_default();
                format!(
                    "`{written}` leads nowhere: there is no model, seed or snapshot of this name{place}{hint}"
                )
            }
        }
    }

    fn explain_source(&self, source: &str, table: &str, led: &Led) -> String {
        match led {
            Led::Disabled(to) => {
                format!(
                    "`source('{source}', '{table}')` leads to {}, which is disabled",
                    self.items[*to].path
                )
            }
            _ => {
                let known: Vec<String> =
                    self.sources_by_name.keys().map(|(source, table)| format!("{source}.{table}")).collect();
                let hint = did_you_mean(&format!("{source}.{table}"), known.iter().map(String::as_str));
                format!(
                    "`source('{source}', '{table}')` leads nowhere: no properties file describes it{hint}"
                )
            }
        }
    }

    /// A name of an item leads nowhere: a test is switched off, anything else is a problem.
    fn lost(&mut self, at: usize, name: &str, why: String) {
        let (path, line) = (self.items[at].path.clone(), self.line_of(at, name));
        let item = &mut self.items[at];
        if item.kind == Kind::Test {
            item.enabled = false;
            if let Some(Json::Object(config)) = item.node.get_mut("config") {
                config.insert("enabled".to_owned(), Json::Bool(false));
            }
            if !why.ends_with("disabled") {
                self.notes.0.push(format!("{path}:{line}: the test is left out: {why}"));
            }
        } else {
            self.problems.add(&path, line, why);
        }
    }

    /// The line of an item's file on which a name stands in quotes.
    pub(super) fn line_of(&self, at: usize, name: &str) -> u32 {
        let item = &self.items[at];
        let code = item.text("raw_code");
        if matches!(item.kind, Kind::Exposure | Kind::UnitTest | Kind::Source | Kind::SemanticModel)
            || item.node.contains_key("test_metadata")
        {
            return item.line;
        }
        for mark in ['\'', '"'] {
            let line = super::nodes::line_with(code, &format!("{mark}{name}{mark}"));
            if line > 0 {
                return item.line + line - 1;
            }
        }
        0
    }

    fn check_access(&mut self, at: usize, to: usize, asked: &RefAsked) {
        let (item, target) = (&self.items[at], &self.items[to]);
        if target.kind != Kind::Model || target.text("access") != "private" {
            return;
        }
        let group = |item: &Item| item.node.get("group").filter(|group| !group.is_null()).cloned();
        if item.kind != Kind::Exposure && group(item) == group(target) {
            return;
        }
        let why = format!(
            "`{}` leads to a private model of the group `{}`; only members of the group may read it",
            asked.written(),
            group(target).map(|group| python::text(&group)).unwrap_or_default()
        );
        let (path, line) = (item.path.clone(), self.line_of(at, &asked.name));
        self.problems.add(&path, line, why);
    }

    /// Ids, names and relations belong to one node each.
    fn refuse_doubles(&mut self) {
        let mut ids: HashMap<String, usize> = HashMap::new();
        let mut names: HashMap<(String, String), usize> = HashMap::new();
        let mut relations: BTreeMap<String, usize> = BTreeMap::new();
        let mut problems = Vec::new();
        let mut twice = Vec::new();
        for (at, item) in self.items.iter().enumerate().filter(|(_, item)| item.enabled) {
            if let Some(other) = ids.insert(item.id.clone(), at) {
                let other = &self.items[other];
                if item.kind == Kind::Test && item.node.contains_key("test_metadata") {
                    twice.push(at);
                    problems.push((
                        at,
                        format!(
                            "the test `{}` stands in {}:{} already; give one of them a `name`",
                            item.name(),
                            other.path,
                            other.line
                        ),
                    ));
                } else {
                    problems.push((
                        at,
                        format!(
                            "`{}` is the name of {} already; a name is used once in a package",
                            item.name(),
                            other.path
                        ),
                    ));
                }
                continue;
            }
            if !matches!(item.kind, Kind::Model | Kind::Seed | Kind::Snapshot) {
                continue;
            }
            let versioned = item.node.get("version").is_some_and(|version| !version.is_null());
            let key = (item.text("package_name").to_owned(), item.name().to_owned());
            if !versioned && let Some(other) = names.insert(key, at) {
                problems.push((
                    at,
                    format!(
                        "`{}` is the name of {} already; a name is used once in a package",
                        item.name(),
                        self.items[other].path
                    ),
                ));
                continue;
            }
            let relation = item.text("relation_name");
            if !relation.is_empty()
                && !item.broken
                && let Some(other) = relations.insert(relation.to_ascii_lowercase(), at)
            {
                problems.push((
                    at,
                    format!(
                        "{relation} is the relation of {} already; give one of them an `alias` or a `schema`",
                        self.items[other].id
                    ),
                ));
            }
        }
        for (at, why) in problems {
            let item = &self.items[at];
            let line = if twice.contains(&at) { item.line } else { 0 };
            self.problems.add(&item.path.clone(), line, why);
        }
    }

    /// Groups, contracts and access fit together.
    fn check_groups(&mut self) {
        let known: Vec<String> =
            self.groups.values().filter_map(|group| Some(group.get("name")?.as_str()?.to_owned())).collect();
        let mut problems = Vec::new();
        for item in self.items.iter().filter(|item| item.enabled) {
            if let Some(group) = item.setting_text("group")
                && !known.iter().any(|name| name == group)
            {
                let hint = did_you_mean(group, known.iter().map(String::as_str));
                problems.push((
                    config_place(item),
                    format!("`{}` is of the group `{group}`, which is not there{hint}", item.name()),
                ));
            }
            let contract =
                item.node.get("contract").is_some_and(|contract| contract["enforced"] == Json::Bool(true));
            let columns =
                item.node.get("columns").and_then(Json::as_object).is_some_and(|columns| !columns.is_empty());
            if item.kind == Kind::Model && contract && !columns {
                let why = format!(
                    "`{}` has an enforced contract; a properties file has to name its `columns` with their `data_type`",
                    item.name()
                );
                problems.push((config_place(item), why));
            }
            if item.is_ephemeral() && item.text("access") == "public" {
                problems.push((
                    config_place(item),
                    format!("`{}` is public and ephemeral; others have nothing to read", item.name()),
                ));
            }
        }
        for ((path, line), why) in problems {
            self.problems.add(&path, line, why);
        }
    }

    /// What the warehouse does not have is refused here, not when it is asked for.
    fn refuse_lacking(&mut self) {
        let target = &self.around.shared.target;
        let mut problems = Vec::new();
        for item in self.items.iter().filter(|item| item.enabled && item.is_relational()) {
            let materialized = item.setting_text("materialized").unwrap_or_default();
            let package = self.packages[item.package].name();
            let found = self.engine.library().materialization(package, materialized);
            // A materialization of the project's own does what it likes with its settings.
            if found.is_some_and(|found| found.package != crate::builtin::PACKAGE) {
                continue;
            }
            let config = item.node.get("config").and_then(Json::as_object).cloned().unwrap_or_default();
            for (_, what) in crate::warehouses::lacking(target.dialect(), &config) {
                let why = format!(
                    "{}: `{}`: {what} is not to be had on {}; leave it out there, for instance by `target.type`",
                    crate::codes::UNSUPPORTED,
                    item.name(),
                    target.kind
                );
                problems.push((config_place(item), why));
            }
        }
        for ((path, line), why) in problems {
            self.problems.add(&path, line, why);
        }
    }

    /// The columns that tell rows of models apart, as tests and constraints say.
    fn primary_keys(&mut self) {
        let mut tests: HashMap<String, Vec<(String, Vec<String>, bool)>> = HashMap::new();
        for item in self.items.iter().filter(|item| item.kind == Kind::Test) {
            let Some(attached) = item.node.get("attached_node").and_then(Json::as_str) else { continue };
            let metadata = &item.node["test_metadata"];
            let arguments = &metadata["kwargs"];
            let columns = match (&arguments["column_name"], &arguments["combination_of_columns"]) {
                (Json::String(column), _) => vec![column.clone()],
                (_, Json::Array(columns)) => {
                    columns.iter().filter_map(Json::as_str).map(str::to_owned).collect()
                }
                _ => continue,
            };
            let name = metadata["name"].as_str().unwrap_or_default().to_owned();
            tests.entry(attached.to_owned()).or_default().push((name, columns, item.enabled));
        }
        for item in self.items.iter_mut().filter(|item| item.kind == Kind::Model) {
            let tests = tests.get(&item.id).map_or(&[][..], Vec::as_slice);
            let mut key = primary_key(item, tests);
            key.sort();
            key.dedup();
            item.node.insert("primary_key".to_owned(), json!(key));
        }
    }
}

/// Where an item is configured: on a line of its own file, or by its entry in a properties file.
fn config_place(item: &Item) -> (String, u32) {
    match (super::nodes::line_with(item.text("raw_code"), "config("), &item.described) {
        (0, Some(described)) => described.clone(),
        (0, None) => (item.path.clone(), 0),
        (line, _) => (item.path.clone(), item.line + line - 1),
    }
}

fn primary_key(item: &Item, tests: &[(String, Vec<String>, bool)]) -> Vec<String> {
    let primary = |constraint: &&Json| constraint["type"] == "primary_key";
    if let Some(constraint) = item.node["constraints"].as_array().into_iter().flatten().find(primary) {
        return super::nodes::strings(constraint.get("columns"));
    }
    for (name, column) in item.node["columns"].as_object().into_iter().flatten() {
        if column["constraints"].as_array().into_iter().flatten().any(|one| primary(&one)) {
            return vec![name.clone()];
        }
    }
    let unique = |on: bool| {
        let of = tests.iter().filter(move |(name, _, enabled)| {
            matches!(name.as_str(), "unique" | "unique_combination_of_columns") && *enabled == on
        });
        of.flat_map(|(_, columns, _)| columns.clone()).collect::<Vec<_>>()
    };
    let (on, off) = (unique(true), unique(false));
    let both: Vec<String> = tests
        .iter()
        .filter(|(name, ..)| name == "not_null")
        .flat_map(|(_, columns, _)| columns.clone())
        .filter(|column| on.contains(column) || off.contains(column))
        .collect();
    [both, on, off].into_iter().find(|columns| !columns.is_empty()).unwrap_or_default()
}
