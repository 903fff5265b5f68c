//! Methods of lists, dicts, tuples and numbers.
//!
//! In: a value, a method's name, arguments. Out: a value; the list or dict may be changed.
//! Never: holds a list's lock while other values are looked at.
//! Fails: as Python does, with a sentence.
//! Source: Python 3.12.

use std::cmp::Ordering;

use minijinja::Value;

use super::super::interp::Interp;
use super::super::limits;
use super::super::problem::{Outcome, fail};
use super::super::value::{self, Args, Dict, List, View, at, count, key, list, none, tuple, view};

/// Where an insertion or a search begins.
fn place(index: i128, len: usize) -> usize {
    let signed = i128::try_from(len).unwrap_or(i128::MAX);
    let index = if index < 0 { index + signed } else { index };
    usize::try_from(index.clamp(0, signed)).unwrap_or(0)
}

fn position(values: &[Value], wanted: &Value) -> Option<usize> {
    values.iter().position(|value| value::equal(value, wanted))
}

/// Calls a method of a list; `None` where there is none.
pub(super) fn list_method(
    cx: &Interp<'_>,
    this: &List,
    name: &str,
    args: &mut Args,
) -> Outcome<Option<Value>> {
    let result = match name {
        "append" => {
            let value = args.need(name, "object")?;
            args.end(name)?;
            let len = this.len() + 1;
            limits::longer_list(len)?;
            this.lock().push(value);
            none()
        }
        "extend" => {
            let more = value::items(&args.need(name, "iterable")?)?;
            cx.steps_of(more.len())?;
            limits::list_of(this.len() + more.len())?;
            this.lock().extend(more);
            none()
        }
        "insert" => {
            let index = args.int("index")?.unwrap_or(0);
            let value = args.need(name, "object")?;
            let mut values = this.lock();
            let at = place(index, values.len());
            values.insert(at, value);
            none()
        }
        "pop" => {
            let index = args.int("index")?.unwrap_or(-1);
            let mut values = this.lock();
            match at(index, values.len()) {
                Some(index) => values.remove(index),
                None if values.is_empty() => return fail("pop from empty list"),
                None => return fail("pop index out of range"),
            }
        }
        "remove" => {
            let wanted = args.need(name, "value")?;
            match position(&this.to_vec(), &wanted) {
                Some(index) => {
                    let removed = this.lock().remove(index);
                    drop(removed);
                    none()
                }
                None => return fail("list.remove(x): x not in list"),
            }
        }
        "clear" => {
            let removed = std::mem::take(&mut *this.lock());
            drop(removed);
            none()
        }
        "reverse" => {
            this.lock().reverse();
            none()
        }
        "copy" => list(this.to_vec()),
        "sort" => {
            let sorted = sorted(cx, this.to_vec(), args)?;
            *this.lock() = sorted;
            none()
        }
        _ => return sequence_method(&this.to_vec(), name, args),
    };
    Ok(Some(result))
}

/// The values in order, by what `key` makes of them.
fn sorted(cx: &Interp<'_>, values: Vec<Value>, args: &mut Args) -> Outcome<Vec<Value>> {
    cx.steps_of(values.len())?;
    let by = args.named("key").filter(|by| !by.is_none());
    let reverse = args.named("reverse").is_some_and(|value| value::truthy(&value));
    let mut keyed = Vec::with_capacity(values.len());
    for value in values {
        let by = match &by {
            Some(by) => cx.call(by, Args::new(vec![value.clone()], Vec::new()))?,
            None => value.clone(),
        };
        keyed.push((by, value));
    }
    value::sort_by(&mut keyed, |a, b| {
        let order = value::compare(&a.0, &b.0, "<")?;
        Ok(if reverse { order.reverse() } else { order })
    })?;
    Ok(keyed.into_iter().map(|(_, value)| value).collect())
}

/// Calls a method that lists and tuples have; `None` where there is none.
pub(super) fn sequence_method(values: &[Value], name: &str, args: &mut Args) -> Outcome<Option<Value>> {
    let result = match name {
        "count" => {
            let wanted = args.need(name, "value")?;
            count(values.iter().filter(|value| value::equal(value, &wanted)).count())
        }
        "index" => {
            let wanted = args.need(name, "value")?;
            let start = place(args.int("start")?.unwrap_or(0), values.len());
            let end = args.int("stop")?.map_or(values.len(), |end| place(end, values.len()));
            match position(&values[start..end.max(start)], &wanted) {
                Some(index) => count(start + index),
                None => return fail(format!("{} is not in list", value::repr(&wanted))),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(result))
}

/// What `update` takes: a mapping, or pairs.
fn pairs_of(given: &Value) -> Outcome<Vec<(Value, Value)>> {
    if let Some(pairs) = value::pairs(given) {
        return Ok(pairs);
    }
    let mut pairs = Vec::new();
    for pair in value::items(given)? {
        let parts = value::items(&pair)?;
        let [key, value] = parts.as_slice() else {
            return fail(format!("a dict is made of pairs, not of {} values", parts.len()));
        };
        pairs.push((value::key(key.clone())?, value.clone()));
    }
    Ok(pairs)
}

/// A dict of a mapping or pairs, and named values.
pub(in super::super) fn dict_of(args: &mut Args) -> Outcome<Value> {
    let dict = Dict::default();
    update(&dict, args)?;
    Ok(Value::from_object(dict))
}

fn update(this: &Dict, args: &mut Args) -> Outcome<()> {
    if let Some(given) = args.rest().into_iter().next() {
        let pairs = pairs_of(&given)?;
        this.lock().extend(pairs);
    }
    let named: Vec<_> = args.named.drain(..).map(|(name, value)| (Value::from(&*name), value)).collect();
    this.lock().extend(named);
    Ok(())
}

/// Calls a method of a dict; `None` where there is none.
pub(super) fn dict_method(
    cx: &Interp<'_>,
    this: &Dict,
    name: &str,
    args: &mut Args,
) -> Outcome<Option<Value>> {
    let result = match name {
        "get" => {
            let wanted = args.need(name, "key")?;
            let default = args.take("default");
            this.get(&wanted).or(default).unwrap_or_else(none)
        }
        "keys" => list(this.keys()),
        "values" => list(this.pairs().into_iter().map(|(_, value)| value).collect()),
        "items" => {
            cx.steps_of(this.len())?;
            list(this.pairs().into_iter().map(|(key, value)| tuple(vec![key, value])).collect())
        }
        "update" => {
            update(this, args)?;
            none()
        }
        "pop" => {
            let wanted = args.need(name, "key")?;
            let default = args.take("default");
            let removed = this.lock().shift_remove(&wanted);
            match removed.or(default) {
                Some(value) => value,
                None => return fail(format!("the dict has no key {}", value::repr(&wanted))),
            }
        }
        "popitem" => {
            let last = this.lock().pop();
            match last {
                Some((key, value)) => tuple(vec![key, value]),
                None => return fail("popitem(): dictionary is empty"),
            }
        }
        "setdefault" => {
            let wanted = key(args.need(name, "key")?)?;
            let default = args.take("default").unwrap_or_else(none);
            this.lock().entry(wanted).or_insert(default).clone()
        }
        "clear" => {
            let removed = std::mem::take(&mut *this.lock());
            drop(removed);
            none()
        }
        "copy" => Value::from_object(Dict::new(this.pairs())),
        "fromkeys" => {
            let keys = value::items(&args.need(name, "iterable")?)?;
            let default = args.take("value").unwrap_or_else(none);
            let keys = keys.into_iter().map(key).collect::<Outcome<Vec<_>>>()?;
            Value::from_object(Dict::new(keys.into_iter().map(|key| (key, default.clone()))))
        }
        "has_key" => Value::from(this.get(&args.need(name, "key")?).is_some()),
        _ => return Ok(None),
    };
    Ok(Some(result))
}

/// Calls a method of a mapping that is not ours; `None` where there is none.
pub(super) fn foreign_method(this: &Value, name: &str, args: &mut Args) -> Outcome<Option<Value>> {
    let Some(pairs) = value::pairs(this) else {
        return match value::items(this) {
            Ok(values) => sequence_method(&values, name, args),
            Err(_) => Ok(None),
        };
    };
    let result = match name {
        "get" => {
            let wanted = args.need(name, "key")?;
            let default = args.take("default");
            value::item(this, &wanted).or(default).unwrap_or_else(none)
        }
        "keys" => list(pairs.into_iter().map(|(key, _)| key).collect()),
        "values" => list(pairs.into_iter().map(|(_, value)| value).collect()),
        "items" => list(pairs.into_iter().map(|(key, value)| tuple(vec![key, value])).collect()),
        "copy" => Value::from_object(Dict::new(pairs)),
        _ => return Ok(None),
    };
    Ok(Some(result))
}

/// Calls a method of a number; `None` where there is none.
pub(super) fn number_method(this: &Value, name: &str, _: &mut Args) -> Outcome<Option<Value>> {
    let result = match (view(this), name) {
        (View::Int(value), "bit_length") => Value::from(128 - value.unsigned_abs().leading_zeros()),
        (View::Int(_), "conjugate" | "__int__" | "__index__") => this.clone(),
        (View::Int(_), "is_integer") => Value::from(true),
        (View::Float(value), "is_integer") => Value::from(value.fract() == 0.0),
        (View::Float(value), "hex") => Value::from(format!("{value:e}")),
        (_, "__str__") => Value::from(value::text(this)),
        _ => return Ok(None),
    };
    Ok(Some(result))
}

/// The order of two values, for `sort` filters.
pub(in super::super) fn order(a: &Value, b: &Value, case_sensitive: bool) -> Outcome<Ordering> {
    if let (false, View::Str(a), View::Str(b)) = (case_sensitive, view(a), view(b)) {
        return Ok(a.to_lowercase().cmp(&b.to_lowercase()));
    }
    value::compare(a, b, "<")
}
