//! Loops.
//!
//! In: what is gone through, and a body. Out: text.
//! Never: sees changes made to a list while it is gone through.
//! Fails: where there is nothing to go through.
//! Source: Jinja 3.1's `LoopContext`.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value;

use super::super::problem::{Outcome, fail};
use super::super::syntax::{Loop, Name};
use super::super::value::{self, Args, Native, Python, count};
use super::execute::Flow;
use super::{Frame, Interp};

impl Interp<'_> {
    /// Runs a loop.
    pub(super) fn run_loop(
        &self,
        frame: &Frame,
        def: &Arc<Loop>,
        over: &Value,
        depth: usize,
        out: &mut String,
    ) -> Outcome<Flow> {
        let mut items = value::items(over).map_err(|why| why.at(&frame.unit, def.line))?;
        self.steps_of(items.len())?;
        if let Some(condition) = &def.only_if {
            let mut kept = Vec::with_capacity(items.len());
            for item in items {
                let inner = frame.inner();
                self.assign(&inner, &def.target, item.clone())
                    .map_err(|why| why.at(&frame.unit, def.line))?;
                if self.holds(&inner, condition)? {
                    kept.push(item);
                }
            }
            items = kept;
        }
        if items.is_empty() {
            return self.execute(&frame.inner(), &def.otherwise, out);
        }
        let state = Arc::new(LoopState {
            items,
            index: AtomicUsize::new(0),
            depth,
            changed: Mutex::new(None),
            recursion: def.recursive.then(|| (frame.clone(), def.clone())),
        });
        let shown = Value::from_object(Native(state.clone()));
        let name: Name = "loop".into();
        for (index, item) in state.items.iter().enumerate() {
            state.index.store(index, Ordering::Relaxed);
            let inner = frame.inner();
            inner.scope.set(&name, shown.clone());
            self.assign(&inner, &def.target, item.clone()).map_err(|why| why.at(&frame.unit, def.line))?;
            if self.execute(&inner, &def.body, out)? == Flow::Break {
                break;
            }
        }
        Ok(Flow::Next)
    }
}

/// `loop`.
#[derive(Debug)]
struct LoopState {
    items: Vec<Value>,
    index: AtomicUsize,
    depth: usize,
    changed: Mutex<Option<Vec<Value>>>,
    recursion: Option<(Frame, Arc<Loop>)>,
}

impl Python for LoopState {
    fn type_name(&self) -> &'static str {
        "LoopContext"
    }

    fn callable(&self) -> bool {
        self.recursion.is_some()
    }

    fn truthy(&self) -> bool {
        true
    }

    fn attr(&self, name: &str) -> Option<Value> {
        let index = self.index.load(Ordering::Relaxed);
        let len = self.items.len();
        Some(match name {
            "index" => count(index + 1),
            "index0" => count(index),
            "revindex" => count(len - index),
            "revindex0" => count(len - index - 1),
            "first" => Value::from(index == 0),
            "last" => Value::from(index + 1 == len),
            "length" => count(len),
            "depth" => count(self.depth + 1),
            "depth0" => count(self.depth),
            "previtem" => match index.checked_sub(1) {
                Some(before) => self.items[before].clone(),
                None => Value::UNDEFINED,
            },
            "nextitem" => self.items.get(index + 1).cloned().unwrap_or(Value::UNDEFINED),
            _ => return None,
        })
    }

    fn call(&self, cx: &Interp<'_>, mut args: Args) -> Outcome<Value> {
        let Some((frame, def)) = &self.recursion else {
            return fail("the loop is not `recursive`, so `loop` cannot be called");
        };
        let over = args.need("loop", "iterable")?;
        let mut out = String::new();
        cx.deeper(|| cx.run_loop(frame, def, &over, self.depth + 1, &mut out))?;
        Ok(Value::from(out))
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        match name {
            "cycle" => {
                let values = args.rest();
                let index = self.index.load(Ordering::Relaxed);
                Some(match values.len() {
                    0 => fail("loop.cycle() needs values"),
                    len => Ok(values[index % len].clone()),
                })
            }
            "changed" => {
                let now = args.rest();
                let mut before = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
                let same = before.as_ref().is_some_and(|before| {
                    before.len() == now.len() && before.iter().zip(&now).all(|(a, b)| value::equal(a, b))
                });
                *before = Some(now);
                Some(Ok(Value::from(!same)))
            }
            _ => None,
        }
    }

    fn methods(&self) -> &'static [&'static str] {
        &["cycle", "changed"]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
