//! `cofferdam:capability/telemetry`, lent to all.

use cofferdam_call::{self as call, Call, KEPT_FILE_BYTES_MAX, KEPT_NAME_BYTES_MAX, LogLevel, Reply};
use wasmtime::Result;

use super::{
    convert::{self, mismatch},
    sql::check,
};
use crate::{
    bindings::adapter::cofferdam::{
        capability::telemetry::{Ending, Host, KeptAttempt, KeptPage, Level},
        types::failures::Failure,
    },
    room::Room,
};

/// Bytes of a task's id.
const TASK_BYTES_MAX: usize = 200;

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

    fn kept(
        &mut self,
        name: String,
        start: String,
        after: Option<String>,
    ) -> Result<Result<KeptPage, Failure>> {
        check!(convert::bounded("the file's name", name.len(), KEPT_NAME_BYTES_MAX));
        check!(convert::bounded("the start of a task's id", start.len(), TASK_BYTES_MAX));
        check!(convert::bounded("the task's id", after.as_ref().map_or(0, String::len), TASK_BYTES_MAX));
        match self.call(Call::ReadKept { name, start, after }, &[])? {
            Ok((Reply::Kept { attempts, more }, bytes)) => {
                let mut rest = bytes.as_slice();
                let attempts =
                    attempts.into_iter().map(|one| attempt(one, &mut rest)).collect::<Result<_>>()?;
                Ok(Ok(KeptPage { attempts, more }))
            }
            Ok(_) => Err(mismatch()),
            Err(refusal) => Ok(Err(convert::failure(refusal))),
        }
    }
}

/// An attempt with its file, which is the next of the bytes.
fn attempt(from: call::KeptAttempt, rest: &mut &[u8]) -> Result<KeptAttempt> {
    let content = match from.length {
        None => None,
        Some(length) => {
            let (file, behind) = rest.split_at_checked(length as usize).ok_or_else(mismatch)?;
            *rest = behind;
            Some(file.to_vec())
        }
    };
    Ok(KeptAttempt {
        task: from.task,
        attempt: from.attempt,
        ending: match from.ending {
            call::Ending::Succeeded => Ending::Succeeded,
            call::Ending::Failed => Ending::Failed,
            call::Ending::Refused => Ending::Refused,
            call::Ending::Cancelled => Ending::Cancelled,
        },
        code: from.code,
        message: from.message,
        started_at: from.started_at,
        ended_at: from.ended_at,
        content,
    })
}
