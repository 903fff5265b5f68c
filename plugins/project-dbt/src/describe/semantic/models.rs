//! Semantic models: what a model's rows are called, and what adds up.
//!
//! In: entries under `semantic_models`. Out: items, and a metric for each measure that wants one.
//! Never: looks at the columns of the model.
//! Fails: by adding problems, each with the line of the part it is about.
//! Source: <https://docs.getdbt.com/docs/build/semantic-models>.

use serde_json::{Map, Value as Json, json};

use super::super::Build;
use super::shapes::{
    self, AGGREGATIONS, Shaped, name_of, non_additive, part_config, said, said_or, text_or_null, time, word,
};
use crate::project::config::Kind;
use crate::project::properties::Entry;

/// How one part of a semantic model is read.
type Read = fn(&Map<String, Json>, &Json, Json) -> Shaped;

impl Build<'_> {
    /// Adds the semantic model of an entry.
    pub(super) fn add_semantic_model(&mut self, entry: &Entry) {
        let draft = self.semantic_draft(entry, Kind::SemanticModel, &entry.name, &entry.config(&[]));
        let meta = draft.config.get("meta").cloned().unwrap_or_default();
        let mut parts = Vec::new();
        let readers: [(&str, Read); 3] =
            [("entities", entity), ("measures", measure), ("dimensions", dimension)];
        for (key, read) in readers {
            parts.push((key, self.semantic_parts(entry, key, &meta, read)));
        }
        let model = said(&entry.data, "model");
        let defaults = entry.data.get("defaults").and_then(Json::as_object);
        let time = defaults.map(|defaults| said(defaults, "agg_time_dimension"));
        let mut node = json!({
            "model": model, "node_relation": null,
            "description": self.semantic_description(entry, entry.data.get("description")),
            "label": said(&entry.data, "label"),
            "defaults": time.map(|time| json!({"agg_time_dimension": time})),
            "primary_entity": said(&entry.data, "primary_entity"),
        });
        self.check_time_dimensions(entry, &node, &parts);
        if let Json::Object(node) = &mut node {
            node.extend(parts.into_iter().map(|(key, all)| (key.to_owned(), Json::Array(all))));
        }
        let config = draft.config.clone();
        let mut item = draft.item(Kind::SemanticModel, node);
        match model.as_str() {
            Some(model) => self.call(&mut item, model),
            None => {
                let why = "it needs a `model` such as `ref('orders')`";
                self.semantic_problem(entry, 0, "semantic model", &entry.name, why);
            }
        }
        self.items.push(item);
        self.metrics_of_measures(entry, &config);
    }

    /// The parts of a list of an entry.
    fn semantic_parts(&mut self, entry: &Entry, key: &str, meta: &Json, read: Read) -> Vec<Json> {
        let mut all = Vec::new();
        let written = entry.data.get(key).and_then(Json::as_array);
        for (at, part) in written.into_iter().flatten().enumerate() {
            let line = entry.node.get(key).and_then(|list| list.items().get(at)).map_or(0, |part| part.line);
            let none = Map::new();
            let data = part.as_object().unwrap_or(&none);
            let description = self.semantic_description(entry, data.get("description"));
            match read(data, meta, description) {
                Ok(part) => all.push(part),
                Err(why) => {
                    let name = data.get("name").and_then(Json::as_str).unwrap_or_default();
                    let why = format!("`{key}`: `{name}`: {why}");
                    self.semantic_problem(entry, line, "semantic model", &entry.name, &why);
                }
            }
        }
        all
    }

    /// Every measure adds up along a dimension of time.
    fn check_time_dimensions(&mut self, entry: &Entry, node: &Json, parts: &[(&str, Vec<Json>)]) {
        let of =
            |key: &'static str| parts.iter().filter(move |(name, _)| *name == key).flat_map(|(_, all)| all);
        let known: Vec<&str> = of("dimensions").filter_map(|one| one["name"].as_str()).collect();
        let default = &node["defaults"]["agg_time_dimension"];
        let mut problems = Vec::new();
        for measure in of("measures") {
            let time = measure["agg_time_dimension"].as_str().or(default.as_str());
            match time {
                None => problems.push(format!(
                    "the measure {} needs an `agg_time_dimension`, of its own or under `defaults`",
                    measure["name"]
                )),
                Some(time) if !known.contains(&time) => problems.push(format!(
                    "the measure {} adds up along `{time}`, which is no dimension of it",
                    measure["name"]
                )),
                Some(_) => {}
            }
        }
        for why in problems {
            self.semantic_problem(entry, 0, "semantic model", &entry.name, &why);
        }
    }

    /// A measure with `create_metric` is a metric, too.
    fn metrics_of_measures(&mut self, entry: &Entry, config: &Map<String, Json>) {
        for measure in entry.data.get("measures").and_then(Json::as_array).into_iter().flatten() {
            let Some(data) = measure.as_object() else { continue };
            let Ok(name) = name_of(data) else { continue };
            if data.get("create_metric") != Some(&Json::Bool(true)) {
                continue;
            }
            let said_description =
                said_or(data, "description", format!("Metric created from measure {name}").into());
            let expr = said_or(data, "expr", name.clone().into());
            let metric = json!({
                "name": name, "label": said_or(data, "label", name.clone().into()), "type": "simple",
                "description": said_description, "type_params": {"measure": name, "expr": expr},
                "config": {"enabled": said(config, "enabled"), "meta": said(config, "meta")},
            });
            self.metric_of(entry, metric.as_object().unwrap_or(&Map::new()), None);
        }
    }
}

fn entity(data: &Map<String, Json>, meta: &Json, description: Json) -> Shaped {
    shapes::entity(data, meta, description, said(data, "role"))
}

fn measure(data: &Map<String, Json>, meta: &Json, description: Json) -> Shaped {
    let parameters = match data.get("agg_params").and_then(Json::as_object) {
        Some(data) => json!({
            "percentile": said(data, "percentile"),
            "use_discrete_percentile": said_or(data, "use_discrete_percentile", false.into()),
            "use_approximate_percentile": said_or(data, "use_approximate_percentile", false.into()),
        }),
        None => Json::Null,
    };
    let fixed = non_additive(data.get("non_additive_dimension"), "window_choice", "window_groupings")?;
    Ok(json!({
        "name": name_of(data)?, "agg": word(data, "agg", &AGGREGATIONS)?, "description": description,
        "label": said(data, "label"), "create_metric": false, "expr": text_or_null(data.get("expr")),
        "agg_params": parameters, "non_additive_dimension": fixed,
        "agg_time_dimension": said(data, "agg_time_dimension"),
        "config": part_config(Some(meta), data.get("config")),
    }))
}

fn dimension(data: &Map<String, Json>, meta: &Json, description: Json) -> Shaped {
    let parameters = match data.get("type_params").and_then(Json::as_object) {
        Some(data) => time(data, "time_granularity", data.get("validity_params"))?,
        None => Json::Null,
    };
    shapes::dimension(data, meta, description, parameters)
}
