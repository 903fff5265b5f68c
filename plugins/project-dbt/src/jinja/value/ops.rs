//! Operators as Python has them.
//!
//! In: values. Out: a value.
//! Never: makes a text or a list longer than [`super::super::limits`] allows; the caller checks.
//! Fails: where Python raises a `TypeError`, `ZeroDivisionError` or `OverflowError`.
//! Source: Python 3.12.

use std::cmp::Ordering;

use minijinja::Value;

use super::super::limits;
use super::super::problem::{Outcome, fail};
use super::super::syntax::Operator;
use super::list::at;
use super::{Decimal, View, int, items, list, text, tuple, type_name, view};

/// How deep values are compared.
const DEPTH_MAX: usize = 60;

/// `a op b`.
pub(in super::super) fn binary(operator: Operator, a: &Value, b: &Value) -> Outcome<Value> {
    let (left, right) = (view(a), view(b));
    match (operator, &left, &right) {
        (Operator::Add, View::Str(a), View::Str(b)) => {
            limits::text_of(a.len() + b.len())?;
            return Ok(Value::from([*a, *b].concat()));
        }
        (Operator::Add, View::List(a), View::List(b)) => {
            let mut values = a.to_vec();
            let more = b.to_vec();
            limits::list_of(values.len() + more.len())?;
            values.extend(more);
            return Ok(list(values));
        }
        (Operator::Add, View::Tuple(a), View::Tuple(b)) => {
            limits::list_of(a.len() + b.len())?;
            return Ok(tuple(a.iter().chain(b.iter()).cloned().collect()));
        }
        // Lists that a world hands over are not ours; together with one of ours they become ours.
        (Operator::Add, View::List(_) | View::Foreign(_), View::List(_) | View::Foreign(_)) => {
            let mut values = items(a)?;
            values.extend(items(b)?);
            return Ok(list(values));
        }
        (Operator::Multiply, View::Str(_) | View::List(_) | View::Tuple(_), View::Int(times)) => {
            return repeat(a, *times);
        }
        (Operator::Multiply, View::Int(times), View::Str(_) | View::List(_) | View::Tuple(_)) => {
            return repeat(b, *times);
        }
        (Operator::Modulo, View::Str(format), _) => {
            return super::super::method::printf(format, b);
        }
        _ => {}
    }
    if let View::Native(native) = &left
        && let Some(result) = native.0.operate(operator, b, false)
    {
        return result;
    }
    if let View::Native(native) = &right
        && let Some(result) = native.0.operate(operator, a, true)
    {
        return result;
    }
    match (number(&left), number(&right)) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => integers(operator, a, b),
        (Some(a), Some(b)) => floats(operator, a.float(), b.float()),
        _ => fail(format!(
            "unsupported operand type(s) for {}: '{}' and '{}'",
            operator.as_str(),
            type_name(a),
            type_name(b)
        )),
    }
}

/// A number of either kind.
#[derive(Clone, Copy)]
enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    #[expect(clippy::cast_precision_loss, reason = "Python rounds as well")]
    fn float(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

fn number(view: &View<'_>) -> Option<Number> {
    match view {
        View::Int(value) => Some(Number::Int(*value)),
        View::Bool(value) => Some(Number::Int(i128::from(*value))),
        View::Float(value) => Some(Number::Float(*value)),
        _ => None,
    }
}

fn integers(operator: Operator, a: i128, b: i128) -> Outcome<Value> {
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide => {
            if b == 0 {
                return fail("division by zero");
            }
            return floats(operator, Number::Int(a).float(), Number::Int(b).float());
        }
        Operator::FloorDivide | Operator::Modulo if b == 0 => return fail("division by zero"),
        Operator::FloorDivide => a.checked_div_euclid(b).map(|_| floor_div(a, b)),
        Operator::Modulo => a.checked_rem(b).map(|_| a - floor_div(a, b) * b),
        Operator::Power => {
            if b < 0 {
                return floats(operator, Number::Int(a).float(), Number::Int(b).float());
            }
            u32::try_from(b).ok().and_then(|b| a.checked_pow(b))
        }
    };
    match result {
        Some(result) => Ok(int(result)),
        None => fail(format!("{a} {} {b} is too large a number", operator.as_str())),
    }
}

fn floor_div(a: i128, b: i128) -> i128 {
    let quotient = a / b;
    if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
}

fn floats(operator: Operator, a: f64, b: f64) -> Outcome<Value> {
    if b == 0.0 && matches!(operator, Operator::Divide | Operator::FloorDivide | Operator::Modulo) {
        return fail("division by zero");
    }
    Ok(Value::from(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::FloorDivide => (a / b).floor(),
        Operator::Modulo => {
            let rest = a % b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
        }
        Operator::Power if a == 0.0 && b < 0.0 => return fail("0.0 cannot be raised to a negative power"),
        Operator::Power => a.powf(b),
    }))
}

fn repeat(value: &Value, times: i128) -> Outcome<Value> {
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    match view(value) {
        View::Str(text) => {
            limits::text_of(text.len().saturating_mul(times))?;
            Ok(Value::from(text.repeat(times)))
        }
        _ => {
            let values = items(value)?;
            limits::list_of(values.len().saturating_mul(times))?;
            let many = values.iter().cloned().cycle().take(values.len() * times).collect();
            Ok(if matches!(view(value), View::Tuple(_)) { tuple(many) } else { list(many) })
        }
    }
}

/// `-a`.
pub(in super::super) fn negative(value: &Value) -> Outcome<Value> {
    match view(value) {
        View::Int(value) => Ok(int(-value)),
        View::Bool(value) => Ok(int(-i128::from(value))),
        View::Float(value) => Ok(Value::from(-value)),
        View::Native(native) => match native.0.negative() {
            Some(value) => Ok(value),
            None => fail(format!("bad operand type for unary -: '{}'", native.0.type_name())),
        },
        _ => fail(format!("bad operand type for unary -: '{}'", type_name(value))),
    }
}

/// `a == b`.
pub(in super::super) fn equal(a: &Value, b: &Value) -> bool {
    equal_to(a, b, 0)
}

fn equal_to(a: &Value, b: &Value, depth: usize) -> bool {
    if depth > DEPTH_MAX || (depth > 0 && !limits::look()) {
        return false;
    }
    let each = |a: &[Value], b: &[Value]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal_to(a, b, depth + 1))
    };
    match (view(a), view(b)) {
        (View::Str(a), View::Str(b)) => a == b,
        (View::Undefined, View::Undefined) | (View::None, View::None) => true,
        (View::List(a), View::List(b)) => std::ptr::eq(a, b) || each(&a.to_vec(), &b.to_vec()),
        (View::Tuple(a), View::Tuple(b)) => each(a, b),
        (View::Dict(first), View::Dict(second)) => {
            std::ptr::eq(first, second)
                || (first.len() == second.len()
                    && first.pairs().iter().all(|(key, value)| {
                        second.get(key).is_some_and(|other| equal_to(value, &other, depth + 1))
                    }))
        }
        (View::Native(native), _) if native.0.order(b).is_some() => {
            native.0.order(b) == Some(Ordering::Equal)
        }
        (_, View::Native(native)) if native.0.order(a).is_some() => {
            native.0.order(a) == Some(Ordering::Equal)
        }
        (View::Native(a), View::Native(b)) => std::sync::Arc::ptr_eq(&a.0, &b.0),
        (View::Foreign(_), View::Foreign(_)) => a == b,
        (View::Foreign(_), View::List(list)) | (View::List(list), View::Foreign(_)) => {
            let other = if matches!(view(a), View::List(_)) { b } else { a };
            items(other).is_ok_and(|other| each(&list.to_vec(), &other))
        }
        (View::Foreign(_), View::Dict(_)) | (View::Dict(_), View::Foreign(_)) => a == b,
        (left, right) => match (number(&left), number(&right)) {
            (Some(Number::Int(a)), Some(Number::Int(b))) => a == b,
            (Some(a), Some(b)) => a.float() == b.float(),
            _ => false,
        },
    }
}

/// How `a` stands to `b`.
pub(in super::super) fn compare(a: &Value, b: &Value, sign: &str) -> Outcome<Ordering> {
    compare_at(a, b, sign, 0)
}

fn compare_at(a: &Value, b: &Value, sign: &str, depth: usize) -> Outcome<Ordering> {
    if depth > DEPTH_MAX || !limits::look() {
        return fail("the values lie too deep in one another to be compared");
    }
    let impossible = || {
        fail(format!("'{sign}' not supported between instances of '{}' and '{}'", type_name(a), type_name(b)))
    };
    let each = |first: &[Value], second: &[Value]| {
        for (a, b) in first.iter().zip(second) {
            if !equal(a, b) {
                return compare_at(a, b, sign, depth + 1);
            }
        }
        Ok(first.len().cmp(&second.len()))
    };
    match (view(a), view(b)) {
        (View::Str(a), View::Str(b)) => Ok(a.cmp(b)),
        (View::List(a), View::List(b)) => each(&a.to_vec(), &b.to_vec()),
        (View::Tuple(a), View::Tuple(b)) => each(a, b),
        (View::Native(native), _) if native.0.order(b).is_some() => {
            native.0.order(b).map_or_else(impossible, Ok)
        }
        (_, View::Native(native)) if native.0.order(a).is_some() => {
            native.0.order(a).map(Ordering::reverse).map_or_else(impossible, Ok)
        }
        (left, right) => match (number(&left), number(&right)) {
            (Some(Number::Int(a)), Some(Number::Int(b))) => Ok(a.cmp(&b)),
            (Some(a), Some(b)) => a.float().partial_cmp(&b.float()).map_or_else(impossible, Ok),
            _ => impossible(),
        },
    }
}

/// `value in container`.
pub(in super::super) fn contains(container: &Value, value: &Value) -> Outcome<bool> {
    match view(container) {
        View::Str(haystack) => match view(value) {
            View::Str(needle) => Ok(haystack.contains(needle)),
            View::Undefined => Ok(false),
            _ => fail(format!("'in <string>' requires string as left operand, not {}", type_name(value))),
        },
        View::Dict(dict) => Ok(dict.get(value).is_some()),
        View::List(list) => Ok(list.to_vec().iter().any(|one| equal(one, value))),
        View::Tuple(tuple) => Ok(tuple.iter().any(|one| equal(one, value))),
        View::Native(native) => match native.0.holds(value) {
            Some(held) => Ok(held),
            None => Ok(items(container)?.iter().any(|one| equal(one, value))),
        },
        View::Foreign(object) if super::pairs(container).is_some() => Ok(object.get_value(value).is_some()),
        View::Foreign(_) | View::Undefined => Ok(items(container)?.iter().any(|one| equal(one, value))),
        _ => fail(format!("argument of type '{}' is not iterable", type_name(container))),
    }
}

/// `value[key]`; `None` where there is nothing under the key.
pub(in super::super) fn item(value: &Value, key: &Value) -> Option<Value> {
    let index = match view(key) {
        View::Int(index) => Some(index),
        View::Bool(flag) => Some(i128::from(flag)),
        _ => None,
    };
    match view(value) {
        View::Dict(dict) => dict.get(key),
        View::List(list) => list.get(index?),
        View::Tuple(tuple) => tuple.get(at(index?, tuple.len())?).cloned(),
        View::Str(text) => {
            let index = index?;
            if text.is_ascii() {
                let index = at(index, text.len())?;
                return text.get(index..=index).map(Value::from);
            }
            let chars: Vec<char> = text.chars().collect();
            chars.get(at(index, chars.len())?).map(|c| Value::from(c.to_string()))
        }
        View::Native(native) => native.0.item(key),
        View::Foreign(object) => match (object.get_value(key), index) {
            (None, Some(index)) if index < 0 => {
                let values = items(value).ok()?;
                values.get(at(index, values.len())?).cloned()
            }
            (found, _) => found,
        },
        _ => None,
    }
}

/// `value[a:b:c]`.
pub(in super::super) fn slice(value: &Value, parts: [Option<i128>; 3]) -> Outcome<Value> {
    let [start, stop, step] = parts;
    let step = step.unwrap_or(1);
    if step == 0 {
        return fail("slice step cannot be zero");
    }
    let pick = |len: usize| -> Vec<usize> {
        let len = i128::try_from(len).unwrap_or(i128::MAX);
        let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
        let place = |at: Option<i128>, default: i128| {
            at.map_or(default, |at| (if at < 0 { at + len } else { at }).clamp(low, high))
        };
        let (mut here, end) = if step > 0 {
            (place(start, 0), place(stop, len))
        } else {
            (place(start, len - 1), place(stop, -1))
        };
        let mut picked = Vec::new();
        while (step > 0 && here < end) || (step < 0 && here > end) {
            picked.extend(usize::try_from(here));
            here += step;
        }
        picked
    };
    match view(value) {
        View::Str(text) => {
            let chars: Vec<char> = text.chars().collect();
            Ok(Value::from(pick(chars.len()).into_iter().map(|index| chars[index]).collect::<String>()))
        }
        View::Undefined => Ok(Value::UNDEFINED),
        View::List(_) | View::Tuple(_) | View::Foreign(_) | View::Native(_) => {
            if matches!(view(value), View::Native(native) if native.0.pairs().is_some()) {
                return fail("a mapping cannot be sliced");
            }
            let values = items(value)?;
            let picked = pick(values.len()).into_iter().map(|index| values[index].clone()).collect();
            Ok(if matches!(view(value), View::Tuple(_)) { tuple(picked) } else { list(picked) })
        }
        _ => fail(format!("'{}' object cannot be sliced", type_name(value))),
    }
}

/// A number for arithmetic with floats.
pub(in super::super) fn as_float(value: &Value) -> Option<f64> {
    match view(value) {
        View::Native(native) => native.get::<Decimal>().map(|number| number.float()),
        other => number(&other).map(Number::float),
    }
}

/// `a ~ b ~ …`.
pub(in super::super) fn concatenate(values: &[Value]) -> Outcome<Value> {
    let mut out = String::new();
    for value in values {
        match value.as_str() {
            Some(text) => {
                limits::longer_text(out.len(), text.len())?;
                out.push_str(text);
            }
            None => {
                let text = text(value);
                limits::longer_text(out.len(), text.len())?;
                out.push_str(&text);
            }
        }
    }
    Ok(Value::from(out))
}
