//! `wasi:cli`: no environment, no arguments, no terminal; standard output and error become lines
//! of the attempt's log.

use cofferdam_call::{LOG_LINE_BYTES_MAX, LogLevel};
use wasmtime::{
    Result, StoreContextMut,
    component::{Linker, Resource, ResourceType},
};

use super::{
    io::{Input, drop_entry},
    versioned,
};
use crate::{
    room::Room,
    stopped::{GUEST_EXITED, Stopped},
};

/// Where a guest writes.
pub(super) enum Output {
    Out,
    Error,
}

struct TerminalInput;
struct TerminalOutput;

/// Gathers written bytes into lines of at most [`LOG_LINE_BYTES_MAX`].
#[derive(Default)]
pub(crate) struct LineBuffer(Vec<u8>);

impl LineBuffer {
    /// Takes bytes, gives the lines they completed.
    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.0.push(*byte);
            }
            if *byte == b'\n' || self.0.len() >= LOG_LINE_BYTES_MAX {
                lines.push(String::from_utf8_lossy(&self.0).into_owned());
                self.0.clear();
            }
        }
        lines
    }

    /// What stands there without a line feed.
    pub(crate) fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.0);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }
}

pub(super) fn write(room: &mut Room, output: &Resource<Output>, bytes: &[u8]) -> Result<()> {
    match room.table.get(output)? {
        Output::Out => {
            for line in room.stdout.push(bytes) {
                room.attempt.log(LogLevel::Info, &line)?;
            }
        }
        Output::Error => {
            for line in room.stderr.push(bytes) {
                room.attempt.remember(&line);
                room.attempt.log(LogLevel::Warn, &line)?;
            }
        }
    }
    Ok(())
}

pub(super) fn link(linker: &mut Linker<Room>) -> Result<()> {
    let mut environment = linker.instance(&versioned("wasi:cli/environment"))?;
    environment.func_wrap("get-environment", |_, ()| Ok((Vec::<(String, String)>::new(),)))?;
    environment.func_wrap("get-arguments", |_, ()| Ok((Vec::<String>::new(),)))?;
    environment.func_wrap("initial-cwd", |_, ()| Ok((None::<String>,)))?;

    linker.instance(&versioned("wasi:cli/exit"))?.func_wrap(
        "exit",
        |_, (status,): (std::result::Result<(), ()>,)| -> Result<()> {
            let how = if status.is_ok() { "success" } else { "failure" };
            Err(Stopped::new(GUEST_EXITED, format!("the guest called `exit` with {how}")).into())
        },
    )?;

    linker
        .instance(&versioned("wasi:cli/stdin"))?
        .func_wrap("get-stdin", |mut store: StoreContextMut<'_, Room>, ()| {
            Ok((store.data_mut().table.push(Input)?,))
        })?;
    linker
        .instance(&versioned("wasi:cli/stdout"))?
        .func_wrap("get-stdout", |mut store: StoreContextMut<'_, Room>, ()| {
            Ok((store.data_mut().table.push(Output::Out)?,))
        })?;
    linker
        .instance(&versioned("wasi:cli/stderr"))?
        .func_wrap("get-stderr", |mut store: StoreContextMut<'_, Room>, ()| {
            Ok((store.data_mut().table.push(Output::Error)?,))
        })?;
    link_terminals(linker)
}

fn link_terminals(linker: &mut Linker<Room>) -> Result<()> {
    linker.instance(&versioned("wasi:cli/terminal-input"))?.resource(
        "terminal-input",
        ResourceType::host::<TerminalInput>(),
        drop_entry::<TerminalInput>,
    )?;
    linker.instance(&versioned("wasi:cli/terminal-output"))?.resource(
        "terminal-output",
        ResourceType::host::<TerminalOutput>(),
        drop_entry::<TerminalOutput>,
    )?;
    linker
        .instance(&versioned("wasi:cli/terminal-stdin"))?
        .func_wrap("get-terminal-stdin", |_, ()| Ok((None::<Resource<TerminalInput>>,)))?;
    linker
        .instance(&versioned("wasi:cli/terminal-stdout"))?
        .func_wrap("get-terminal-stdout", |_, ()| Ok((None::<Resource<TerminalOutput>>,)))?;
    linker
        .instance(&versioned("wasi:cli/terminal-stderr"))?
        .func_wrap("get-terminal-stderr", |_, ()| Ok((None::<Resource<TerminalOutput>>,)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_lines() {
        let mut buffer = LineBuffer::default();
        assert_eq!(buffer.push(b"one\ntw"), ["one"]);
        assert_eq!(buffer.push(b"o\n\nrest"), ["two", ""]);
        assert_eq!(buffer.rest().as_deref(), Some("rest"));
        assert_eq!(buffer.rest(), None);
    }

    #[test]
    fn a_line_without_end_is_cut_not_kept_growing() {
        let mut buffer = LineBuffer::default();
        let lines = buffer.push(&vec![b'x'; LOG_LINE_BYTES_MAX * 2 + 1]);
        assert_eq!(lines.len(), 2);
        assert_eq!(buffer.rest().as_deref(), Some("x"));
    }
}
