//! `wasi:clocks`, coarse: 100 µs steps, counted from the attempt's start where that will do.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::{
    Result, StoreContextMut,
    component::{ComponentType, Lift, Linker, Lower},
};

use super::{io::Pollable, versioned};
use crate::room::Room;

/// The step of all clocks a guest can read. Finer ones help those who measure caches.
const STEP: Duration = Duration::from_micros(100);

/// `wasi:clocks/wall-clock.datetime`.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

fn coarse(time: Duration) -> Duration {
    let step = STEP.as_nanos() as u64;
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(nanos / step * step)
}

fn datetime(time: Duration) -> Datetime {
    Datetime { seconds: time.as_secs(), nanoseconds: time.subsec_nanos() }
}

pub(super) fn link(linker: &mut Linker<Room>) -> Result<()> {
    let mut wall = linker.instance(&versioned("wasi:clocks/wall-clock"))?;
    wall.func_wrap("now", |_, ()| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok((datetime(coarse(now)),))
    })?;
    wall.func_wrap("resolution", |_, ()| Ok((datetime(STEP),)))?;

    let mut monotonic = linker.instance(&versioned("wasi:clocks/monotonic-clock"))?;
    monotonic.func_wrap("now", |store: StoreContextMut<'_, Room>, ()| Ok((now_nanos(store.data()),)))?;
    monotonic.func_wrap("resolution", |_, ()| Ok((STEP.as_nanos() as u64,)))?;
    monotonic.func_wrap("subscribe-duration", |mut store: StoreContextMut<'_, Room>, (nanos,): (u64,)| {
        Ok((store.data_mut().table.push(after(nanos))?,))
    })?;
    monotonic.func_wrap("subscribe-instant", |mut store: StoreContextMut<'_, Room>, (instant,): (u64,)| {
        let nanos = instant.saturating_sub(now_nanos(store.data()));
        Ok((store.data_mut().table.push(after(nanos))?,))
    })
}

fn now_nanos(room: &Room) -> u64 {
    u64::try_from(coarse(room.attempt.term.elapsed()).as_nanos()).unwrap_or(u64::MAX)
}

fn after(nanos: u64) -> Pollable {
    match nanos {
        0 => Pollable::Ready,
        // A moment beyond all clocks is one no attempt lives to see: a century will do.
        _ => Pollable::At(
            Instant::now() + Duration::from_nanos(nanos).min(Duration::from_secs(100 * 366 * 86_400)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_in_steps_of_100_microseconds() {
        assert_eq!(coarse(Duration::from_nanos(1_234_567_891)), Duration::from_nanos(1_234_500_000));
        assert_eq!(coarse(Duration::from_nanos(99_999)), Duration::ZERO);
    }
}
