//! `wasi:io`: closed input, line-buffered output, things to wait for.

use std::time::Instant;

use wasmtime::{
    Result, StoreContextMut,
    component::{ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType},
};

use super::{cli::Output, versioned};
use crate::{
    room::Room,
    stopped::{CALL_TOO_LARGE, Stopped},
};

/// Bytes a guest may write at once.
const WRITE_BYTES_MAX: u64 = 64 << 10;
/// Pollables one `poll` may name.
const POLL_MAX: usize = 1_024;

/// Standard input: always at its end.
pub(super) struct Input;
/// `wasi:io/error.error`; none is ever made.
pub(super) struct IoError;

/// What a guest can wait for.
pub(super) enum Pollable {
    Ready,
    At(Instant),
}

impl Pollable {
    fn is_ready(&self, now: Instant) -> bool {
        match self {
            Self::Ready => true,
            Self::At(moment) => *moment <= now,
        }
    }
}

/// `wasi:io/streams.stream-error`.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
pub(super) enum StreamError {
    #[component(name = "last-operation-failed")]
    #[allow(dead_code, reason = "the WIT type has it")]
    Failed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Streamed<T> = std::result::Result<T, StreamError>;

pub(super) fn link(linker: &mut Linker<Room>) -> Result<()> {
    let mut error = linker.instance(&versioned("wasi:io/error"))?;
    error.resource("error", ResourceType::host::<IoError>(), drop_entry::<IoError>)?;
    error.func_wrap("[method]error.to-debug-string", |_, _: (Resource<IoError>,)| Ok((String::new(),)))?;
    link_poll(linker)?;
    let mut streams = linker.instance(&versioned("wasi:io/streams"))?;
    link_input(&mut streams)?;
    link_output(&mut streams)
}

/// The destructor of every resource here: takes the entry out of the store's table.
pub(super) fn drop_entry<T: Send + 'static>(mut store: StoreContextMut<'_, Room>, rep: u32) -> Result<()> {
    store.data_mut().table.delete(Resource::<T>::new_own(rep))?;
    Ok(())
}

fn link_poll(linker: &mut Linker<Room>) -> Result<()> {
    let mut poll = linker.instance(&versioned("wasi:io/poll"))?;
    poll.resource("pollable", ResourceType::host::<Pollable>(), drop_entry::<Pollable>)?;
    poll.func_wrap(
        "[method]pollable.ready",
        |store: StoreContextMut<'_, Room>, (it,): (Resource<Pollable>,)| {
            Ok((store.data().table.get(&it)?.is_ready(Instant::now()),))
        },
    )?;
    poll.func_wrap(
        "[method]pollable.block",
        |store: StoreContextMut<'_, Room>, (it,): (Resource<Pollable>,)| {
            if let Pollable::At(moment) = store.data().table.get(&it)? {
                store.data().attempt.term.sleep_until(*moment)?;
            }
            Ok(())
        },
    )?;
    poll.func_wrap("poll", |store: StoreContextMut<'_, Room>, (list,): (Vec<Resource<Pollable>>,)| {
        Ok((wait_for_any(store.data(), &list)?,))
    })
}

/// The places of those that are ready, after waiting for the first.
fn wait_for_any(room: &Room, list: &[Resource<Pollable>]) -> Result<Vec<u32>> {
    if list.is_empty() || list.len() > POLL_MAX {
        return Err(Stopped::new(CALL_TOO_LARGE, format!("`poll` takes 1 to {POLL_MAX} pollables")).into());
    }
    let mut earliest = None;
    for it in list {
        match room.table.get(it)? {
            Pollable::Ready => earliest = Some(Instant::now()),
            Pollable::At(moment) => earliest = Some(earliest.map_or(*moment, |e: Instant| e.min(*moment))),
        }
    }
    if let Some(moment) = earliest {
        room.attempt.term.sleep_until(moment)?;
    }
    let now = Instant::now();
    let mut ready = Vec::new();
    for (place, it) in (0u32..).zip(list) {
        if room.table.get(it)?.is_ready(now) {
            ready.push(place);
        }
    }
    Ok(ready)
}

fn link_input(streams: &mut LinkerInstance<'_, Room>) -> Result<()> {
    streams.resource("input-stream", ResourceType::host::<Input>(), drop_entry::<Input>)?;
    for name in ["read", "blocking-read"] {
        streams.func_wrap(&format!("[method]input-stream.{name}"), |_, _: (Resource<Input>, u64)| {
            Ok((Streamed::<Vec<u8>>::Err(StreamError::Closed),))
        })?;
    }
    for name in ["skip", "blocking-skip"] {
        streams.func_wrap(&format!("[method]input-stream.{name}"), |_, _: (Resource<Input>, u64)| {
            Ok((Streamed::<u64>::Err(StreamError::Closed),))
        })?;
    }
    streams.func_wrap(
        "[method]input-stream.subscribe",
        |mut store: StoreContextMut<'_, Room>, _: (Resource<Input>,)| {
            Ok((store.data_mut().table.push(Pollable::Ready)?,))
        },
    )
}

fn link_output(streams: &mut LinkerInstance<'_, Room>) -> Result<()> {
    streams.resource("output-stream", ResourceType::host::<Output>(), drop_entry::<Output>)?;
    streams.func_wrap("[method]output-stream.check-write", |_, _: (Resource<Output>,)| {
        Ok((Streamed::Ok(WRITE_BYTES_MAX),))
    })?;
    for name in ["write", "blocking-write-and-flush"] {
        streams.func_wrap(
            &format!("[method]output-stream.{name}"),
            |mut store: StoreContextMut<'_, Room>, (it, bytes): (Resource<Output>, Vec<u8>)| {
                super::cli::write(store.data_mut(), &it, &bytes)?;
                Ok((Streamed::Ok(()),))
            },
        )?;
    }
    for name in ["flush", "blocking-flush"] {
        streams.func_wrap(&format!("[method]output-stream.{name}"), |_, _: (Resource<Output>,)| {
            Ok((Streamed::Ok(()),))
        })?;
    }
    for name in ["write-zeroes", "blocking-write-zeroes-and-flush"] {
        streams.func_wrap(&format!("[method]output-stream.{name}"), |_, _: (Resource<Output>, u64)| {
            Ok((Streamed::<()>::Err(StreamError::Closed),))
        })?;
    }
    for name in ["splice", "blocking-splice"] {
        streams.func_wrap(
            &format!("[method]output-stream.{name}"),
            |_, _: (Resource<Output>, Resource<Input>, u64)| Ok((Streamed::<u64>::Err(StreamError::Closed),)),
        )?;
    }
    streams.func_wrap(
        "[method]output-stream.subscribe",
        |mut store: StoreContextMut<'_, Room>, _: (Resource<Output>,)| {
            Ok((store.data_mut().table.push(Pollable::Ready)?,))
        },
    )
}
