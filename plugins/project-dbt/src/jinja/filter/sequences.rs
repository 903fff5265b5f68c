//! Filters of lists and other things that can be gone through.
//!
//! In: a value, arguments. Out: a value.
//! Never: changes the list it is given.
//! Fails: where there is nothing to go through.
//! Source: Jinja 3.1.

use std::any::Any;
use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use indexmap::{IndexMap, IndexSet};
use minijinja::Value;
use minijinja::value::ObjectRepr;

use super::super::interp::Interp;
use super::super::limits;
use super::super::method::order;
use super::super::problem::{Outcome, fail};
use super::super::syntax::Operator;
use super::super::value::{self, Args, Python, View, list, native, tuple, view};
use super::by_path;

/// `map`, `select`, `reject`, `selectattr`, `rejectattr`.
pub(super) fn each(cx: &Interp<'_>, name: &str, value: &Value, args: &mut Args) -> Outcome<Value> {
    // As in Jinja: what is falsy, `None` among it, has nothing to go through.
    let values = if value::truthy(value) { value::items(value)? } else { Vec::new() };
    cx.steps_of(values.len())?;
    if name == "map" {
        if let Some(path) = args.named("attribute") {
            let default = args.named("default");
            let one = |value: &Value| match (by_path(cx, value, &path), &default) {
                (found, Some(default)) if found.is_undefined() => default.clone(),
                (found, _) => found,
            };
            return Ok(list(values.iter().map(one).collect()));
        }
        let filter = args.need_text("map", "filter")?;
        let rest = Args::new(args.rest(), std::mem::take(&mut args.named));
        let each = values.into_iter().map(|value| cx.filter(&filter, value, rest.clone()));
        return Ok(list(each.collect::<Outcome<_>>()?));
    }
    let path = if name.ends_with("attr") { Some(args.need(name, "attribute")?) } else { None };
    let test = args.text("test");
    let rest = Args::new(args.rest(), std::mem::take(&mut args.named));
    let wanted = name.starts_with("select");
    let mut kept = Vec::new();
    for value in values {
        let tested = path.as_ref().map_or_else(|| value.clone(), |path| by_path(cx, &value, path));
        let holds = match &test {
            Some(test) => cx.test(test, &tested, rest.clone())?,
            None => value::truthy(&tested),
        };
        if holds == wanted {
            kept.push(value);
        }
    }
    Ok(list(kept))
}

/// One of them, another in each run; while a project is read always the same.
fn any_of(cx: &Interp<'_>, values: Vec<Value>) -> Value {
    let run = cx.world.name("invocation_id").map(|id| value::text(&id)).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    (run, cx.package.borrow().as_str(), cx.taken()).hash(&mut hasher);
    let many = u64::try_from(values.len()).unwrap_or(u64::MAX).max(1);
    let at = usize::try_from(hasher.finish() % many).unwrap_or_default();
    values.into_iter().nth(at).unwrap_or(Value::UNDEFINED)
}

/// Applies a filter.
pub(super) fn filter(cx: &Interp<'_>, name: &str, value: &Value, args: &mut Args) -> Outcome<Value> {
    match name {
        "list" => Ok(list(value::items(value)?)),
        "first" => Ok(value::items(value)?.into_iter().next().unwrap_or(Value::UNDEFINED)),
        "random" => Ok(any_of(cx, value::items(value)?)),
        "last" => Ok(value::items(value)?.pop().unwrap_or(Value::UNDEFINED)),
        "join" => join(cx, value, args),
        "reverse" => match view(value) {
            View::Str(text) => Ok(Value::from(text.chars().rev().collect::<String>())),
            _ => {
                let mut values = value::items(value)?;
                values.reverse();
                Ok(list(values))
            }
        },
        "sort" => sorted(cx, value, args),
        "unique" => unique(cx, value, args),
        "min" | "max" => extreme(cx, name, value, args),
        "sum" => {
            let path = path_of(args);
            let mut sum = args.take("start").unwrap_or_else(|| Value::from(0));
            for value in value::items(value)? {
                let value = path.as_ref().map_or_else(|| value.clone(), |path| by_path(cx, &value, path));
                sum = value::binary(Operator::Add, &sum, &value)?;
            }
            Ok(sum)
        }
        "groupby" => group_by(cx, value, args),
        "batch" | "slice" => parts(name, value, args),
        "dictsort" => sorted_dict(value, args),
        _ => match value::pairs(value) {
            _ if value.is_undefined() => Ok(list(Vec::new())),
            Some(pairs) => Ok(list(pairs.into_iter().map(|(key, value)| tuple(vec![key, value])).collect())),
            None => fail("Can only get item pairs from a mapping."),
        },
    }
}

fn path_of(args: &mut Args) -> Option<Value> {
    args.take("attribute").filter(|path| !path.is_none())
}

fn sorted(cx: &Interp<'_>, value: &Value, args: &mut Args) -> Outcome<Value> {
    let reverse = args.flag("reverse", false);
    let case_sensitive = args.flag("case_sensitive", false);
    let mut keyed = keyed(cx, value, path_of(args).as_ref())?;
    value::sort_by(&mut keyed, |a, b| {
        let order = order_of(&a.0, &b.0, case_sensitive)?;
        Ok(if reverse { order.reverse() } else { order })
    })?;
    Ok(list(keyed.into_iter().map(|(_, value)| value).collect()))
}

fn unique(cx: &Interp<'_>, value: &Value, args: &mut Args) -> Outcome<Value> {
    let case_sensitive = args.flag("case_sensitive", false);
    let path = path_of(args);
    // Values that cannot be keys are looked for one by one.
    let mut slow: Vec<Vec<Value>> = Vec::new();
    let mut fast = IndexSet::new();
    let mut kept = Vec::new();
    for (keys, value) in keyed(cx, value, path.as_ref())? {
        let keys: Vec<Value> = keys.into_iter().map(|key| folded(key, case_sensitive)).collect();
        let new = if keys.iter().all(value::hashable) {
            fast.insert(keys)
        } else {
            let same = |known: &Vec<Value>| known.iter().zip(&keys).all(|(a, b)| value::equal(a, b));
            let known = slow.iter().any(same);
            cx.steps_of(slow.len())?;
            if !known {
                slow.push(keys);
            }
            !known
        };
        if new {
            kept.push(value);
        }
    }
    Ok(list(kept))
}

/// The least or greatest value.
fn extreme(cx: &Interp<'_>, name: &str, value: &Value, args: &mut Args) -> Outcome<Value> {
    let case_sensitive = args.flag("case_sensitive", false);
    let path = path_of(args);
    let wanted = if name == "min" { Ordering::Less } else { Ordering::Greater };
    let mut best: Option<(Vec<Value>, Value)> = None;
    for (keys, value) in keyed(cx, value, path.as_ref())? {
        let better = match &best {
            None => true,
            Some((known, _)) => order_of(&keys, known, case_sensitive)? == wanted,
        };
        if better {
            best = Some((keys, value));
        }
    }
    Ok(best.map_or(Value::UNDEFINED, |(_, value)| value))
}

fn join(cx: &Interp<'_>, value: &Value, args: &mut Args) -> Outcome<Value> {
    let separator = args.text("d").unwrap_or_default();
    let path = args.take("attribute").filter(|path| !path.is_none());
    let mut out = String::new();
    let values = value::items(value)?;
    cx.steps_of(values.len() / 4)?;
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push_str(&separator);
        }
        let piece = match &path {
            Some(path) => value::text(&by_path(cx, value, path)),
            None => value::text(value),
        };
        limits::longer_text(out.len(), piece.len())?;
        out.push_str(&piece);
    }
    Ok(Value::from(out))
}

fn folded(value: Value, case_sensitive: bool) -> Value {
    match view(&value) {
        View::Str(text) if !case_sensitive => Value::from(text.to_lowercase()),
        _ => value,
    }
}

/// The values, each with what it is sorted by: itself, or attributes with commas between them.
fn keyed(cx: &Interp<'_>, value: &Value, path: Option<&Value>) -> Outcome<Vec<(Vec<Value>, Value)>> {
    let values = value::items(value)?;
    cx.steps_of(values.len())?;
    let keys = |value: &Value| match path {
        None => vec![value.clone()],
        Some(path) => match view(path) {
            View::Str(paths) => {
                paths.split(',').map(|path| by_path(cx, value, &Value::from(path.trim()))).collect()
            }
            _ => vec![by_path(cx, value, path)],
        },
    };
    Ok(values.into_iter().map(|value| (keys(&value), value)).collect())
}

fn order_of(a: &[Value], b: &[Value], case_sensitive: bool) -> Outcome<Ordering> {
    for (a, b) in a.iter().zip(b) {
        let order = order(a, b, case_sensitive)?;
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(Ordering::Equal)
}

fn group_by(cx: &Interp<'_>, value: &Value, args: &mut Args) -> Outcome<Value> {
    let path = args.need("groupby", "attribute")?;
    let default = args.take("default");
    let case_sensitive = args.flag("case_sensitive", false);
    let mut keyed = Vec::new();
    for value in value::items(value)? {
        let mut key = by_path(cx, &value, &path);
        if let (true, Some(default)) = (key.is_undefined(), &default) {
            key = default.clone();
        }
        keyed.push((key, value));
    }
    value::sort_by(&mut keyed, |a, b| order(&a.0, &b.0, case_sensitive))?;
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for (key, value) in keyed {
        match groups.last_mut() {
            Some((known, values))
                if value::equal(
                    &folded(known.clone(), case_sensitive),
                    &folded(key.clone(), case_sensitive),
                ) =>
            {
                values.push(value);
            }
            _ => groups.push((key, vec![value])),
        }
    }
    Ok(list(groups.into_iter().map(|(key, values)| native(Group(key, list(values)))).collect()))
}

/// A group of `groupby`: a tuple with names.
#[derive(Debug)]
struct Group(Value, Value);

impl Python for Group {
    fn type_name(&self) -> &'static str {
        "tuple"
    }

    fn attr(&self, name: &str) -> Option<Value> {
        match name {
            "grouper" => Some(self.0.clone()),
            "list" => Some(self.1.clone()),
            _ => None,
        }
    }

    fn item(&self, key: &Value) -> Option<Value> {
        match key.as_i64()? {
            0 | -2 => Some(self.0.clone()),
            1 | -1 => Some(self.1.clone()),
            _ => None,
        }
    }

    fn shape(&self) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn items(&self) -> Option<Vec<Value>> {
        Some(vec![self.0.clone(), self.1.clone()])
    }

    fn text(&self) -> String {
        value::repr(&tuple(vec![self.0.clone(), self.1.clone()]))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn parts(name: &str, value: &Value, args: &mut Args) -> Outcome<Value> {
    let many = usize::try_from(args.int(if name == "batch" { "linecount" } else { "slices" })?.unwrap_or(0));
    let Some(many) = many.ok().filter(|many| *many > 0) else {
        return fail(format!("`{name}` needs a number above 0"));
    };
    let fill = args.take("fill_with").filter(|fill| !fill.is_none());
    let values = value::items(value)?;
    limits::list_of(many)?;
    let mut parts: Vec<Vec<Value>> = Vec::new();
    if name == "batch" {
        parts = values.chunks(many).map(<[Value]>::to_vec).collect();
        if let (Some(fill), Some(last)) = (fill, parts.last_mut()) {
            last.resize(many, fill);
        }
    } else {
        let (size, longer) = (values.len() / many, values.len() % many);
        let mut at = 0;
        for index in 0..many {
            let end = at + size + usize::from(index < longer);
            let mut part = values[at..end].to_vec();
            if index >= longer && longer > 0 {
                part.extend(fill.clone());
            }
            parts.push(part);
            at = end;
        }
    }
    Ok(list(parts.into_iter().map(list).collect()))
}

fn sorted_dict(value: &Value, args: &mut Args) -> Outcome<Value> {
    let case_sensitive = args.flag("case_sensitive", false);
    let by = args.text("by").unwrap_or_else(|| "key".to_owned());
    let reverse = args.flag("reverse", false);
    let pairs: IndexMap<Value, Value> = value::pairs(value).unwrap_or_default().into_iter().collect();
    let mut pairs: Vec<(Value, Value)> = pairs.into_iter().collect();
    value::sort_by(&mut pairs, |a, b| {
        let (a, b) = if by == "value" { (&a.1, &b.1) } else { (&a.0, &b.0) };
        let order = order(a, b, case_sensitive)?;
        Ok(if reverse { order.reverse() } else { order })
    })?;
    Ok(list(pairs.into_iter().map(|(key, value)| tuple(vec![key, value])).collect()))
}
