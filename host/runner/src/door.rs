//! The runner's end of the one door: calls out, answers in, strictly in turn.
//!
//! In: a [`Call`] and its bulk bytes. Out: the broker's [`Answer`].
//! Never: decides anything; the broker does.
//! Fails: with [`FrameError`] where the lane broke; the attempt and the lane end then.
//! Source: `docs/adr/0002-one-door.md`.

use std::{io::BufReader, os::unix::net::UnixStream};

use cofferdam_call::{
    Call, FailureKind, Frame, FrameError, FromRunner, LANE_READ_BYTES, Refusal, Reply, ToRunner, read_frame,
    write_frame,
};

use crate::stopped::VALUE_TOO_LARGE;

/// What came back through the door.
#[derive(Debug)]
pub enum Answer {
    /// The call was performed; the bytes are the reply's payload.
    Reply(Reply, Vec<u8>),
    /// It was refused or failed.
    Refused(Refusal),
}

/// The way out of the sandbox: the broker's lane, or a double in tests and benchmarks.
pub trait Door {
    /// Makes one call and waits for its answer.
    fn call(&mut self, call: Call, payload: &[u8]) -> Result<Answer, FrameError>;
}

/// A door that is a lane to the broker.
#[derive(Debug)]
pub struct Lane(BufReader<UnixStream>);

impl Lane {
    /// Takes the runner's end of a lane.
    pub fn new(socket: UnixStream) -> Self {
        Self(BufReader::with_capacity(LANE_READ_BYTES, socket))
    }

    /// The next message of the broker.
    pub fn receive(&mut self) -> Result<Frame<ToRunner>, FrameError> {
        read_frame(&mut self.0)
    }

    /// Sends a message to the broker.
    pub fn send(&mut self, message: &FromRunner, payload: &[u8]) -> Result<(), FrameError> {
        write_frame(self.0.get_mut(), message, payload)
    }
}

impl Door for Lane {
    fn call(&mut self, call: Call, payload: &[u8]) -> Result<Answer, FrameError> {
        match self.send(&FromRunner::Call(call), payload) {
            // Nothing was written: the guest asked for more than a frame can carry.
            Err(error @ FrameError::TooLarge { .. }) => {
                return Ok(Answer::Refused(Refusal::new(
                    FailureKind::Limit,
                    VALUE_TOO_LARGE,
                    error.to_string(),
                )));
            }
            sent => sent?,
        }
        match self.receive()? {
            Frame { message: ToRunner::Reply(reply), payload } => Ok(Answer::Reply(reply, payload)),
            Frame { message: ToRunner::Refused(refusal), .. } => Ok(Answer::Refused(refusal)),
            _ => Err(FrameError::Malformed),
        }
    }
}
