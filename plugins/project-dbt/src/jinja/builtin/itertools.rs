//! `itertools`.
//!
//! In: lists. Out: lists: what is lazy in Python is made at once.
//! Never: makes an endless sequence, nor a list longer than it may be.
//! Fails: where a list would be too long.
//! Source: Python's `itertools`, the part that dbt lends.

use minijinja::Value;

use super::super::interp::Interp;
use super::super::limits;
use super::super::problem::{Outcome, fail};
use super::super::syntax::Operator;
use super::super::value::{self, Args, list, none, tuple};

/// `itertools.chain(…)`.
pub(super) fn chain(args: &mut Args) -> Outcome<Value> {
    flat(args.rest())
}

fn flat(lists: Vec<Value>) -> Outcome<Value> {
    let mut all = Vec::new();
    for one in lists {
        let values = value::items(&one)?;
        limits::list_of(all.len() + values.len())?;
        all.extend(values);
    }
    Ok(list(all))
}

/// `itertools.…(…)`; `None` where there is no such function.
pub(super) fn call(cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
    run(cx, name, args).transpose()
}

fn run(cx: &Interp<'_>, name: &str, args: &mut Args) -> Outcome<Option<Value>> {
    let rows = |rows: Vec<Vec<Value>>| list(rows.into_iter().map(tuple).collect());
    Ok(Some(match name {
        "chain" => chain(args)?,
        "from_iterable" => flat(value::items(&args.need(name, "iterable")?)?)?,
        "product" => rows(product(cx, args)?),
        "combinations" | "permutations" | "combinations_with_replacement" => {
            let values = value::items(&args.need(name, "iterable")?)?;
            let size = args.int("r")?.and_then(|size| usize::try_from(size).ok()).unwrap_or(values.len());
            let mut all = Vec::new();
            picked(cx, name, values.len(), size, &mut Vec::new(), &mut all)?;
            rows(
                all.into_iter()
                    .map(|row| row.into_iter().map(|index| values[index].clone()).collect())
                    .collect(),
            )
        }
        "zip_longest" => rows(zipped(args)?),
        "accumulate" => list(accumulated(cx, args)?),
        "islice" => list(cut(args)?),
        "repeat" => {
            let value = args.need(name, "object")?;
            let Some(times) = args.int("times")? else {
                return fail("itertools.repeat() without a number of times has no end");
            };
            let times = usize::try_from(times).unwrap_or(0);
            limits::list_of(times)?;
            list(vec![value; times])
        }
        "compress" => {
            let values = value::items(&args.need(name, "data")?)?;
            let selectors = value::items(&args.need(name, "selectors")?)?;
            let kept = values.into_iter().zip(selectors).filter(|(_, kept)| value::truthy(kept));
            list(kept.map(|(value, _)| value).collect())
        }
        "starmap" => {
            let by = args.need(name, "function")?;
            let mut all = Vec::new();
            for row in value::items(&args.need(name, "iterable")?)? {
                all.push(cx.call(&by, Args::new(value::items(&row)?, Vec::new()))?);
            }
            list(all)
        }
        "tee" => {
            let values = value::items(&args.need(name, "iterable")?)?;
            let many = args.int("n")?.and_then(|many| usize::try_from(many).ok()).unwrap_or(2);
            limits::list_of(values.len().saturating_mul(many))?;
            tuple((0..many).map(|_| list(values.clone())).collect())
        }
        "pairwise" => {
            let values = value::items(&args.need(name, "iterable")?)?;
            rows(values.windows(2).map(<[Value]>::to_vec).collect())
        }
        "count" | "cycle" => {
            return fail(format!("itertools.{name}() has no end; use range() or a loop's cycle"));
        }
        _ => return Ok(None),
    }))
}

fn product(cx: &Interp<'_>, args: &mut Args) -> Outcome<Vec<Vec<Value>>> {
    let times = args.named("repeat").and_then(|times| times.as_usize()).unwrap_or(1).min(64);
    let mut pools = Vec::new();
    for pool in args.rest() {
        pools.push(value::items(&pool)?);
    }
    let pools: Vec<Vec<Value>> = pools.iter().cycle().take(pools.len() * times).cloned().collect();
    let size = pools.iter().try_fold(1_usize, |size, pool| size.checked_mul(pool.len()));
    limits::list_of(size.unwrap_or(usize::MAX).saturating_mul(pools.len().max(1)))?;
    cx.steps_of(size.unwrap_or(0))?;
    let mut all: Vec<Vec<Value>> = vec![Vec::new()];
    for pool in &pools {
        let longer = |row: Vec<Value>| {
            pool.iter().map(move |value| [row.as_slice(), std::slice::from_ref(value)].concat())
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    Ok(all)
}

fn zipped(args: &mut Args) -> Outcome<Vec<Vec<Value>>> {
    let fill = args.named("fillvalue").unwrap_or_else(none);
    let mut columns = Vec::new();
    for column in args.rest() {
        columns.push(value::items(&column)?);
    }
    let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
    let row =
        |index: usize| columns.iter().map(|column| column.get(index).unwrap_or(&fill).clone()).collect();
    Ok((0..longest).map(row).collect())
}

fn accumulated(cx: &Interp<'_>, args: &mut Args) -> Outcome<Vec<Value>> {
    let values = value::items(&args.need("accumulate", "iterable")?)?;
    let by = args.take("func").filter(|by| !by.is_none());
    let mut all: Vec<Value> = args.named("initial").into_iter().filter(|value| !value.is_none()).collect();
    for value in values {
        let next = match (all.last(), &by) {
            (None, _) => value,
            (Some(before), Some(by)) => cx.call(by, Args::new(vec![before.clone(), value], Vec::new()))?,
            (Some(before), None) => value::binary(Operator::Add, before, &value)?,
        };
        all.push(next);
    }
    Ok(all)
}

fn cut(args: &mut Args) -> Outcome<Vec<Value>> {
    let values = value::items(&args.need("islice", "iterable")?)?;
    let bounds: Vec<Option<usize>> = args.rest().iter().map(Value::as_usize).collect();
    let (start, stop, step) = match bounds.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (start.unwrap_or(0), *stop, 1),
        [start, stop, step] => (start.unwrap_or(0), *stop, step.unwrap_or(1).max(1)),
        _ => return fail("islice() takes two to four arguments"),
    };
    let stop = stop.unwrap_or(values.len()).min(values.len());
    Ok(values.into_iter().take(stop).skip(start).step_by(step).collect())
}

/// All choices of `size` out of `many`, by their indexes, in Python's order.
fn picked(
    cx: &Interp<'_>,
    kind: &str,
    many: usize,
    size: usize,
    row: &mut Vec<usize>,
    all: &mut Vec<Vec<usize>>,
) -> Outcome<()> {
    if row.len() == size {
        cx.step()?;
        limits::list_of((all.len() + 1).saturating_mul(size.max(1)))?;
        all.push(row.clone());
        return Ok(());
    }
    let from = match (kind, row.last()) {
        ("combinations", Some(last)) => last + 1,
        ("combinations_with_replacement", Some(last)) => *last,
        _ => 0,
    };
    for index in from..many {
        if kind == "permutations" && row.contains(&index) {
            continue;
        }
        row.push(index);
        cx.deeper(|| picked(cx, kind, many, size, row, all))?;
        row.pop();
    }
    Ok(())
}
