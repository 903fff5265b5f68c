//! Expressions.
//!
//! In: an expression and a frame. Out: a value.
//! Never: evaluates what stands behind a decided `and`, `or` or `if`.
//! Fails: with a failure that knows the expression's line.
//! Source: Jinja 3.1 with Python's operators.

use std::cmp::Ordering;

use minijinja::Value;

use super::super::problem::{Outcome, fail};
use super::super::syntax::{Arg, Comparison, Expr, Link, Node, describe, describe_links};
use super::super::value::{self, Args, Dict, View, list, tuple, view};
use super::{Frame, Interp};

impl Interp<'_> {
    /// The value of an expression.
    pub(in super::super) fn evaluate(&self, frame: &Frame, node: &Node) -> Outcome<Value> {
        match &node.kind {
            Expr::Const(value) => Ok(value.clone()),
            Expr::Var(name) => Ok(self.lookup(frame, name)),
            Expr::Chain(base, links) => self.chain(frame, base, links, None),
            _ => self.deeper(|| self.compound(frame, node)).map_err(|why| why.at(&frame.unit, node.line)),
        }
    }

    /// A call whose last link gets a `caller`.
    pub(super) fn evaluate_call(&self, frame: &Frame, node: &Node, caller: Option<Value>) -> Outcome<Value> {
        match &node.kind {
            Expr::Chain(base, links) => self.chain(frame, base, links, caller),
            _ => self.evaluate(frame, node),
        }
    }

    fn compound(&self, frame: &Frame, node: &Node) -> Outcome<Value> {
        self.step()?;
        let each =
            |nodes: &[Node]| nodes.iter().map(|node| self.evaluate(frame, node)).collect::<Outcome<Vec<_>>>();
        Ok(match &node.kind {
            Expr::List(nodes) => list(each(nodes)?),
            Expr::Tuple(nodes) => tuple(each(nodes)?),
            Expr::Dict(nodes) => {
                let dict = Dict::default();
                for (key, value) in nodes {
                    let key = value::key(self.evaluate(frame, key)?)?;
                    let value = self.evaluate(frame, value)?;
                    dict.lock().insert(key, value);
                }
                Value::from_object(dict)
            }
            Expr::Binary(first, rest) => {
                let mut result = self.evaluate(frame, first)?;
                let mut before: &Node = first;
                for (operator, node) in rest {
                    let right = self.evaluate(frame, node)?;
                    for (value, node) in [(&result, before), (&right, node)] {
                        if value.is_undefined() && !frame.unit.lenient {
                            return fail(format!("`{}` is not defined", describe(node)));
                        }
                    }
                    if result.is_undefined() || right.is_undefined() {
                        return Ok(Value::UNDEFINED);
                    }
                    self.copied(&result, &right)?;
                    result = value::binary(*operator, &result, &right)?;
                    before = node;
                }
                result
            }
            Expr::Concat(nodes) => value::concatenate(&each(nodes)?)?,
            Expr::And(nodes) => return self.until(frame, nodes, false),
            Expr::Or(nodes) => return self.until(frame, nodes, true),
            Expr::Not(inner) => Value::from(!value::truthy(&self.evaluate(frame, inner)?)),
            Expr::Negative(inner) => value::negative(&self.evaluate(frame, inner)?)?,
            Expr::Positive(inner) => {
                let value = self.evaluate(frame, inner)?;
                value::negative(&value::negative(&value)?)?
            }
            Expr::Compare(first, rest) => self.comparison(frame, first, rest)?,
            Expr::If(branches, otherwise) => {
                for (condition, value) in branches {
                    if value::truthy(&self.evaluate(frame, condition)?) {
                        return self.evaluate(frame, value);
                    }
                }
                match otherwise {
                    Some(node) => return self.evaluate(frame, node),
                    None => Value::UNDEFINED,
                }
            }
            Expr::Const(_) | Expr::Var(_) | Expr::Chain(..) => return self.evaluate(frame, node),
        })
    }

    /// Steps for values that an operator copies.
    fn copied(&self, a: &Value, b: &Value) -> Outcome<()> {
        let size = |value: &Value| match view(value) {
            View::List(list) => list.len(),
            View::Str(text) => text.len() / 64,
            _ => 0,
        };
        self.steps_of((size(a) + size(b)) / 8)
    }

    /// The first value for which a condition holds or not, or the last one.
    fn until(&self, frame: &Frame, nodes: &[Node], wanted: bool) -> Outcome<Value> {
        let mut last = Value::UNDEFINED;
        for node in nodes {
            last = self.evaluate(frame, node)?;
            if value::truthy(&last) == wanted {
                break;
            }
        }
        Ok(last)
    }

    fn comparison(&self, frame: &Frame, first: &Node, rest: &[(Comparison, Node)]) -> Outcome<Value> {
        let mut left = self.evaluate(frame, first)?;
        for (comparison, node) in rest {
            let right = self.evaluate(frame, node)?;
            let ordered = |sign: &str| -> Outcome<Ordering> {
                for (value, node) in [(&left, first), (&right, node)] {
                    if value.is_undefined() && !frame.unit.lenient {
                        return fail(format!("`{}` is not defined", describe(node)));
                    }
                }
                if left.is_undefined() || right.is_undefined() {
                    return Ok(Ordering::Equal);
                }
                value::compare(&left, &right, sign)
            };
            let holds = match comparison {
                Comparison::Equal => value::equal(&left, &right),
                Comparison::NotEqual => !value::equal(&left, &right),
                Comparison::Less => ordered("<")? == Ordering::Less,
                Comparison::LessOrEqual => ordered("<=")? != Ordering::Greater,
                Comparison::Greater => ordered(">")? == Ordering::Greater,
                Comparison::GreaterOrEqual => ordered(">=")? != Ordering::Less,
                Comparison::In => self.contains(&right, &left)?,
                Comparison::NotIn => !self.contains(&right, &left)?,
            };
            if !holds {
                return Ok(Value::from(false));
            }
            left = right;
        }
        Ok(Value::from(true))
    }

    /// `value in container`.
    pub(in super::super) fn contains(&self, container: &Value, value: &Value) -> Outcome<bool> {
        self.steps_of(value::length(container).unwrap_or(0) / 16)?;
        if let (View::Native(native), Some(name)) = (view(container), value.as_str())
            && native.0.lookup(self, name).is_some()
        {
            return Ok(true);
        }
        value::contains(container, value)
    }

    /// A base and what follows it.
    fn chain(
        &self,
        frame: &Frame,
        base: &Node,
        links: &[(u32, Link)],
        mut caller: Option<Value>,
    ) -> Outcome<Value> {
        let mut value = self.evaluate(frame, base)?;
        let mut at = 0;
        while let Some((line, link)) = links.get(at) {
            self.step()?;
            let here = &links[..at];
            at += 1;
            let result = match (link, links.get(at)) {
                (Link::Attr(name), Some((_, Link::Call(arguments)))) => {
                    at += 1;
                    let caller = if at == links.len() { caller.take() } else { None };
                    let args = self.arguments(frame, arguments, caller)?;
                    if value.is_undefined() {
                        self.undefined(frame, base, here, true, Some(name))
                    } else {
                        self.deeper(|| self.call_method(frame, &value, name, args)).and_then(|found| {
                            match found {
                                Some(value) => Ok(value),
                                None => self.undefined(frame, base, &links[..at - 1], true, None),
                            }
                        })
                    }
                }
                (Link::Attr(_) | Link::Item(_) | Link::Slice(_), _) if value.is_undefined() => {
                    self.undefined(frame, base, here, false, None)
                }
                (Link::Attr(name), _) => lent(self.attribute(&value, name), &value, name)
                    .and_then(|found| told(found, &value, base, here, name)),
                (Link::Item(key), _) => {
                    let key = self.evaluate(frame, key)?;
                    let name = key.as_str().unwrap_or_default();
                    lent(self.item(&value, &key), &value, name)
                        .and_then(|found| told(found, &value, base, here, name))
                }
                (Link::Slice(parts), _) => self.sliced(frame, &value, parts),
                (Link::Call(arguments), _) => {
                    let caller = if at == links.len() { caller.take() } else { None };
                    let args = self.arguments(frame, arguments, caller)?;
                    if value.is_undefined() {
                        self.undefined(frame, base, here, true, None)
                    } else {
                        self.deeper(|| self.call(&value, args))
                    }
                }
                (Link::Filter(name, arguments), _) => {
                    let args = self.arguments(frame, arguments, None)?;
                    self.deeper(|| self.filter(name, value, args))
                }
                (Link::Test(name, arguments, negative), _) => {
                    let args = self.arguments(frame, arguments, None)?;
                    self.deeper(|| self.test(name, &value, args)).map(|holds| Value::from(holds != *negative))
                }
            };
            value = result.map_err(|why| why.at(&frame.unit, *line))?;
        }
        Ok(value)
    }

    fn sliced(&self, frame: &Frame, value: &Value, parts: &[Option<Node>; 3]) -> Outcome<Value> {
        let mut bounds = [None; 3];
        for (bound, part) in bounds.iter_mut().zip(parts) {
            let Some(node) = part else { continue };
            let given = self.evaluate(frame, node)?;
            *bound = match view(&given) {
                View::Int(value) => Some(value),
                View::Bool(value) => Some(i128::from(value)),
                View::None | View::Undefined => None,
                _ => {
                    return fail(format!("slice indices must be integers, not {}", value::type_name(&given)));
                }
            };
        }
        self.steps_of(value::length(value).unwrap_or(0) / 16)?;
        value::slice(value, bounds)
    }

    /// An undefined value is asked for more: an error, or undefined again in a text that is only
    /// described. There, names that are called and never given a value are an error all the same:
    /// they would be one in every run.
    fn undefined(
        &self,
        frame: &Frame,
        base: &Node,
        links: &[(u32, Link)],
        called: bool,
        method: Option<&str>,
    ) -> Outcome<Value> {
        let text = describe_links(base, links);
        let named = links.is_empty() && matches!(base.kind, Expr::Var(_));
        let never = |name: &str| frame.unit.assigned.iter().all(|known| &**known != name);
        if frame.unit.lenient && !(named && called && never(&text)) {
            return Ok(Value::UNDEFINED);
        }
        match method {
            Some(method) if named => fail(format!(
                "`{text}` is not defined, so `{text}.{method}` cannot be called; is it a package that is missing from `dbt_packages`?"
            )),
            _ if named && called => fail(format!(
                "`{text}` is not defined: no macro of the project, of its packages or of dbt has this name"
            )),
            _ => fail(format!("`{text}` is not defined")),
        }
    }

    /// The arguments of a call.
    pub(in super::super) fn arguments(
        &self,
        frame: &Frame,
        arguments: &[Arg],
        caller: Option<Value>,
    ) -> Outcome<Args> {
        let mut args = Args::default();
        for argument in arguments {
            match argument {
                Arg::Positional(node) => args.positional.push(self.evaluate(frame, node)?),
                Arg::Named(name, node) => args.named.push((name.clone(), self.evaluate(frame, node)?)),
                Arg::Star(node) => {
                    let values = value::items(&self.evaluate(frame, node)?);
                    args.positional.extend(values.map_err(|why| why.at(&frame.unit, node.line))?);
                }
                Arg::StarStar(node) => {
                    let given = self.evaluate(frame, node)?;
                    let Some(pairs) = value::pairs(&given) else {
                        let why =
                            format!("argument after ** must be a mapping, not {}", value::type_name(&given));
                        return fail(why)
                            .map_err(|why: super::super::problem::Raise| why.at(&frame.unit, node.line));
                    };
                    args.named
                        .extend(pairs.into_iter().map(|(key, value)| (value::text(&key).into(), value)));
                }
            }
        }
        if let Some(caller) = caller {
            args.named.push(("caller".into(), caller));
        }
        Ok(args)
    }

    /// `value.name`.
    pub(in super::super) fn attribute(&self, value: &Value, name: &str) -> Value {
        if let View::Native(native) = view(value) {
            let found = native.0.lookup(self, name).or_else(|| native.0.attr(name));
            if let Some(found) = found {
                return found;
            }
        }
        if super::super::method::known(value, name) {
            return super::super::method::bound(value, name);
        }
        value::item(value, &Value::from(name)).unwrap_or(Value::UNDEFINED)
    }

    /// `value[key]`.
    pub(in super::super) fn item(&self, value: &Value, key: &Value) -> Value {
        if let Some(found) = value::item(value, key) {
            return found;
        }
        match key.as_str() {
            Some(name) => self.attribute(value, name),
            None => Value::UNDEFINED,
        }
    }
}

/// What `target` has by a name; whom a session is opened as and where is the gateway's to know.
fn told(found: Value, of: &Value, base: &Node, before: &[(u32, Link)], name: &str) -> Outcome<Value> {
    let of_target = matches!(&base.kind, Expr::Var(base) if &**base == "target") && before.is_empty();
    if of_target && found.is_undefined() && matches!(name, "user" | "host" | "port") {
        let kind = value::item(of, &Value::from("type"));
        if kind.as_ref().and_then(Value::as_str) == Some("sqlite") {
            // A file has none of them.
            return Ok(found);
        }
        return fail(format!(
            "`target.{name}` is not told to a project: the gateway knows it; add `{name}` to `target` of the loader's \
             settings if a project may know it (`user` is told where profiles.yml has it in plain text)"
        ));
    }
    Ok(found)
}

/// What a value has by a name; of Python's modules only those are there that dbt lends, and any other
/// is an error wherever it is named, also where a text is only described.
fn lent(found: Value, of: &Value, name: &str) -> Outcome<Value> {
    match view(of) {
        View::Native(native) if found.is_undefined() && native.0.type_name() == "modules" => {
            fail(format!("`modules.{name}` is not there; dbt lends datetime, itertools, pytz and re"))
        }
        _ => Ok(found),
    }
}
