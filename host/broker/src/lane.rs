//! Serves one attempt over one lane: starts it, answers its calls, hears how it ended.

use std::{
    io::{self, BufReader, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use cofferdam_call::{
    AttemptEnd, AttemptPlan, DESCRIPTION_BYTES_MAX, Description, EndState, FailureKind, Frame, FrameError,
    FromRunner, GuestKind, LANE_READ_BYTES, Refusal, ToRunner, Usage, read_frame, shorten, write_frame,
};
use cofferdam_ids::Code;

use crate::{door::Door, log::clean};

/// How long after its wall clock has run out a runner may take to say that the attempt is over.
pub const LANE_GRACE: Duration = Duration::from_secs(10);

/// How an attempt on a lane ended.
#[derive(Debug)]
pub struct LaneEnd {
    /// What came of it. Words of the guest in it are cut and cleaned.
    pub end: AttemptEnd,
    /// Whether the lane can carry another attempt. Where not, its runner is to be ended: it is
    /// gone, hangs, or does not keep to the protocol.
    pub usable: bool,
}

/// Runs one attempt on a lane, from `Start` to `End`. Returns after the plan's wall clock and
/// [`LANE_GRACE`] at the latest. The caller finishes the door afterwards.
///
/// A runner that is gone gives `CD0330`, one that no longer answers `CD0331`.
pub fn serve_lane(stream: &UnixStream, plan: AttemptPlan, door: &mut Door) -> LaneEnd {
    serve_lane_within(stream, plan, door, LANE_GRACE)
}

/// As [`serve_lane`], with another time of grace.
pub fn serve_lane_within(
    stream: &UnixStream,
    plan: AttemptPlan,
    door: &mut Door,
    grace: Duration,
) -> LaneEnd {
    let wall = Duration::from_millis(plan.limits.wall_ms);
    let begun = Instant::now();
    let lane = Lane { stream, deadline: begun.checked_add(wall.saturating_add(grace)) };
    let served = serve(&mut BufReader::with_capacity(LANE_READ_BYTES, lane), plan, door);
    let usage = Usage {
        wall_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        calls: door.counts().calls,
        ..Usage::default()
    };
    match served {
        Ok(end) => LaneEnd { end: cleaned(end), usable: true },
        Err(error) => {
            let (code, message) = match error {
                FrameError::Io(e) if is_timeout(&e) => (Code(331), "the runner does not answer".to_owned()),
                FrameError::Closed => (Code(330), "the runner is gone".to_owned()),
                other => (Code(330), format!("the runner does not keep to the protocol: {other}")),
            };
            LaneEnd { end: AttemptEnd { state: EndState::Stopped { code, message }, usage }, usable: false }
        }
    }
}

struct Lane<'a> {
    stream: &'a UnixStream,
    deadline: Option<Instant>,
}

fn serve(
    lane: &mut BufReader<Lane<'_>>,
    plan: AttemptPlan,
    door: &mut Door,
) -> Result<AttemptEnd, FrameError> {
    let describes = plan.kind == GuestKind::Project;
    write_frame(lane.get_mut(), &ToRunner::Start(Box::new(plan)), &[])?;
    let mut described = Vec::new();
    loop {
        let Frame { message, payload } = read_frame(lane)?;
        match message {
            FromRunner::Call(call) => match door.call(call, payload) {
                Ok((reply, payload)) => lane.get_mut().answer(&ToRunner::Reply(reply), &payload)?,
                Err(refusal) => lane.get_mut().answer(&ToRunner::Refused(refusal), &[])?,
            },
            FromRunner::Described if describes => {
                if described.len() + payload.len() > DESCRIPTION_BYTES_MAX {
                    return Err(FrameError::Malformed);
                }
                described.extend_from_slice(&payload);
            }
            FromRunner::Described => return Err(FrameError::Malformed),
            FromRunner::End(mut end) => {
                if let (EndState::Described(description), false) = (&mut end.state, described.is_empty()) {
                    *description = Description::from_bytes(&described).ok_or(FrameError::Malformed)?;
                }
                return Ok(*end);
            }
            FromRunner::Ready(_) | FromRunner::Loaded { .. } => return Err(FrameError::Malformed),
        }
    }
}

impl Lane<'_> {
    /// Sends an answer; one too long for a frame becomes a refusal, since nothing of it was sent.
    fn answer(&mut self, message: &ToRunner, payload: &[u8]) -> Result<(), FrameError> {
        match write_frame(self, message, payload) {
            Err(FrameError::TooLarge { bytes, limit, .. }) => {
                let text = format!("the answer is {bytes} bytes long; the limit is {limit}");
                let refusal = Refusal::new(FailureKind::Limit, Code(323), text);
                write_frame(self, &ToRunner::Refused(refusal), &[])
            }
            other => other,
        }
    }

    /// The time left, or a timeout.
    fn left(&self) -> io::Result<Option<Duration>> {
        let Some(deadline) = self.deadline else { return Ok(None) };
        match deadline.checked_duration_since(Instant::now()) {
            Some(left) if left > Duration::ZERO => Ok(Some(left.max(Duration::from_millis(1)))),
            _ => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

// The time left is set anew before every system call: a runner that sends or takes one byte at a
// time does not get more time for it.
impl Read for Lane<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Lane<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[io::IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// What a runner says of an attempt's end comes from where guest code runs: it is cut to its
/// limits and cleaned.
fn cleaned(mut end: AttemptEnd) -> AttemptEnd {
    match &mut end.state {
        EndState::Succeeded { summary, .. } => *summary = clean(&shorten(summary, 1 << 10)),
        EndState::Failed { code, message, .. } => {
            let valid = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
            if !(2..=16).contains(&code.len()) || !code.bytes().all(valid) {
                *code = "UNKNOWN".to_owned();
            }
            *message = cut_lines(message);
        }
        EndState::Stopped { message, .. } => *message = cut_lines(message),
        EndState::Described(_) | EndState::Problems(_) => {}
    }
    end
}

/// Several lines are kept as they are: they point at a place in a statement or file.
fn cut_lines(message: &str) -> String {
    shorten(message, 16 << 10).lines().map(clean).collect::<Vec<_>>().join("\n")
}
