//! The vocabulary of the one door, and its framing.
//!
//! Everything a guest can ask of the outside world is one [`Call`]; every answer is one [`Reply`]
//! or one [`Refusal`]. Runner and broker exchange them over socket pairs as bounded frames.
//!
//! In and out: values, and frames on any `Read`/`Write`. Never: decides, performs or records.
//! Fails: with [`FrameError`] where the other side breaks the protocol; the lane is then closed.
//! Source: `docs/adr/0002-one-door.md`.

mod call;
mod framing;
mod lane;
mod limits;
mod refusal;
mod value;

pub use call::{Call, CallKind, Ending, FileInfo, Handle, KeptAttempt, LogLevel, Reply};
pub use framing::{Frame, FrameError, read_frame, write_frame};
pub use lane::{
    AttemptEnd, AttemptPlan, Confinement, Descr, Description, EndState, FromRunner, Generated, GuestKind,
    Interface, Invocation, Limits, NamedJson, Problem, SqlAsk, TaskDescription, ToRunner, Usage,
};
pub use limits::*;
pub use refusal::{FailureKind, Refusal};
pub use value::{Access, Column, DataType, Value};
