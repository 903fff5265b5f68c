//! `cofferdam:capability/telemetry`, lent to all.

use cofferdam_call::{Call, KEPT_FILE_BYTES_MAX, KEPT_NAME_BYTES_MAX, LogLevel, Reply};
use wasmtime::Result;

use super::{
    convert::{self, mismatch},
    sql::check,
};
use crate::{
    bindings::adapter::cofferdam::{
        capability::telemetry::{Host, Level},
        types::failures::Failure,
    },
    room::Room,
};

impl Host for Room {
    fn log(&mut self, level: Level, message: String) -> Result<()> {
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        Ok(self.attempt.log(level, &message)?)
    }

    fn progress(&mut self, done: u64, total: u64) -> Result<()> {
        // What the broker says to it does not matter to the guest.
        let _refusal = self.call(Call::Progress { done, total }, &[])?.err();
        Ok(())
    }

    fn keep(&mut self, name: String, content: Vec<u8>) -> Result<Result<(), Failure>> {
        check!(convert::bounded("the file's name", name.len(), KEPT_NAME_BYTES_MAX));
        check!(convert::bounded("the file", content.len(), KEPT_FILE_BYTES_MAX));
        match self.call(Call::Keep { name }, &content)? {
            Ok((Reply::Done, _)) => Ok(Ok(())),
            Ok(_) => Err(mismatch()),
            Err(refusal) => Ok(Err(convert::failure(refusal))),
        }
    }
}
