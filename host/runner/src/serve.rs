//! The runner process: one control socket, one thread and socket a lane.
//!
//! In: the control socket on standard input. Out: nothing but what goes over the sockets.
//! Never: touches a component's bytes before it is confined.
//! Fails: with [`ServeError`] when it cannot start or the broker breaks the protocol; it ends
//! quietly when the broker closes the control socket.
//! Source: `docs/adr/0003-threads-not-fibers.md`.

use std::{
    cell::RefCell,
    io::{self, IoSliceMut, Read},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    rc::Rc,
    sync::Arc,
    thread::Builder,
};

use cofferdam_call::{
    AttemptEnd, EndState, FRAME_BYTES_MAX, FailureKind, Frame, FrameError, FromRunner, Refusal, ToRunner,
    read_frame, write_frame,
};
use cofferdam_ids::{Code, Explain, Fault, Sha256Digest};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::{
    attempt::{Turn, run},
    confine::{ConfineError, Ruleset, enclose, filter},
    door::Lane,
    engine::{LANE_STACK_BYTES, MEMORY_BYTES_MAX, pool_memories, runner, start_ticker},
    library::Library,
    limits::{Budget, Stop},
    stopped::VALUE_TOO_LARGE,
};

/// Lanes of one runner.
const LANES_MAX: usize = 64;
/// Bytes of one artifact.
pub const ARTIFACT_BYTES_MAX: usize = 256 << 20;

/// Why a runner did not start, or ended otherwise than asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Standard input is not a control socket.
    #[error("standard input is not a control socket of a broker")]
    NoControlSocket(#[source] io::Error),
    /// The broker broke the protocol of the control socket.
    #[error("the broker broke the protocol of the control socket: {0}")]
    Protocol(&'static str),
    /// The control socket failed.
    #[error("the control socket failed")]
    Control(#[source] FrameError),
    /// The process could not be confined.
    #[error("the runner could not be confined")]
    Confine(#[source] ConfineError),
    /// The engine did not start.
    #[error("the engine did not start: {0}")]
    Engine(String),
    /// A thread did not start.
    #[error("a thread did not start")]
    Thread(#[source] io::Error),
}

impl Explain for ServeError {
    fn code(&self) -> Code {
        match self {
            Self::Confine(error) => error.code(),
            _ => Code(421),
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Confine(error) => error.fault(),
            Self::Engine(_) | Self::Thread(_) => Fault::Environment,
            _ => Fault::Ours,
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Confine(error) => error.fix(),
            Self::Engine(_) => {
                "allow the executor its address space: no `ulimit -v`, and 47 bits of it".to_owned()
            }
            Self::Thread(_) => "allow the executor more threads".to_owned(),
            _ => "start `cofferdam-executor start`; it starts its runners itself".to_owned(),
        }
    }
}

/// The runner's main. Returns when the broker closes the control socket; the process should then
/// exit, which ends the lanes.
pub fn serve() -> Result<(), ServeError> {
    let control = io::stdin().as_fd().try_clone_to_owned().map_err(ServeError::NoControlSocket)?;
    let mut control = UnixStream::from(control);
    let Some((lanes, memory_bytes_max)) = configured(&mut control)? else { return Ok(()) };

    let count = lanes.len() as u32;
    let engine = runner(count).map_err(|error| ServeError::Engine(error.to_string()))?;
    let guest_bytes_max = u64::from(pool_memories(count)) * MEMORY_BYTES_MAX as u64;
    let rules = Ruleset::Runner { guest_bytes_max };
    let mut given = enclose(rules).map_err(ServeError::Confine)?;

    start_ticker(&engine).map_err(ServeError::Thread)?;
    let library = Library::new(engine, Budget::new(memory_bytes_max));
    let stops = lanes
        .into_iter()
        .enumerate()
        .map(|(number, lane)| start_lane(number, lane, library.clone()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(ServeError::Thread)?;
    // Every thread is there now; the filter comes over all of them, and none is added after.
    filter(rules, &mut given).map_err(ServeError::Confine)?;

    send(&mut control, &FromRunner::Ready(given))?;
    control_loop(&mut control, &library, &stops)
}

fn send(control: &mut UnixStream, message: &FromRunner) -> Result<(), ServeError> {
    write_frame(control, message, &[]).map_err(ServeError::Control)
}

/// Reads `Configure` and the lanes that come with it. None when the broker is gone already.
fn configured(control: &mut UnixStream) -> Result<Option<(Vec<UnixStream>, u64)>, ServeError> {
    let mut first = [0; 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LANES_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(&*control, &mut [IoSliceMut::new(&mut first)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        {
            Err(rustix::io::Errno::INTR) => {}
            other => break other.map_err(|error| ServeError::NoControlSocket(error.into()))?.bytes,
        }
    };
    if received == 0 {
        return Ok(None);
    }
    let lanes: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(lanes) => Some(lanes),
            _ => None,
        })
        .flatten()
        .collect();
    let mut rest = first[..received].chain(control);
    match read_frame(&mut rest).map_err(ServeError::Control)?.message {
        ToRunner::Configure { lanes: count, memory_bytes_max }
            if count as usize == lanes.len() && (1..=LANES_MAX).contains(&lanes.len()) =>
        {
            Ok(Some((lanes.into_iter().map(UnixStream::from).collect(), memory_bytes_max)))
        }
        ToRunner::Configure { .. } => Err(ServeError::Protocol("the number of lanes and of sockets differ")),
        _ => Err(ServeError::Protocol("the first message was not `Configure`")),
    }
}

fn start_lane(number: usize, socket: UnixStream, library: Arc<Library>) -> io::Result<Arc<Stop>> {
    let stop = Arc::new(Stop::default());
    let lane_stop = stop.clone();
    Builder::new()
        .name(format!("lane {number}"))
        .stack_size(LANE_STACK_BYTES)
        // A lane that ends closes its socket: that is how the broker learns of it.
        .spawn(move || drop(run_lane(Lane::new(socket), &library, lane_stop)))?;
    Ok(stop)
}

/// Runs attempts until the lane breaks.
fn run_lane(lane: Lane, library: &Arc<Library>, stop: Arc<Stop>) -> Result<(), FrameError> {
    wasmtime::Engine::tls_eager_initialize();
    let lane = Rc::new(RefCell::new(lane));
    let mut turn = Turn { stop, start: 0 };
    loop {
        let message = lane.borrow_mut().receive()?.message;
        let ToRunner::Start(plan) = message else { return Err(FrameError::Malformed) };
        turn.start += 1;
        let end = run(library, *plan, &lane, &turn);
        let end = describe(&mut lane.borrow_mut(), end)?;
        let usage = end.usage;
        let sent = lane.borrow_mut().send(&FromRunner::End(Box::new(end)), &[]);
        match sent {
            // Nothing was written yet: the end itself is too long for a frame.
            Err(error @ FrameError::TooLarge { .. }) => {
                let state = EndState::Stopped { code: VALUE_TOO_LARGE, message: error.to_string() };
                lane.borrow_mut().send(&FromRunner::End(Box::new(AttemptEnd { state, usage })), &[])?;
            }
            sent => sent?,
        }
    }
}

/// Sends a description in pieces before its end.
fn describe(lane: &mut Lane, mut end: AttemptEnd) -> Result<AttemptEnd, FrameError> {
    if let EndState::Described(description) = &mut end.state {
        let bytes = std::mem::take(description).to_bytes();
        for piece in bytes.chunks(FRAME_BYTES_MAX) {
            lane.send(&FromRunner::Described, piece)?;
        }
    }
    Ok(end)
}

/// An artifact whose pieces are coming in.
#[derive(Default)]
struct Incoming {
    of: Option<Sha256Digest>,
    bytes: Vec<u8>,
}

fn control_loop(control: &mut UnixStream, library: &Library, stops: &[Arc<Stop>]) -> Result<(), ServeError> {
    let mut incoming = Incoming::default();
    loop {
        let Frame { message, payload } = match read_frame(control) {
            Ok(frame) => frame,
            Err(FrameError::Closed) => return Ok(()),
            Err(error) => return Err(ServeError::Control(error)),
        };
        match message {
            ToRunner::Load { component, last } => {
                if *incoming.of.get_or_insert(component) != component {
                    return Err(ServeError::Protocol("pieces of two components are mixed"));
                }
                if incoming.bytes.len() + payload.len() > ARTIFACT_BYTES_MAX {
                    return Err(ServeError::Protocol("an artifact is longer than 256 MiB"));
                }
                incoming.bytes.extend_from_slice(&payload);
                if last {
                    let artifact = std::mem::take(&mut incoming).bytes;
                    let failure = library.load(component, &artifact).err();
                    let failure =
                        failure.map(|why| Refusal::new(FailureKind::Invalid, why.code, why.message));
                    send(control, &FromRunner::Loaded { component, failure })?;
                }
            }
            ToRunner::Cancel { lane, start, code } => {
                let stop = stops.get(lane as usize).ok_or(ServeError::Protocol("there is no such lane"))?;
                stop.request(start, code);
            }
            _ => return Err(ServeError::Protocol("a message of another socket")),
        }
    }
}
