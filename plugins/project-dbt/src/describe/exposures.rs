//! Exposures and groups.
//!
//! In: entries under `exposures` and `groups`. Out: items, and groups of the manifest.
//! Never: asks anything of the people they name.
//! Fails: by adding problems: a name used twice, an owner without name and address.
//! Source: <https://docs.getdbt.com/docs/build/exposures>, <https://docs.getdbt.com/docs/build/groups>.

use serde_json::{Map, Value as Json, json};

use super::Build;
use super::nodes::Item;
use super::world::Describing;
use crate::project::config::{Kind, Places, list};
use crate::project::properties::Entry;
use crate::python;

impl Build<'_> {
    /// Reads all exposures.
    pub(super) fn add_exposures(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        for entry in entries.iter().filter(|entry| entry.kind == "exposures") {
            let item = self.exposure(entry);
            self.items.push(item);
        }
        self.entries = entries;
    }

    fn exposure(&mut self, entry: &Entry) -> Item {
        let file = &entry.file;
        let package = self.packages[file.package].name().to_owned();
        let mut fqn = vec![package.clone()];
        fqn.extend(file.folders().map(str::to_owned));
        fqn.push(entry.name.clone());
        let (patch, none) = (entry.config(&[]), Map::new());
        let places = Places {
            own: &self.packages[file.package].file,
            root: &self.packages[0].file,
            fqn: &fqn,
            patch: &patch,
            call: &none,
        };
        let resolved = places.resolve(Kind::Exposure).unwrap_or_else(|why| {
            self.problems.add(&file.path, entry.line, format!("the exposure `{}`: {why}", entry.name));
            crate::project::config::Resolved::default()
        });
        let mut config = resolved.config;
        let tags = entry.tags(&config);
        let mut meta = entry.data.get("meta").and_then(Json::as_object).cloned().unwrap_or_default();
        meta.extend(config.get("meta").and_then(Json::as_object).cloned().unwrap_or_default());
        config.insert("tags".to_owned(), json!(tags));
        config.insert("meta".to_owned(), json!(meta));
        let kinds = ["dashboard", "notebook", "analysis", "ml", "application"];
        if !kinds.contains(&entry.text("type")) {
            let why = format!("the exposure `{}` has a `type` out of {}", entry.name, kinds.join(", "));
            self.problems.add(&file.path, entry.line, why);
        }
        let owner = self.owner(entry, "exposure");
        let (description, _) = self.description(entry, entry.text("description"));
        let said = |key: &str| entry.data.get(key).cloned().unwrap_or_default();
        let enabled = config.get("enabled") != Some(&Json::Bool(false));
        let id = format!("exposure.{package}.{}", entry.name);
        let node = json!({
            "name": entry.name, "resource_type": "exposure", "package_name": package,
            "path": file.relative, "original_file_path": file.original, "unique_id": id, "fqn": fqn,
            "type": said("type"), "owner": owner, "description": description, "label": said("label"),
            "maturity": said("maturity"), "meta": meta, "tags": tags, "config": config,
            "unrendered_config": resolved.unrendered, "url": said("url"),
            "depends_on": {"macros": [], "nodes": []}, "refs": [], "sources": [], "metrics": [],
            "created_at": 0.0,
        });
        let mut item = Item::new(Kind::Exposure, file.package, &file.path, entry.line, node);
        item.enabled = enabled;
        for call in list(entry.data.get("depends_on").unwrap_or(&Json::Null)) {
            self.call(&mut item, &python::text(&call));
        }
        item
    }

    /// Notes the names of one call such as `ref('orders')`.
    pub(super) fn call(&mut self, item: &mut Item, call: &str) {
        let inner = call.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
        let world = Describing::of(&self.around, &item.node);
        let package = self.packages[item.package].name();
        match self.engine.evaluate(package, &item.path, inner, &world) {
            Ok(_) => item.take(world.found()),
            Err(why) => {
                let message = format!("{}: `{call}`: {}", why.code(), why.message);
                self.problems.add(&item.path, item.line, message);
                item.broken = true;
            }
        }
    }

    /// Who answers for something.
    fn owner(&mut self, entry: &Entry, what: &str) -> Json {
        let owner = entry.data.get("owner").and_then(Json::as_object);
        let said = |key: &str| owner.and_then(|owner| owner.get(key)).cloned().unwrap_or_default();
        if said("name").is_null() && said("email").is_null() {
            let why = format!("the {what} `{}` needs an `owner` with a `name` or an `email`", entry.name);
            self.problems.add(&entry.file.path, entry.line, why);
        }
        let mut all = json!({"email": said("email"), "name": said("name")});
        if let (Json::Object(all), Some(owner)) = (&mut all, owner) {
            all.extend(owner.clone());
        }
        all
    }

    /// Reads all groups.
    pub(super) fn add_groups(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        for entry in entries.iter().filter(|entry| entry.kind == "groups") {
            let package = self.packages[entry.file.package].name().to_owned();
            let id = format!("group.{package}.{}", entry.name);
            let owner = self.owner(entry, "group");
            let (description, _) = self.description(entry, entry.text("description"));
            let meta = entry.config(&["meta"]).get("meta").cloned().unwrap_or_else(|| json!({}));
            let description = Some(description).filter(|text| !text.is_empty());
            let group = json!({
                "name": entry.name, "resource_type": "group", "package_name": package,
                "path": entry.file.relative, "original_file_path": entry.file.original, "unique_id": id,
                "owner": owner, "description": description, "config": {"meta": meta},
            });
            if self.groups.insert(id, group).is_some() {
                let why = format!("a group is named `{}` already", entry.name);
                self.problems.add(&entry.file.path, entry.line, why);
            }
        }
        self.entries = entries;
    }
}
