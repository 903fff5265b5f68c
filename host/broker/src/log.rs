//! The attempt's log: bounded, cleaned, and never a reason for a task to fail.

use std::{fs::File, io, io::Write as _};

use cofferdam_call::{KEPT_BYTES_MAX, KEPT_FILES_MAX, LOG_LINE_BYTES_MAX, LogLevel, Refusal, shorten};
use cofferdam_ids::Timestamp;

use crate::refusals;

/// Where an attempt's log goes.
pub trait LogSink: Send {
    /// Adds a line, given without its line break.
    fn line(&mut self, line: &str) -> io::Result<()>;
    /// Told how far the work is.
    fn progress(&mut self, _done: u64, _total: u64) {}
    /// Keeps a small file beside the log, in the place of one of the same name.
    fn keep(&mut self, _name: &str, _content: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// No more lines come.
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps nothing.
pub struct NoLog;

impl LogSink for NoLog {
    fn line(&mut self, _line: &str) -> io::Result<()> {
        Ok(())
    }
}

/// Lines of text in a file.
pub struct FileLog(File);

impl FileLog {
    /// Adds to a file. Every line is written at once, so that it can be followed.
    pub fn new(file: File) -> Self {
        Self(file)
    }
}

impl LogSink for FileLog {
    fn line(&mut self, line: &str) -> io::Result<()> {
        self.0.write_all(format!("{line}\n").as_bytes())
    }
}

/// A sink that takes at most so many bytes.
pub(crate) struct BoundedLog {
    sink: Box<dyn LogSink>,
    bytes_left: u64,
    pub(crate) kept: u64,
    pub(crate) dropped: u64,
    files: usize,
    file_bytes: usize,
}

impl BoundedLog {
    pub(crate) fn new(sink: Box<dyn LogSink>, bytes_max: u64) -> Self {
        Self { sink, bytes_left: bytes_max, kept: 0, dropped: 0, files: 0, file_bytes: 0 }
    }

    /// Adds a guest's line. A sink that fails counts as full: a log is no ledger.
    pub(crate) fn add(&mut self, time: Timestamp, level: LogLevel, message: &str) {
        let level = match level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        };
        let line = format!("{time} {level} {}", clean(&shorten(message, LOG_LINE_BYTES_MAX)));
        let bytes = line.len() as u64 + 1;
        if self.dropped > 0 || bytes > self.bytes_left || self.sink.line(&line).is_err() {
            self.dropped += 1;
            return;
        }
        self.bytes_left -= bytes;
        self.kept += 1;
    }

    pub(crate) fn progress(&mut self, done: u64, total: u64) {
        self.sink.progress(done, total);
    }

    /// Keeps a file beside the log, within the attempt's number and bytes.
    pub(crate) fn keep(&mut self, name: &str, content: &[u8]) -> Result<(), Refusal> {
        check_kept_name(name)?;
        if self.files >= KEPT_FILES_MAX {
            return Err(refusals::too_many("files kept beside its log", KEPT_FILES_MAX));
        }
        let bytes = self.file_bytes + content.len();
        if bytes > KEPT_BYTES_MAX {
            return Err(refusals::too_long("what is kept beside the log", bytes, KEPT_BYTES_MAX));
        }
        self.sink.keep(name, content).map_err(|_| refusals::not_kept())?;
        self.files += 1;
        self.file_bytes = bytes;
        Ok(())
    }

    /// Says how many lines are missing.
    pub(crate) fn end(&mut self, time: Timestamp) {
        if self.dropped > 0 {
            let line = format!("{time} warn {} more lines were dropped: the log is full", self.dropped);
            // Nothing is lost that is not counted elsewhere.
            let _ = self.sink.line(&line);
        }
        let _ = self.sink.end();
    }
}

/// Whether a file may be kept under a name.
pub(crate) fn check_kept_name(name: &str) -> Result<(), Refusal> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b);
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !starts || !name.bytes().all(plain) {
        return Err(refusals::bad_kept_name());
    }
    Ok(())
}

/// One line, without anything that could move a terminal's cursor.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.trim_end_matches(['\n', '\r']).chars() {
        match c {
            '\n' => clean.push_str(" ⏎ "),
            '\t' => clean.push(' '),
            '\r' => {}
            // What reorders text hides it from whoever reads the log.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => clean.push('\u{fffd}'),
            c if c.is_control() => clean.push('\u{fffd}'),
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    struct Memory(Arc<Mutex<Vec<String>>>);

    impl LogSink for Memory {
        fn line(&mut self, line: &str) -> io::Result<()> {
            self.0.lock().unwrap().push(line.to_owned());
            Ok(())
        }
    }

    #[test]
    fn lines_are_cleaned_and_counted_once_the_log_is_full() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let mut log = BoundedLog::new(Box::new(Memory(Arc::clone(&lines))), 100);
        let time = Timestamp::from_millis(0);
        log.add(time, LogLevel::Info, "two\nlines\u{1b}[2J\u{202e}");
        for _ in 0..5 {
            log.add(time, LogLevel::Warn, &"x".repeat(40));
        }
        log.add(time, LogLevel::Info, "short");
        log.end(time);
        assert_eq!(
            *lines.lock().unwrap(),
            [
                "1970-01-01T00:00:00Z info two ⏎ lines\u{fffd}[2J\u{fffd}",
                "1970-01-01T00:00:00Z warn 6 more lines were dropped: the log is full",
            ]
        );
        assert_eq!((log.kept, log.dropped), (1, 6));
    }
}
