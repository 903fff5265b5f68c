//! Databases, schemas, aliases and relation names of nodes, as `generate_*_name` make them.
//!
//! In: an item with its configuration. Out: the same with its names.
//! Never: calls a macro where the built-in one holds; what that does is written here.
//! Fails: by adding a problem, where a macro of the project fails or gives no usable name.
//! Source: <https://docs.getdbt.com/docs/build/custom-schemas>.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::Build;
use super::nodes::Item;
use super::world::Describing;
use crate::jinja::world::Quoting;
use crate::jinja::{Library, from_json};
use crate::project::config::Kind;

/// What a macro `generate_*_name` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Database,
    Schema,
    Alias,
}

impl Part {
    fn key(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Alias => "alias",
        }
    }
}

/// Which packages have a macro of their own for which part.
#[derive(Debug, Default)]
pub(crate) struct Generators(BTreeMap<(String, &'static str), String>);

impl Generators {
    /// Looks through a library.
    pub(crate) fn of(library: &Library, root: &str, adapter: &str) -> Self {
        let mut found = BTreeMap::new();
        for part in [Part::Database, Part::Schema, Part::Alias] {
            let name = format!("generate_{}_name", part.key());
            let dispatched = [format!("default__{name}"), format!("{adapter}__{name}")];
            for one in library.macros().filter(|one| one.package != "dbt") {
                let own = one.block.name == name;
                if own || one.package == root && dispatched.contains(&one.block.name) {
                    found.insert((one.package.clone(), part.key()), name.clone());
                }
            }
        }
        Self(found)
    }
}

impl Build<'_> {
    /// Gives an item its database, schema, alias and relation name.
    pub(crate) fn name(&mut self, item: &mut Item) {
        for part in [Part::Database, Part::Schema, Part::Alias] {
            let custom = item.setting(part.key()).map(text_of);
            let name = match self.generated(item, part, custom.as_deref()) {
                Ok(name) => name,
                Err((path, line, why)) => {
                    self.problems.add(&path, line, format!("`{}`: {why}", item.name()));
                    item.broken = true;
                    continue;
                }
            };
            item.node.insert(part.key().to_owned(), name.into());
        }
        if item.kind == Kind::Snapshot {
            for (setting, key) in [("target_database", "database"), ("target_schema", "schema")] {
                if let Some(name) = item.setting_text(setting).filter(|name| !name.is_empty()) {
                    let name = name.to_owned();
                    item.node.insert(key.to_owned(), name.into());
                }
            }
        }
        let relation_name = if item.is_relational() {
            if !item.broken {
                self.check_names(item);
            }
            let quoting = self.quoting(item.setting("quoting"));
            let mut relation =
                self.around.relation(item.text("database"), item.text("schema"), item.text("alias"));
            relation.quoting = quoting;
            Json::String(relation.render())
        } else {
            Json::Null
        };
        item.node.insert("relation_name".to_owned(), relation_name);
    }

    /// How names are quoted where a node or source says something of its own.
    pub(crate) fn quoting(&self, own: Option<&Json>) -> Quoting {
        let mut quoting = self.around.quoting;
        let said = |key: &str| own.and_then(|own| own.get(key)).and_then(Json::as_bool);
        quoting.database = said("database").unwrap_or(quoting.database);
        quoting.schema = said("schema").unwrap_or(quoting.schema);
        quoting.identifier = said("identifier").unwrap_or(quoting.identifier);
        quoting
    }

    fn check_names(&mut self, item: &mut Item) {
        for key in ["schema", "alias"] {
            let name = item.text(key);
            if name.is_empty() || name.len() > 255 || name.contains(|c: char| c.is_control()) {
                let why = format!(
                    "`{}`: its {key} is `{}`; a name has 1 to 255 characters",
                    item.name(),
                    name.escape_debug()
                );
                self.problems.add(&item.path, 0, why);
                item.broken = true;
            }
        }
    }

    fn generated(
        &self,
        item: &Item,
        part: Part,
        custom: Option<&str>,
    ) -> Result<String, (String, u32, String)> {
        let root = self.packages[0].name();
        let own = self.packages[item.package].name();
        let of = |package: &str| self.generators.0.get(&(package.to_owned(), part.key()));
        let Some((package, name)) =
            of(own).map(|name| (own, name)).or_else(|| of(root).map(|name| (root, name)))
        else {
            return Ok(self.built_in(item, part, custom));
        };
        let world = Describing::of(&self.around, &item.node);
        let custom = from_json(&custom.map_or(Json::Null, Json::from));
        let node = from_json(&Json::Object(item.node.clone()));
        let made = self
            .engine
            .call(package, name, &[custom, node], &[], &world)
            .map_err(|why| (why.path.clone(), why.line, why.message.clone()))?;
        let made = if made.is_none() || made.is_undefined() { String::new() } else { made.to_string() };
        Ok(made.trim().to_owned())
    }

    /// What the built-in macros do.
    fn built_in(&self, item: &Item, part: Part, custom: Option<&str>) -> String {
        let target = &self.around.shared.target;
        let custom = custom.map(str::trim);
        match part {
            Part::Database => custom.unwrap_or(&target.database).to_owned(),
            Part::Schema => match custom {
                Some(custom) => format!("{}_{custom}", target.schema),
                None => target.schema.clone(),
            },
            Part::Alias => match (custom.filter(|custom| !custom.is_empty()), item.node.get("version")) {
                (Some(custom), _) => custom.to_owned(),
                (None, Some(version)) if !version.is_null() => {
                    format!("{}_v{}", item.name(), text_of(version).replace('.', "_"))
                }
                _ => item.name().to_owned(),
            },
        }
    }
}

/// A value as a name.
pub(crate) fn text_of(value: &Json) -> String {
    crate::python::text(value)
}
