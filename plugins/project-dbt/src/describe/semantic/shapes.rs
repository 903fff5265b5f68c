//! Values of semantic models and metrics in the shape the manifest has them.
//!
//! In: values as they are written. Out: the same, with what holds where nothing is said.
//! Never: looks at another entry.
//! Fails: with a sentence.
//! Source: dbt's manifest v12.

use serde_json::{Map, Value as Json, json};

use crate::problem::did_you_mean;
use crate::project::config::list;
use crate::python;

/// How a measure or a metric adds up.
pub(super) const AGGREGATIONS: [&str; 9] =
    ["sum", "min", "max", "count_distinct", "sum_boolean", "average", "percentile", "median", "count"];
/// Kinds of entities.
pub(super) const ENTITIES: [&str; 4] = ["foreign", "natural", "primary", "unique"];
/// Kinds of dimensions.
pub(super) const DIMENSIONS: [&str; 2] = ["categorical", "time"];
/// Kinds of metrics.
pub(super) const METRICS: [&str; 5] = ["simple", "ratio", "cumulative", "derived", "conversion"];
/// Stretches of time with a name of their own.
pub(super) const GRAINS: [&str; 11] = [
    "nanosecond",
    "microsecond",
    "millisecond",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
];

/// A value, or what is wrong with it.
pub(super) type Shaped = Result<Json, String>;

/// A value of a map; null where there is none.
pub(super) fn said(data: &Map<String, Json>, key: &str) -> Json {
    data.get(key).cloned().unwrap_or_default()
}

/// A value of a map, or what holds where there is none.
pub(super) fn said_or(data: &Map<String, Json>, key: &str, or: Json) -> Json {
    data.get(key).filter(|value| !value.is_null()).cloned().unwrap_or(or)
}

/// A text as it stands; numbers and truths as Python writes them.
pub(super) fn text_or_null(value: Option<&Json>) -> Json {
    match value {
        None | Some(Json::Null) => Json::Null,
        Some(value) => python::text(value).into(),
    }
}

/// One of a few words.
pub(super) fn word(data: &Map<String, Json>, key: &str, known: &[&str]) -> Shaped {
    let written = data.get(key).map(python::text).unwrap_or_default();
    let low = written.to_ascii_lowercase();
    if known.contains(&low.as_str()) {
        return Ok(low.into());
    }
    let hint = did_you_mean(&low, known.iter().copied());
    Err(format!("`{key}` is one of {}, not `{written}`{hint}", known.join(", ")))
}

/// As [`word`], where it may be left out.
pub(super) fn word_or(data: &Map<String, Json>, key: &str, known: &[&str], or: Json) -> Shaped {
    if data.get(key).is_none_or(Json::is_null) { Ok(or) } else { word(data, key, known) }
}

/// A name that has to be there.
pub(super) fn name_of(data: &Map<String, Json>) -> Result<String, String> {
    match data.get("name") {
        None | Some(Json::Null) => Err("it needs a `name`".to_owned()),
        Some(name) => Ok(python::text(name)),
    }
}

/// A filter: a text, or several.
pub(super) fn filter(value: Option<&Json>) -> Json {
    match value {
        None | Some(Json::Null) => Json::Null,
        Some(value) => {
            let one = |text: &Json| json!({"where_sql_template": python::text(text)});
            json!({"where_filters": list(value).iter().map(one).collect::<Vec<_>>()})
        }
    }
}

/// A stretch of time such as `28 days`.
pub(super) fn window(value: Option<&Json>) -> Shaped {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(Json::Null) };
    let written = python::text(value);
    let wrong = || format!("a window is a count and a stretch of time such as `28 days`, not `{written}`");
    let low = written.to_lowercase();
    let (count, grain) = low.split_once(' ').ok_or_else(wrong)?;
    let count: u64 = count.parse().map_err(|_| wrong())?;
    if grain.is_empty() || grain.contains(' ') {
        return Err(wrong());
    }
    let single = grain.strip_suffix('s').filter(|single| GRAINS.contains(single));
    Ok(json!({"count": count, "granularity": single.unwrap_or(grain)}))
}

/// What is given as a name, or as a map with a name.
fn named(value: &Json) -> Result<(String, Map<String, Json>), String> {
    match value {
        Json::Object(data) => Ok((name_of(data)?, data.clone())),
        other => Ok((python::text(other), Map::new())),
    }
}

/// A measure that a metric is made of: its name, or a map.
pub(super) fn measure(value: Option<&Json>) -> Shaped {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(Json::Null) };
    let (name, data) = named(value)?;
    Ok(json!({
        "name": name, "filter": filter(data.get("filter")), "alias": said(&data, "alias"),
        "join_to_timespine": said_or(&data, "join_to_timespine", false.into()),
        "fill_nulls_with": said(&data, "fill_nulls_with"),
    }))
}

/// A metric that another one is made of: its name, or a map.
pub(super) fn input(value: Option<&Json>) -> Shaped {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(Json::Null) };
    let (name, data) = named(value)?;
    Ok(json!({
        "name": name, "filter": filter(data.get("filter")), "alias": said(&data, "alias"),
        "offset_window": window(data.get("offset_window"))?,
        "offset_to_grain": said(&data, "offset_to_grain"),
    }))
}

/// Several of them.
pub(super) fn inputs(value: Option<&Json>) -> Shaped {
    let all = list(value.unwrap_or(&Json::Null));
    Ok(Json::Array(all.iter().map(|one| input(Some(one))).collect::<Result<_, _>>()?))
}

/// The settings of a part of a semantic model: the model's, its own on top.
pub(super) fn part_config(around: Option<&Json>, own: Option<&Json>) -> Json {
    let mut meta = around.and_then(Json::as_object).cloned().unwrap_or_default();
    let own = own.and_then(|config| config.get("meta")).and_then(Json::as_object);
    meta.extend(own.cloned().unwrap_or_default());
    json!({"meta": meta})
}

/// The dimension that something does not add up along; which keys say how is the form's.
pub(super) fn non_additive(value: Option<&Json>, choice: &str, groups: &str) -> Shaped {
    let Some(data) = value.and_then(Json::as_object) else { return Ok(Json::Null) };
    Ok(json!({
        "name": name_of(data)?, "window_choice": word(data, choice, &AGGREGATIONS)?,
        "window_groupings": said_or(data, groups, json!([])),
    }))
}

/// An entity; its description and role are given.
pub(super) fn entity(data: &Map<String, Json>, meta: &Json, description: Json, role: Json) -> Shaped {
    Ok(json!({
        "name": name_of(data)?, "type": word(data, "type", &ENTITIES)?, "description": description,
        "label": said(data, "label"), "role": role, "expr": text_or_null(data.get("expr")),
        "config": part_config(Some(meta), data.get("config")),
    }))
}

/// A dimension with the parameters of its time, where it has any.
pub(super) fn dimension(
    data: &Map<String, Json>,
    meta: &Json,
    description: Json,
    parameters: Json,
) -> Shaped {
    Ok(json!({
        "name": name_of(data)?, "type": word(data, "type", &DIMENSIONS)?, "description": description,
        "label": said(data, "label"), "is_partition": said_or(data, "is_partition", false.into()),
        "type_params": parameters, "expr": text_or_null(data.get("expr")), "metadata": null,
        "config": part_config(Some(meta), data.get("config")), "datatype": null,
    }))
}

/// The parameters of a dimension of time: its grain under a key of a map, how long a value holds.
pub(super) fn time(data: &Map<String, Json>, key: &str, holds: Option<&Json>) -> Shaped {
    Ok(json!({
        "time_granularity": word(data, key, &GRAINS)?, "validity_params": validity(holds),
    }))
}

/// How long a dimension's value holds.
fn validity(value: Option<&Json>) -> Json {
    let Some(data) = value.and_then(Json::as_object) else { return Json::Null };
    let truth = |key: &str| said_or(data, key, false.into());
    json!({"is_start": truth("is_start"), "is_end": truth("is_end")})
}
