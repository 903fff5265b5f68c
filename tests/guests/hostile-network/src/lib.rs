//! A task that asks for sockets: it must be refused before it is ever run.

#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code, unused_imports))]

wit_bindgen::generate!({
    world: "cofferdam:worlds/task@0.1.0",
    path: ["../../../wit/types", "../../../wit/capability", "../../../wit/warehouse", "../../../wit/task", "../../../wit/worlds"],
    generate_all,
});

use exports::cofferdam::task::task::{FailureKind, Guest, Invocation, Outcome, TaskFailure};

struct Caller;

impl Guest for Caller {
    fn run(_: Invocation) -> Result<Outcome, TaskFailure> {
        match std::net::TcpStream::connect("127.0.0.1:80") {
            Ok(_) => Ok(Outcome { rows_affected: None, summary: "connected".to_owned() }),
            Err(error) => Err(TaskFailure {
                kind: FailureKind::Permanent,
                code: "NO_NETWORK".to_owned(),
                message: error.to_string(),
            }),
        }
    }
}

// Natively there is nothing to export to: only the names of the ways are read.
#[cfg(target_arch = "wasm32")]
export!(Caller);
