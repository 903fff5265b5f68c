//! What one store holds on the host's side, and what the stores of one attempt share.
//!
//! In: the attempt's plan. Out: calls through the door, log lines, resource tables.
//! Never: decides; it counts, cuts and passes on.
//! Fails: with [`Stopped`] when the attempt must end.
//! Source: `docs/adr/0003-threads-not-fibers.md`.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use cofferdam_call::{Call, LOG_LINE_BYTES_MAX, LogLevel, Refusal, Reply, shorten};
use wasmtime::component::ResourceTable;

use crate::{
    door::{Answer, Door},
    host::Warehouses,
    limits::{Meter, Term},
    stopped::{LANE_BROKEN, Stopped},
    text::clean_line,
    wasi::LineBuffer,
};

/// A door both stores of an attempt use, one after the other.
pub(crate) type SharedDoor = Rc<RefCell<dyn Door>>;

/// Bytes kept of what guests last wrote to standard error.
const LAST_WORDS_BYTES_MAX: usize = 512;

/// What all stores of one attempt share.
pub(crate) struct Attempt {
    door: SharedDoor,
    pub(crate) term: Term,
    /// Whether telemetry was granted; without it no line leaves.
    telemetry: bool,
    log_bytes_left: Cell<u64>,
    log_lines_dropped: Cell<u64>,
    calls: Cell<u64>,
    last_words: RefCell<String>,
    lane_broken: Cell<bool>,
}

impl Attempt {
    pub(crate) fn new(door: SharedDoor, term: Term, telemetry: bool, log_bytes: u64) -> Rc<Self> {
        Rc::new(Self {
            door,
            term,
            telemetry,
            log_bytes_left: Cell::new(log_bytes),
            log_lines_dropped: Cell::new(0),
            calls: Cell::new(0),
            last_words: RefCell::default(),
            lane_broken: Cell::new(false),
        })
    }

    /// One use of a capability. The outer error ends the attempt, the inner one is the guest's.
    pub(crate) fn call(
        &self,
        call: Call,
        payload: &[u8],
    ) -> Result<Result<(Reply, Vec<u8>), Refusal>, Stopped> {
        self.term.check()?;
        self.calls.set(self.calls.get() + 1);
        match self.door.borrow_mut().call(call, payload) {
            Ok(Answer::Reply(reply, bytes)) => Ok(Ok((reply, bytes))),
            Ok(Answer::Refused(refusal)) => Ok(Err(refusal)),
            Err(error) => {
                self.lane_broken.set(true);
                Err(Stopped::new(LANE_BROKEN, format!("the lane to the broker broke: {error}")))
            }
        }
    }

    /// Adds a guest's line to the log, within the attempt's bytes.
    pub(crate) fn log(&self, level: LogLevel, line: &str) -> Result<(), Stopped> {
        if !self.telemetry {
            return Ok(());
        }
        let message = shorten(&clean_line(line), LOG_LINE_BYTES_MAX);
        let Some(left) = self.log_bytes_left.get().checked_sub(message.len().max(1) as u64) else {
            self.log_lines_dropped.set(self.log_lines_dropped.get() + 1);
            // A flood costs the guest its time: nothing is sent, but the term is looked at.
            return self.term.check();
        };
        self.log_bytes_left.set(left);
        self.call(Call::Log { level, message }, &[]).map(drop)
    }

    /// Says how many lines were not kept, once, at the end.
    pub(crate) fn close_log(&self) {
        let dropped = self.log_lines_dropped.replace(0);
        if dropped > 0 && !self.lane_broken.get() {
            let message = format!("{dropped} more lines were not kept: the attempt's log is full");
            let sent = self.door.borrow_mut().call(Call::Log { level: LogLevel::Warn, message }, &[]);
            self.lane_broken.set(sent.is_err());
        }
    }

    /// Remembers a line of standard error, for the message of a trap.
    pub(crate) fn remember(&self, line: &str) {
        let mut words = self.last_words.borrow_mut();
        if !words.is_empty() {
            words.push('\n');
        }
        words.push_str(&shorten(line, LAST_WORDS_BYTES_MAX));
        if words.len() > LAST_WORDS_BYTES_MAX {
            let from = words.len() - LAST_WORDS_BYTES_MAX;
            let from = (from..).find(|at| words.is_char_boundary(*at)).unwrap_or(words.len());
            words.drain(..from);
        }
    }

    pub(crate) fn last_words(&self) -> String {
        self.last_words.borrow().clone()
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.get()
    }
}

/// One store's side of the host.
pub(crate) struct Room {
    pub(crate) table: ResourceTable,
    pub(crate) meter: Meter,
    pub(crate) attempt: Rc<Attempt>,
    pub(crate) stdout: LineBuffer,
    pub(crate) stderr: LineBuffer,
    /// Bytes of frames that lie ready for the guest.
    pub(crate) bytes_ahead: usize,
    /// In a task's store: the way to its adapters. None in an adapter's.
    pub(crate) warehouses: Option<Warehouses>,
}

impl Room {
    pub(crate) fn new(meter: Meter, attempt: Rc<Attempt>, warehouses: Option<Warehouses>) -> Self {
        Self {
            table: ResourceTable::new(),
            meter,
            attempt,
            stdout: LineBuffer::default(),
            stderr: LineBuffer::default(),
            bytes_ahead: 0,
            warehouses,
        }
    }

    /// See [`Attempt::call`].
    pub(crate) fn call(
        &self,
        call: Call,
        payload: &[u8],
    ) -> Result<Result<(Reply, Vec<u8>), Refusal>, Stopped> {
        self.attempt.call(call, payload)
    }

    /// Sends what stands in the line buffers without a line feed.
    pub(crate) fn flush(&mut self) -> Result<(), Stopped> {
        for (line, level) in [(self.stdout.rest(), LogLevel::Info), (self.stderr.rest(), LogLevel::Warn)] {
            if let Some(line) = line {
                if level == LogLevel::Warn {
                    self.attempt.remember(&line);
                }
                self.attempt.log(level, &line)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{sync::Arc, time::Duration};

    use cofferdam_call::FrameError;

    use super::*;
    use crate::limits::{Budget, Memory};

    /// A door that keeps what went through it and says `Done`.
    #[derive(Default)]
    pub(crate) struct Recorder(pub(crate) Vec<Call>);

    impl Door for Recorder {
        fn call(&mut self, call: Call, _payload: &[u8]) -> Result<Answer, FrameError> {
            self.0.push(call);
            Ok(Answer::Reply(Reply::Done, Vec::new()))
        }
    }

    pub(crate) fn attempt(door: SharedDoor, log_bytes: u64) -> Rc<Attempt> {
        Attempt::new(door, Term::new(Arc::default(), 1, Duration::from_secs(60)), true, log_bytes)
    }

    impl Room {
        pub(crate) fn for_tests() -> Self {
            let door = Rc::new(RefCell::new(Recorder::default()));
            Self::new(Meter::new(Memory::new(1 << 30, Budget::new(1 << 30))), attempt(door, 1 << 20), None)
        }
    }

    #[test]
    fn lines_past_the_log_limit_are_counted_not_kept() {
        let door = Rc::new(RefCell::new(Recorder::default()));
        let attempt = attempt(door.clone(), 10);
        for _ in 0..5 {
            attempt.log(LogLevel::Info, "abcd").unwrap();
        }
        attempt.close_log();
        let lines: Vec<_> = door.borrow().0.iter().map(|call| format!("{call:?}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        Log { level: Info, message: "abcd" }
        Log { level: Info, message: "abcd" }
        Log { level: Warn, message: "3 more lines were not kept: the attempt's log is full" }
        "#);
    }

    #[test]
    fn only_the_end_of_the_last_words_is_kept() {
        let attempt = attempt(Rc::new(RefCell::new(Recorder::default())), 10);
        for n in 0..1_000 {
            attempt.remember(&format!("ä line {n}"));
        }
        let words = attempt.last_words();
        assert!(words.len() <= 512 && words.ends_with("ä line 999"), "{words}");
    }
}
