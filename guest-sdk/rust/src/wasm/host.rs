//! What several worlds lend: files of the release and telemetry.

#[cfg(any(feature = "task", feature = "project"))]
use super::bindings::shared::cofferdam::capability::{release_files, telemetry};
#[cfg(any(feature = "task", feature = "project"))]
use crate::{Ending, Failure, FileInfo, Files, KeptAttempt, Level, Telemetry};

/// Bytes asked for at a time.
#[cfg(any(feature = "task", feature = "project"))]
const PIECE_BYTES: u32 = 1 << 20;

/// The host.
pub(super) struct Host;

#[cfg(any(feature = "task", feature = "project"))]
impl Files for Host {
    fn list(&self, prefix: &str) -> Result<Vec<FileInfo>, Failure> {
        let files = release_files::list_files(prefix)?;
        Ok(files.into_iter().map(|file| FileInfo { path: file.path, size: file.size }).collect())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let mut whole = release_files::read(path, 0, PIECE_BYTES)?;
        let mut last = whole.len();
        // A short piece is the last one; a full one may have something behind it.
        while last == PIECE_BYTES as usize {
            let mut piece = release_files::read(path, whole.len() as u64, PIECE_BYTES)?;
            last = piece.len();
            whole.append(&mut piece);
        }
        Ok(whole)
    }

    fn read_part(&self, path: &str, offset: u64, length: u64) -> Result<Vec<u8>, Failure> {
        let mut whole = Vec::new();
        while (whole.len() as u64) < length {
            let left = (length - whole.len() as u64).min(u64::from(PIECE_BYTES));
            let asked = u32::try_from(left).unwrap_or(PIECE_BYTES);
            let mut piece = release_files::read(path, offset + whole.len() as u64, asked)?;
            if piece.is_empty() {
                break;
            }
            whole.append(&mut piece);
        }
        Ok(whole)
    }
}

#[cfg(any(feature = "task", feature = "project"))]
impl Telemetry for Host {
    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => telemetry::Level::Debug,
            Level::Info => telemetry::Level::Info,
            Level::Warn => telemetry::Level::Warn,
            Level::Error => telemetry::Level::Error,
        };
        telemetry::log(level, message);
    }

    fn progress(&self, done: u64, total: u64) {
        telemetry::progress(done, total);
    }

    fn keep(&self, name: &str, content: &[u8]) -> Result<(), Failure> {
        Ok(telemetry::keep(name, content)?)
    }

    fn kept(&self, name: &str, start: &str) -> Result<Vec<KeptAttempt>, Failure> {
        let mut all: Vec<KeptAttempt> = Vec::new();
        loop {
            let page = telemetry::kept(name, start, all.last().map(|last| last.task.as_str()))?;
            let is_last = !page.more || page.attempts.is_empty();
            all.extend(page.attempts.into_iter().map(attempt));
            if is_last {
                return Ok(all);
            }
        }
    }
}

#[cfg(any(feature = "task", feature = "project"))]
fn attempt(from: telemetry::KeptAttempt) -> KeptAttempt {
    KeptAttempt {
        task: from.task,
        attempt: from.attempt,
        ending: match from.ending {
            telemetry::Ending::Succeeded => Ending::Succeeded,
            telemetry::Ending::Failed => Ending::Failed,
            telemetry::Ending::Refused => Ending::Refused,
            telemetry::Ending::Cancelled => Ending::Cancelled,
        },
        code: from.code,
        message: from.message,
        started_at: from.started_at,
        ended_at: from.ended_at,
        content: from.content,
    }
}
