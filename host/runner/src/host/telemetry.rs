//! `cofferdam:capability/telemetry`, lent to all.

use cofferdam_call::{Call, LogLevel};
use wasmtime::Result;

use crate::{
    bindings::adapter::cofferdam::capability::telemetry::{Host, Level},
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
}
