//! What each task asks to be allowed.
//!
//! In: resolved items. Out: one request for SQL per task.
//! Never: asks for more than the node names, with three exceptions: a node whose macros ask the
//! warehouse itself what is there may read the schemas of the project; one with hooks, and a test
//! whose macros make or change relations, may write in them.
//! Fails: not at all.
//! Source: `docs/guides/grants.md`.

use std::collections::BTreeSet;

use cofferdam_sdk::SqlRequest;
use serde_json::Value as Json;

use super::Build;
use super::nodes::Item;
use crate::project::config::Kind;

/// Words of statements that only an administrator's session may run.
const ADMIN: [&str; 9] = [
    "grant",
    "revoke",
    "create schema",
    "drop schema",
    "cascade",
    "create role",
    "alter role",
    "create extension",
    "alter default",
];

impl Build<'_> {
    /// What an item asks for. `asks` says whether its macros ask the warehouse what is there, `changes`
    /// whether they make or change relations though it is a test.
    pub(super) fn request(&self, at: usize, asks: bool, changes: bool) -> SqlRequest {
        let item = &self.items[at];
        let mut reads: BTreeSet<String> = BTreeSet::new();
        let mut writes: BTreeSet<String> = BTreeSet::new();
        self.read_relations(at, &mut reads, 0);
        reads.extend(self.looked_for(item).map(dotted));
        let mut mode = "read";
        match item.kind {
            Kind::Model | Kind::Seed | Kind::Snapshot if item.is_relational() => {
                mode = "write";
                writes.insert(schema_pattern(item));
            }
            Kind::Test if item.stores_failures() => {
                mode = "write";
                writes.insert(schema_pattern(item));
            }
            Kind::UnitTest => {
                mode = "write";
                // Its rows are cast to the types of the model's columns, where it is there.
                for id in &item.depends {
                    if let Some(model) = self.items.iter().find(|model| model.id == *id) {
                        reads.insert(dotted(model));
                    }
                }
            }
            Kind::Operation => {
                mode = "admin";
                writes.extend(self.project_schemas());
                reads.extend(self.source_relations());
            }
            Kind::Source => {
                reads.insert(dotted(item));
            }
            _ => {}
        }
        if changes {
            mode = "write";
            writes.extend(self.project_schemas());
        }
        if mode == "write" && self.needs_admin(item) {
            mode = "admin";
        }
        // What a hook writes is known when it runs; logs of runs are what it is mostly for.
        if mode != "read" && has_hooks(item) {
            writes.extend(self.project_schemas());
        }
        if asks {
            reads.extend(self.project_schemas());
        }
        reads.extend(writes.iter().cloned());
        SqlRequest {
            gateway: self.gateway.clone(),
            mode: mode.to_owned(),
            reads: reads.into_iter().collect(),
            writes: writes.into_iter().collect(),
        }
    }

    /// The relations behind everything an item stands on; ephemeral models stand for what they read.
    fn read_relations(&self, at: usize, into: &mut BTreeSet<String>, depth: usize) {
        let item = &self.items[at];
        for id in item.depends.iter().chain(&item.depends_more) {
            let Some(&to) = self.places.get(id) else { continue };
            let target = &self.items[to];
            if target.is_ephemeral()
                || item.kind == Kind::UnitTest && target.kind == Kind::Model && depth == 0
            {
                if depth < 100 {
                    into.extend(self.looked_for(target).map(dotted));
                    self.read_relations(to, into, depth + 1);
                }
            } else {
                into.insert(dotted(target));
                into.extend(self.deferred.get(&target.id).map(|to| to.relation.dotted()));
                // SQLite asks whoever reads a view for the tables behind it as well.
                if depth < 100 && target.is_view() && self.around.shared.target.kind == "sqlite" {
                    self.read_relations(to, into, depth + 1);
                }
            }
        }
    }

    /// Whether a node's hooks or grants need an administrator's session.
    fn needs_admin(&self, item: &Item) -> bool {
        let grants =
            item.setting("grants").and_then(Json::as_object).is_some_and(|grants| !grants.is_empty());
        let hooks = ["pre-hook", "post-hook"].iter().any(|key| {
            let hooks = item.setting(key).and_then(Json::as_array).into_iter().flatten();
            hooks.filter_map(|hook| hook["sql"].as_str()).any(|sql| {
                let sql = sql.to_ascii_lowercase();
                ADMIN.iter().any(|word| sql.contains(word))
            })
        });
        grants || hooks
    }

    /// Every schema the project builds in.
    fn project_schemas(&self) -> BTreeSet<String> {
        let mut schemas: BTreeSet<String> = self
            .items
            .iter()
            .filter(|item| item.enabled && item.is_relational())
            .map(schema_pattern)
            .collect();
        schemas.insert(format!("{}.*", self.around.shared.target.schema));
        schemas
    }

    fn source_relations(&self) -> BTreeSet<String> {
        self.items.iter().filter(|item| item.enabled && item.kind == Kind::Source).map(dotted).collect()
    }
}

/// Whether something is run before or behind an item.
fn has_hooks(item: &Item) -> bool {
    ["pre-hook", "post-hook"]
        .iter()
        .any(|key| item.setting(key).and_then(Json::as_array).is_some_and(|hooks| !hooks.is_empty()))
}

/// `schema.*`.
fn schema_pattern(item: &Item) -> String {
    format!("{}.*", item.text("schema"))
}

/// `schema.name`; `schema.*` where the name has what no request can say.
fn dotted(item: &Item) -> String {
    let name = match item.text("identifier") {
        "" => item.text("alias"),
        name => name,
    };
    let foreign = |c: char| c.is_control() || c.is_whitespace() || "\"'`;*?[].".contains(c);
    if name.chars().any(foreign) {
        return schema_pattern(item);
    }
    format!("{}.{name}", item.text("schema"))
}
