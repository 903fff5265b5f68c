//! Typed ids, digests, time and byte units, and how an error explains itself.
//!
//! In: text and numbers from anywhere. Out: values that can only be valid.
//! Never: reads a clock, a file or randomness; whoever needs a fresh id passes the bytes in.
//! Fails: with [`InvalidName`] or [`InvalidDigest`], which say what is allowed.
//! Source: `docs/adr/0001-crates-are-walls.md`.

mod digest;
mod explain;
mod names;
mod time;
mod units;

pub use digest::{HashingWriter, InvalidDigest, Nonce, Sha256Digest};
pub use explain::{Code, Explain, Fault, render};
pub use names::{
    BootId, ClusterName, DispatchId, EnvironmentName, ExecutorId, GatewayName, GrantId, InvalidName, JobName,
    KeyId, LeaseId, PluginName, PoolName, ProjectId, RunId, TaskId,
};
pub use time::{InvalidTimestamp, Timestamp};
pub use units::{AttemptNo, ByteCount, Fence, ReleaseSeq, Role};
