//! Semantic models and metrics that stand under a model.
//!
//! In: entries of models with `semantic_model` and `metrics`, their columns with `entity` and
//! `dimension`. Out: items.
//! Never: takes a column for a part unless it says so.
//! Fails: by adding problems.
//! Source: <https://docs.getdbt.com/docs/build/semantic-models>, the form without a section of its own.

use serde_json::{Map, Value as Json, json};

use super::super::Build;
use super::metrics::Under;
use super::shapes::{self, DIMENSIONS, ENTITIES, Shaped, name_of, part_config, said, said_or, time, word};
use crate::project::config::Kind;
use crate::project::properties::{Entry, config_of};

impl Build<'_> {
    /// Adds what an entry of a model says of its semantics.
    pub(super) fn add_semantics_of_model(&mut self, entry: &Entry) {
        let asked = entry.data.get("semantic_model").cloned().unwrap_or_default();
        let own = asked.as_object().cloned().unwrap_or_default();
        let name = own.get("name").and_then(Json::as_str).unwrap_or(&entry.name).to_owned();
        let wanted =
            asked == Json::Bool(true) || asked.is_object() && own.get("enabled") != Some(&Json::Bool(false));
        if wanted {
            self.semantic_model_of(entry, &name, &own);
        }
        let under = Under { semantic_model: name, time: said(&entry.data, "agg_time_dimension") };
        let metrics = entry.data.get("metrics").and_then(Json::as_array).cloned().unwrap_or_default();
        for metric in metrics.iter().filter_map(Json::as_object) {
            self.metric_of(entry, metric, Some(&under));
        }
    }

    fn semantic_model_of(&mut self, entry: &Entry, name: &str, own: &Map<String, Json>) {
        let mut config = config_of(own, &[]);
        if own.contains_key("config") {
            config.insert("enabled".to_owned(), true.into());
        }
        config.extend(own.get("group").map(|group| ("group".to_owned(), group.clone())));
        let draft = self.semantic_draft(entry, Kind::SemanticModel, name, &config);
        let meta = draft.config.get("meta").cloned().unwrap_or_default();
        let mut entities = Vec::new();
        let mut dimensions = Vec::new();
        let derived = |key: &str| {
            let all = entry.data.get("derived_semantics").and_then(|derived| derived.get(key));
            all.and_then(Json::as_array).cloned().unwrap_or_default()
        };
        let columns = entry.data.get("columns").and_then(Json::as_array).cloned().unwrap_or_default();
        for column in columns.iter().filter_map(Json::as_object) {
            self.take_part(entry, column, "entity", &mut entities, &meta, column_entity);
            self.take_part(entry, column, "dimension", &mut dimensions, &meta, column_dimension);
        }
        for part in derived("entities").iter().filter_map(Json::as_object) {
            self.take_part(entry, part, "name", &mut entities, &meta, derived_entity);
        }
        for part in derived("dimensions").iter().filter_map(Json::as_object) {
            self.take_part(entry, part, "name", &mut dimensions, &meta, derived_dimension);
        }
        let model = format!("ref('{}')", entry.name);
        let node = json!({
            "model": model, "node_relation": null,
            "description": self.semantic_description(entry, entry.data.get("description")).as_str()
                .unwrap_or_default(),
            "label": null,
            "defaults": {"agg_time_dimension": said(&entry.data, "agg_time_dimension")},
            "entities": entities, "measures": [], "dimensions": dimensions,
            "primary_entity": said(&entry.data, "primary_entity"),
        });
        let mut item = draft.item(Kind::SemanticModel, node);
        self.call(&mut item, &model);
        self.items.push(item);
    }

    /// Adds a part, where a column has one.
    fn take_part(
        &mut self,
        entry: &Entry,
        data: &Map<String, Json>,
        key: &str,
        into: &mut Vec<Json>,
        meta: &Json,
        read: fn(&Map<String, Json>, &Json, Json) -> Shaped,
    ) {
        let Some(value) = data.get(key).filter(|value| !value.is_null()) else { return };
        let own = value.get("description").or_else(|| data.get("description"));
        let mut description = self.semantic_description(entry, own);
        if description.is_null() && key != "name" {
            description = "".into();
        }
        match read(data, meta, description) {
            Ok(part) => into.push(part),
            Err(why) => {
                let name = data.get("name").and_then(Json::as_str).unwrap_or_default();
                let why = format!("`{name}`: {why}");
                self.semantic_problem(entry, 0, "semantic model of the model", &entry.name, &why);
            }
        }
    }
}

/// What a column says of its part, as the manifest has it with the column.
pub(in super::super) fn of_column(data: &Map<String, Json>, key: &str) -> Json {
    let mut part = said(data, key);
    if let Json::Object(part) = &mut part {
        let mut all = json!({"name": said(data, "name"), "description": "", "label": null, "config": {}});
        if key == "dimension" {
            all["is_partition"] = false.into();
            all["validity_params"] = Json::Null;
        }
        for (key, value) in all.as_object().into_iter().flatten() {
            part.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    part
}

/// A map of its own, or the kind alone.
fn own_or_kind(data: &Map<String, Json>, key: &str) -> Map<String, Json> {
    match data.get(key) {
        Some(Json::Object(own)) => own.clone(),
        other => Map::from_iter([("type".to_owned(), other.cloned().unwrap_or_default())]),
    }
}

/// The name of a part, and what stands for it where that is another one.
fn names(data: &Map<String, Json>, own: &Map<String, Json>) -> Result<(String, Json), String> {
    let column = name_of(data)?;
    let name = own.get("name").and_then(Json::as_str).unwrap_or(&column).to_owned();
    let expr = if name == column { Json::Null } else { column.into() };
    Ok((name, expr))
}

fn column_entity(data: &Map<String, Json>, meta: &Json, description: Json) -> Shaped {
    let own = own_or_kind(data, "entity");
    let (name, expr) = names(data, &own)?;
    Ok(json!({
        "name": name, "type": word(&own, "type", &ENTITIES)?,
        "description": description, "label": said(&own, "label"), "role": null, "expr": expr,
        "config": part_config(Some(meta), own.get("config").or_else(|| data.get("config"))),
    }))
}

fn column_dimension(data: &Map<String, Json>, meta: &Json, description: Json) -> Shaped {
    let own = own_or_kind(data, "dimension");
    let (name, expr) = names(data, &own)?;
    let kind = word(&own, "type", &DIMENSIONS)?;
    let grained = data.get("granularity").is_some_and(|grain| !grain.is_null());
    if kind == "time" && !grained {
        return Err("a column that is a dimension of time has a `granularity`".to_owned());
    }
    let parameters = if grained && data.get("dimension").is_some_and(Json::is_object) {
        time(data, "granularity", own.get("validity_params"))?
    } else {
        Json::Null
    };
    let around = part_config(Some(meta), data.get("config"));
    Ok(json!({
        "name": name, "type": kind, "description": description, "label": said(&own, "label"),
        "is_partition": said_or(&own, "is_partition", false.into()), "type_params": parameters,
        "expr": expr, "metadata": null, "config": part_config(around.get("meta"), own.get("config")),
        "datatype": null,
    }))
}

fn derived_entity(data: &Map<String, Json>, meta: &Json, description: Json) -> Shaped {
    shapes::entity(data, meta, description, Json::Null)
}

fn derived_dimension(data: &Map<String, Json>, meta: &Json, description: Json) -> Shaped {
    let parameters = if data.get("granularity").is_some_and(|grain| !grain.is_null()) {
        time(data, "granularity", data.get("validity_params"))?
    } else {
        Json::Null
    };
    shapes::dimension(data, meta, description, parameters)
}
