//! Statements.
//!
//! In: statements and a frame. Out: text, and whether a loop is to be left.
//! Never: keeps a scope longer than its block.
//! Fails: with a failure that knows the statement's line.
//! Source: Jinja 3.1.

use minijinja::Value;

use super::super::limits;
use super::super::problem::{Outcome, Raise, fail};
use super::super::syntax::{Link, Name, Node, Stmt, Target};
use super::super::value::{self, Native, native};
use super::call::MacroFn;
use super::{Frame, Interp};

/// How a block ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Flow {
    /// At its end.
    Next,
    /// With `break`.
    Break,
    /// With `continue`.
    Continue,
}

impl Interp<'_> {
    /// Runs statements.
    pub(in super::super) fn execute(
        &self,
        frame: &Frame,
        statements: &[Stmt],
        out: &mut String,
    ) -> Outcome<Flow> {
        for statement in statements {
            let line = statement.line();
            let placed = |why: Raise| if line > 0 { why.at(&frame.unit, line) } else { why };
            self.step().map_err(placed)?;
            let flow = match statement {
                Stmt::Text(text) => {
                    limits::longer_text(out.len(), text.len())?;
                    out.push_str(text);
                    Flow::Next
                }
                Stmt::Emit(node) => {
                    let value = self.evaluate(frame, node)?;
                    self.emit(&value, out).map_err(|why| why.at(&frame.unit, node.line))?;
                    Flow::Next
                }
                other => self.deeper(|| self.statement(frame, other, out)).map_err(placed)?,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    /// Runs statements whose text becomes a value: gives what each one puts out.
    pub(in super::super) fn parts(
        &self,
        frame: &Frame,
        statements: &[Stmt],
        parts: &mut Vec<Value>,
    ) -> Outcome<()> {
        for statement in statements {
            match statement {
                Stmt::Emit(node) => parts.push(self.evaluate(frame, node)?),
                Stmt::If(branches, otherwise) => {
                    let taken = self.branch(frame, branches, otherwise)?;
                    self.deeper(|| self.parts(frame, taken, parts))?;
                }
                other => {
                    let text = self.captured(frame, std::slice::from_ref(other))?;
                    if !text.is_empty() {
                        parts.push(Value::from(text));
                    }
                }
            }
        }
        Ok(())
    }

    /// The statements of the first branch whose condition holds.
    fn branch<'s>(
        &self,
        frame: &Frame,
        branches: &'s [(Node, Vec<Stmt>)],
        otherwise: &'s [Stmt],
    ) -> Outcome<&'s [Stmt]> {
        for (condition, body) in branches {
            if value::truthy(&self.evaluate(frame, condition)?) {
                return Ok(body);
            }
        }
        Ok(otherwise)
    }

    /// Adds a value's text.
    fn emit(&self, value: &Value, out: &mut String) -> Outcome<()> {
        if let Some(text) = value.as_str() {
            limits::longer_text(out.len(), text.len())?;
            out.push_str(text);
            return Ok(());
        }
        let text = value::text(value);
        self.steps_of(text.len() / 64)?;
        limits::longer_text(out.len(), text.len())?;
        out.push_str(&text);
        Ok(())
    }

    fn statement(&self, frame: &Frame, statement: &Stmt, out: &mut String) -> Outcome<Flow> {
        match statement {
            Stmt::If(branches, otherwise) => {
                return self.execute(frame, self.branch(frame, branches, otherwise)?, out);
            }
            Stmt::For(def) => {
                let over = self.evaluate(frame, &def.over)?;
                return self.run_loop(frame, def, &over, 0, out);
            }
            Stmt::Set(target, node) => {
                let value = self.evaluate(frame, node)?;
                self.assign(frame, target, value).map_err(|why| why.at(&frame.unit, node.line))?;
            }
            Stmt::SetBlock(line, target, filters, body) => {
                let text = self.captured(&frame.inner(), body)?;
                let value = self.filtered(frame, *line, filters, Value::from(text))?;
                self.assign(frame, target, value).map_err(|why| why.at(&frame.unit, *line))?;
            }
            Stmt::Do(node) => {
                self.evaluate(frame, node)?;
            }
            Stmt::Call(node, def) => {
                let caller = MacroFn::inline(def.clone(), frame, true);
                let value = self.evaluate_call(frame, node, Some(native(caller)))?;
                self.emit(&value, out).map_err(|why| why.at(&frame.unit, node.line))?;
            }
            Stmt::FilterBlock(line, filters, body) => {
                let text = self.captured(&frame.inner(), body)?;
                let value = self.filtered(frame, *line, filters, Value::from(text))?;
                self.emit(&value, out).map_err(|why| why.at(&frame.unit, *line))?;
            }
            Stmt::With(line, given, body) => {
                let inner = frame.inner();
                for (target, node) in given {
                    let value = self.evaluate(frame, node)?;
                    self.assign(&inner, target, value).map_err(|why| why.at(&frame.unit, *line))?;
                }
                return self.execute(&inner, body, out);
            }
            Stmt::Macro(def) => {
                let value = native(MacroFn::inline(def.clone(), frame, false));
                frame.scope.set(&def.name, value);
            }
            Stmt::Break => return Ok(Flow::Break),
            Stmt::Continue => return Ok(Flow::Continue),
            Stmt::Text(_) | Stmt::Emit(_) => {}
        }
        Ok(Flow::Next)
    }

    /// The text of a block.
    pub(super) fn captured(&self, frame: &Frame, body: &[Stmt]) -> Outcome<String> {
        let mut text = String::new();
        self.execute(frame, body, &mut text)?;
        Ok(text)
    }

    fn filtered(
        &self,
        frame: &Frame,
        line: u32,
        filters: &[(u32, Link)],
        mut value: Value,
    ) -> Outcome<Value> {
        for (_, link) in filters {
            if let Link::Filter(name, arguments) = link {
                let args = self.arguments(frame, arguments, None)?;
                value = self.filter(name, value, args).map_err(|why| why.at(&frame.unit, line))?;
            }
        }
        Ok(value)
    }

    /// Gives a value to a target.
    pub(super) fn assign(&self, frame: &Frame, target: &Target, value: Value) -> Outcome<()> {
        match target {
            Target::Var(name) => frame.scope.set(name, value),
            Target::Attr(name, attribute) => {
                let holder = self.lookup(frame, name);
                return set_attribute(&holder, name, attribute, value);
            }
            Target::Several(targets) => {
                let values = value::items(&value)?;
                if values.len() != targets.len() {
                    return fail(format!(
                        "{} values stand where {} are to be unpacked",
                        values.len(),
                        targets.len()
                    ));
                }
                for (target, value) in targets.iter().zip(values) {
                    self.assign(frame, target, value)?;
                }
            }
        }
        Ok(())
    }

    /// Evaluates a condition of a loop.
    pub(super) fn holds(&self, frame: &Frame, node: &Node) -> Outcome<bool> {
        Ok(value::truthy(&self.evaluate(frame, node)?))
    }
}

fn set_attribute(holder: &Value, name: &Name, attribute: &Name, value: Value) -> Outcome<()> {
    if let Some(native) = holder.downcast_object_ref::<Native>()
        && let Some(namespace) = native.get::<super::super::builtin::Namespace>()
    {
        namespace.set(attribute, value);
        return Ok(());
    }
    fail(format!(
        "`{name}.{attribute}` cannot be set: `{name}` is not a namespace; make it with `namespace()`"
    ))
}
