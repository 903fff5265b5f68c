//! Metrics, with `type_params` or with the same beside their name.
//!
//! In: entries under `metrics`, of a file or of a model. Out: items.
//! Never: resolves a measure or a metric; see [`super::links`].
//! Fails: by adding problems with the line of the metric.
//! Source: <https://docs.getdbt.com/docs/build/metrics-overview>.

use serde_json::{Map, Value as Json, json};

use super::super::Build;
use super::shapes::{
    AGGREGATIONS, GRAINS, METRICS, Shaped, filter, input, inputs, measure, non_additive, said, said_or,
    text_or_null, window, word, word_or,
};
use crate::project::config::{Kind, list};
use crate::project::properties::{Entry, config_of};
use crate::python;

/// The model that a metric stands under.
pub(super) struct Under {
    /// Its semantic model.
    pub(super) semantic_model: String,
    /// Its dimension of time.
    pub(super) time: Json,
}

impl Build<'_> {
    /// Adds the metric of an entry.
    pub(super) fn add_metric(&mut self, entry: &Entry) {
        self.metric_of(entry, &entry.data, None);
    }

    /// Adds a metric that stands in an entry.
    pub(super) fn metric_of(&mut self, entry: &Entry, data: &Map<String, Json>, under: Option<&Under>) {
        let name = data.get("name").map(python::text).unwrap_or_default();
        if let Err(why) = check_name(&name) {
            self.semantic_problem(entry, 0, "metric", &name, why);
        }
        let draft = self.semantic_draft(entry, Kind::Metric, &name, &config_of(data, &[]));
        let parameters = kind(data).and_then(|kind| match data.get("type_params") {
            Some(Json::Object(parameters)) => {
                if data.get("label").is_none_or(Json::is_null) {
                    return Err("it needs a `label`".to_owned());
                }
                Ok((of_parameters(&kind, parameters)?, kind))
            }
            Some(_) => Err("its `type_params` are a map".to_owned()),
            None => Ok((beside(&kind, data, under)?, kind)),
        });
        let (parameters, kind) = match parameters {
            Ok(found) => found,
            Err(why) => {
                self.semantic_problem(entry, 0, "metric", &name, &why);
                return;
            }
        };
        let own = data.contains_key("type_params");
        let said_meta = draft.config.get("meta").filter(|meta| **meta != json!({}));
        let meta = match (own, said_meta) {
            (true, Some(meta)) => meta.clone(),
            (true, None) => said_or(data, "meta", json!({})),
            (false, _) => json!({}),
        };
        let tags = if own { list(&said(data, "tags")) } else { Vec::new() };
        let description = self.semantic_description(entry, data.get("description"));
        let node = json!({
            "description": description.as_str().unwrap_or_default(),
            "label": said_or(data, "label", draft.name.clone().into()), "type": kind,
            "type_params": parameters, "filter": filter(data.get("filter")),
            "time_granularity": said(data, "time_granularity"), "sources": [], "metrics": [],
            "meta": meta, "tags": tags,
        });
        self.items.push(draft.item(Kind::Metric, node));
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it needs a `name`");
    }
    let rest = |c: char| c.is_alphanumeric() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(rest) || name.len() > 250 {
        return Err("a name begins with a letter, has letters, digits and `_`, and at most 250 of them");
    }
    Ok(())
}

fn kind(data: &Map<String, Json>) -> Result<String, String> {
    let kind = word_or(data, "type", &METRICS, "simple".into())?;
    Ok(kind.as_str().unwrap_or_default().to_owned())
}

/// What every metric has.
fn parameters() -> Map<String, Json> {
    let all = json!({
        "measure": null, "input_measures": [], "numerator": null, "denominator": null, "expr": null,
        "window": null, "grain_to_date": null, "metrics": [], "conversion_type_params": null,
        "cumulative_type_params": null, "metric_aggregation_params": null, "fill_nulls_with": null,
        "join_to_timespine": false, "is_private": null,
    });
    all.as_object().cloned().unwrap_or_default()
}

/// `type_params` as they are written.
fn of_parameters(kind: &str, data: &Map<String, Json>) -> Shaped {
    let mut all = parameters();
    for (key, value) in [
        ("measure", measure(data.get("measure"))?),
        ("numerator", input(data.get("numerator"))?),
        ("denominator", input(data.get("denominator"))?),
        ("expr", text_or_null(data.get("expr"))),
        ("window", window(data.get("window"))?),
        ("grain_to_date", word_or(data, "grain_to_date", &GRAINS, Json::Null)?),
        ("metrics", inputs(data.get("metrics"))?),
    ] {
        all.insert(key.to_owned(), value);
    }
    if let Some(data) = data.get("conversion_type_params").and_then(Json::as_object) {
        let measures = (measure(data.get("base_measure"))?, measure(data.get("conversion_measure"))?);
        if measures.0.is_null() || measures.1.is_null() {
            return Err("a conversion needs a `base_measure` and a `conversion_measure`".to_owned());
        }
        let mut of = conversion(data)?;
        of["base_measure"] = measures.0;
        of["conversion_measure"] = measures.1;
        all.insert("conversion_type_params".to_owned(), of);
    }
    if kind == "cumulative" {
        let none = Map::new();
        let own = data.get("cumulative_type_params").and_then(Json::as_object).unwrap_or(&none);
        let said = |key: &str| own.get(key).filter(|value| !value.is_null()).or_else(|| data.get(key));
        let of = json!({
            "window": window(said("window"))?, "grain_to_date": said("grain_to_date"),
            "period_agg": period(own)?, "metric": null,
        });
        all.insert("cumulative_type_params".to_owned(), of);
    }
    Ok(Json::Object(all))
}

/// The same without `type_params`.
fn beside(kind: &str, data: &Map<String, Json>, under: Option<&Under>) -> Shaped {
    let mut all = parameters();
    for (key, value) in [
        ("numerator", input(data.get("numerator"))?),
        ("denominator", input(data.get("denominator"))?),
        ("expr", text_or_null(data.get("expr"))),
        ("metrics", inputs(data.get("input_metrics"))?),
        ("join_to_timespine", said_or(data, "join_to_timespine", false.into())),
        ("is_private", said_or(data, "hidden", false.into())),
    ] {
        all.insert(key.to_owned(), value);
    }
    let more = match kind {
        "simple" => Some(("metric_aggregation_params", aggregation(data, under)?)),
        "cumulative" => {
            let metric = input(data.get("input_metric"))?;
            if metric.is_null() {
                return Err("a cumulative metric needs an `input_metric`".to_owned());
            }
            let of = json!({
                "window": window(data.get("window"))?, "grain_to_date": said(data, "grain_to_date"),
                "period_agg": period(data)?, "metric": metric,
            });
            Some(("cumulative_type_params", of))
        }
        "conversion" => {
            let metrics = (input(data.get("base_metric"))?, input(data.get("conversion_metric"))?);
            if metrics.0.is_null() || metrics.1.is_null() {
                return Err("a conversion needs a `base_metric` and a `conversion_metric`".to_owned());
            }
            let mut of = conversion(data)?;
            of["base_metric"] = metrics.0;
            of["conversion_metric"] = metrics.1;
            Some(("conversion_type_params", of))
        }
        _ => None,
    };
    all.extend(more.map(|(key, value)| (key.to_owned(), value)));
    Ok(Json::Object(all))
}

/// What a simple metric adds up.
fn aggregation(data: &Map<String, Json>, under: Option<&Under>) -> Shaped {
    if data.get("agg").is_none_or(Json::is_null) {
        return Err("a simple metric needs `type_params` with a `measure`, or an `agg`".to_owned());
    }
    let Some(under) = under else {
        return Err("a simple metric with an `agg` stands under its model".to_owned());
    };
    let percentile = data.get("percentile_type").and_then(Json::as_str).unwrap_or_default();
    let fixed = non_additive(data.get("non_additive_dimension"), "window_agg", "group_by")?;
    Ok(json!({
        "semantic_model": under.semantic_model, "agg": word(data, "agg", &AGGREGATIONS)?,
        "agg_params": {
            "percentile": said(data, "percentile"),
            "use_discrete_percentile": percentile.eq_ignore_ascii_case("discrete"),
            "use_approximate_percentile": percentile.eq_ignore_ascii_case("continuous"),
        },
        "agg_time_dimension": said_or(data, "agg_time_dimension", under.time.clone()),
        "non_additive_dimension": fixed,
    }))
}

/// What both forms of a conversion have.
fn conversion(data: &Map<String, Json>) -> Shaped {
    if data.get("entity").is_none_or(Json::is_null) {
        return Err("a conversion needs an `entity`".to_owned());
    }
    let kinds = ["conversions", "conversion_rate"];
    Ok(json!({
        "entity": said(data, "entity"), "base_measure": null, "conversion_measure": null,
        "base_metric": null, "conversion_metric": null,
        "calculation": word_or(data, "calculation", &kinds, "conversion_rate".into())?,
        "window": window(data.get("window"))?, "constant_properties": said(data, "constant_properties"),
    }))
}

fn period(data: &Map<String, Json>) -> Shaped {
    word_or(data, "period_agg", &["first", "last", "average"], "first".into())
}
