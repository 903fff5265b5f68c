//! Leads measures and metrics to what they are of.
//!
//! In: items whose `ref`s are led. Out: what each stands on, and the measures behind each metric.
//! Never: guesses: a name that leads nowhere is a problem.
//! Fails: by adding problems: a measure or a metric that is not there or disabled, metrics in a circle.
//! Source: the way dbt resolves `measure` and `metric`.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::super::Build;
use super::super::nodes::Item;
use crate::problem::did_you_mean;
use crate::project::config::Kind;

/// Positions of items by a name.
type Names = HashMap<String, Vec<usize>>;

/// How deep metrics may stand on one another.
const DEPTH_MAX: usize = 100;

impl Build<'_> {
    /// Links everything.
    pub(in super::super) fn link_semantics(&mut self) {
        let mut measures = Names::new();
        let mut metrics = Names::new();
        for (at, item) in self.items.iter().enumerate() {
            match item.kind {
                Kind::Metric => metrics.entry(item.name().to_owned()).or_default().push(at),
                Kind::SemanticModel => {
                    for measure in item.node["measures"].as_array().into_iter().flatten() {
                        let name = measure["name"].as_str().unwrap_or_default();
                        measures.entry(name.to_owned()).or_default().push(at);
                    }
                }
                _ => {}
            }
        }
        self.refuse_twin_measures(&measures);
        self.relate_semantic_models();
        let all: Vec<usize> = (0..self.items.len()).filter(|at| self.items[*at].enabled).collect();
        let mut done = HashMap::new();
        for &at in &all {
            if self.items[at].kind == Kind::Metric {
                self.link_metric(at, &measures, &metrics, &mut done, 0);
            }
        }
        for &at in &all {
            let asked = self.items[at].metrics_asked();
            let mut led = Vec::new();
            for (package, name) in asked {
                match self.pick(at, package.as_deref(), &metrics, &name) {
                    Some(to) => led.push(self.items[to].id.clone()),
                    None => self.lost_name(at, "metric", &name, &metrics),
                }
            }
            self.items[at].stands_on(led);
        }
    }

    /// The relation that each semantic model describes.
    fn relate_semantic_models(&mut self) {
        for at in 0..self.items.len() {
            let item = &self.items[at];
            if item.kind != Kind::SemanticModel || !item.enabled {
                continue;
            }
            let to = item.refs.first().and_then(|asked| self.led_ref(at, asked));
            let Some(to) = to.map(|to| &self.items[to]) else { continue };
            let relation = json!({
                "alias": to.text("alias"), "schema_name": to.text("schema"), "database": to.text("database"),
                "relation_name": to.node.get("relation_name"),
            });
            self.items[at].node.insert("node_relation".to_owned(), relation);
        }
    }

    /// A measure's name is used once.
    fn refuse_twin_measures(&mut self, measures: &Names) {
        let mut problems = Vec::new();
        for (name, places) in measures {
            let mut on = places.iter().filter(|at| self.items[**at].enabled);
            if let (Some(first), Some(second)) = (on.next(), on.next()) {
                let (first, second) = (&self.items[*first], &self.items[*second]);
                let why = format!(
                    "the measure `{name}` stands in the semantic model `{}` already; a measure's name is used once",
                    first.name()
                );
                problems.push((second.path.clone(), second.line, why));
            }
        }
        for (path, line, why) in problems {
            self.problems.add(&path, line, why);
        }
    }

    /// What a metric stands on; gives the measures behind it.
    fn link_metric(
        &mut self,
        at: usize,
        measures: &Names,
        metrics: &Names,
        done: &mut HashMap<usize, Option<Vec<Json>>>,
        depth: usize,
    ) -> Vec<Json> {
        match done.get(&at) {
            Some(Some(known)) => return known.clone(),
            Some(None) => {
                let item = &self.items[at];
                let (path, line) = (item.path.clone(), item.line);
                let why = format!("the metric `{}` stands on itself, in a circle", item.name());
                self.problems.add(&path, line, why);
                return Vec::new();
            }
            None if depth > DEPTH_MAX => return Vec::new(),
            None => done.insert(at, None),
        };
        let (own, inputs, mut ids) = self.inputs(at);
        let mut behind: Vec<Json> = Vec::new();
        for measure in own {
            let name = measure["name"].as_str().unwrap_or_default().to_owned();
            match self.pick(at, None, measures, &name) {
                Some(to) => ids.push(self.items[to].id.clone()),
                None => self.lost_name(at, "measure", &name, measures),
            }
            behind.push(measure);
        }
        for name in inputs {
            let Some(to) = self.pick(at, None, metrics, &name) else {
                self.lost_name(at, "metric", &name, metrics);
                continue;
            };
            ids.push(self.items[to].id.clone());
            behind.extend(self.link_metric(to, measures, metrics, done, depth + 1));
        }
        let mut once: Vec<Json> = Vec::new();
        for measure in behind {
            if !once.contains(&measure) {
                once.push(measure);
            }
        }
        let item = &mut self.items[at];
        if let Some(Json::Object(parameters)) = item.node.get_mut("type_params") {
            parameters.insert("input_measures".to_owned(), Json::Array(once.clone()));
        }
        item.stands_on(ids);
        done.insert(at, Some(once.clone()));
        once
    }

    /// The measures, the metrics and the semantic model that a metric names.
    fn inputs(&mut self, at: usize) -> (Vec<Json>, Vec<String>, Vec<String>) {
        let item = &self.items[at];
        let parameters = &item.node["type_params"];
        let name = |input: &Json| input["name"].as_str().map(str::to_owned);
        let conversion = &parameters["conversion_type_params"];
        let mut wrong = None;
        let (mut measures, mut inputs, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        match item.text("type") {
            "simple" | "cumulative" if !parameters["measure"].is_null() => {
                measures.push(parameters["measure"].clone());
            }
            "simple" => match parameters["metric_aggregation_params"]["semantic_model"].as_str() {
                Some(model) => ids.push(format!("semantic_model.{}.{model}", item.text("package_name"))),
                None => wrong = Some("a simple metric needs a `measure`"),
            },
            "cumulative" => match name(&parameters["cumulative_type_params"]["metric"]) {
                Some(metric) => inputs.push(metric),
                None => wrong = Some("a cumulative metric needs a `measure`"),
            },
            "ratio" => {
                inputs.extend(["numerator", "denominator"].iter().filter_map(|key| name(&parameters[*key])));
                if inputs.len() < 2 {
                    wrong = Some("a ratio needs a `numerator` and a `denominator`");
                }
            }
            "conversion" if conversion.is_null() => wrong = Some("it needs `conversion_type_params`"),
            "conversion" => {
                let of = |key: &str| Some(conversion[key].clone()).filter(|value| !value.is_null());
                measures.extend(["base_measure", "conversion_measure"].iter().filter_map(|key| of(key)));
                inputs.extend(["base_metric", "conversion_metric"].iter().filter_map(|key| name(&of(key)?)));
            }
            _ => inputs.extend(parameters["metrics"].as_array().into_iter().flatten().filter_map(name)),
        }
        let missing = ids.iter().find(|id| !self.items.iter().any(|item| item.enabled && item.id == **id));
        let why = match (wrong, missing) {
            (Some(why), _) => Some(why.to_owned()),
            (None, Some(_)) => Some("its model has no semantic model".to_owned()),
            (None, None) => None,
        };
        if let Some(why) = why {
            let (path, line) = (item.path.clone(), item.line);
            let why = format!("the metric `{}`: {why}", item.name());
            self.problems.add(&path, line, why);
        }
        (measures, inputs, ids)
    }

    /// The enabled item that a name means: of the package named; else of the root, the own, any.
    fn pick(&self, at: usize, package: Option<&str>, names: &Names, name: &str) -> Option<usize> {
        let of = |package: &str| {
            let all = names.get(name).into_iter().flatten().copied();
            all.into_iter().find(|to| {
                let item = &self.items[*to];
                item.enabled && (package.is_empty() || item.text("package_name") == package)
            })
        };
        match package {
            Some(package) => of(package),
            None => of(self.packages[0].name())
                .or_else(|| of(self.items[at].text("package_name")))
                .or_else(|| of("")),
        }
    }

    fn lost_name(&mut self, at: usize, what: &str, name: &str, names: &Names) {
        let item = &self.items[at];
        let why = match names.get(name).and_then(|all| all.first()) {
            Some(to) => format!("the {what} `{name}` is disabled, see {}", self.items[*to].path),
            None => {
                let hint = did_you_mean(name, names.keys().map(String::as_str));
                format!("there is no {what} `{name}`{hint}")
            }
        };
        let kind = item.kind.resource_type().replace('_', " ");
        let (path, line) = (item.path.clone(), item.line);
        let why = format!("the {kind} `{}`: {why}", item.name());
        self.problems.add(&path, line, why);
    }
}

impl Item {
    /// The metrics it names, each with the package it names.
    fn metrics_asked(&self) -> Vec<(Option<String>, String)> {
        if self.kind == Kind::SavedQuery {
            let all = super::super::nodes::strings(self.node["query_params"].get("metrics"));
            return all.into_iter().map(|name| (None, name)).collect();
        }
        self.metrics.clone()
    }

    /// Adds ids to what it stands on.
    fn stands_on(&mut self, ids: Vec<String>) {
        if ids.is_empty() {
            return;
        }
        self.depends.extend(ids);
        let all = json!(self.depends.iter().collect::<Vec<_>>());
        if let Some(Json::Object(on)) = self.node.get_mut("depends_on") {
            on.insert("nodes".to_owned(), all);
        }
    }
}
