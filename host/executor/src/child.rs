//! A short-lived child of this program: bytes in, bytes out, with a time and a size limit.
//!
//! In: an open file as standard input. Out: what the child wrote.
//! Never: gives the child an environment variable, or waits for it longer than said.
//! Fails: with [`ChildFailure`]; the child is dead by then.
//! Source: `docs/adr/0003-threads-not-fibers.md`.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::error::clean;

/// Bytes kept of what a child writes to its standard error.
const STDERR_BYTES_MAX: u64 = 16 << 10;

/// Why a child gave nothing.
#[derive(Debug)]
pub enum ChildFailure {
    /// It did not start or its pipes broke.
    Io(io::Error),
    /// It ran longer than allowed and was killed.
    TooLong(Duration),
    /// It wrote more than allowed and was killed.
    TooMuch(u64),
    /// It ended with a failure; what it wrote last, cleaned.
    Failed {
        /// Its exit code, if it was not killed by a signal.
        code: Option<i32>,
        /// What it wrote to its standard error, cleaned.
        words: String,
        /// The same, as it was.
        raw: Vec<u8>,
    },
}

impl From<io::Error> for ChildFailure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Runs `program role` with an empty environment and gives what it wrote to standard output.
pub fn run(
    program: &Path,
    role: &str,
    input: File,
    output_bytes_max: u64,
    time_max: Duration,
) -> Result<Vec<u8>, ChildFailure> {
    let mut child = Command::new(program)
        .arg(role)
        .env_clear()
        .stdin(Stdio::from(input))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let answer = collect(&mut child, output_bytes_max, time_max);
    // Whatever happened: nothing of the child is left behind.
    let _ = child.kill();
    let status = child.wait()?;
    let (output, words) = answer?;
    if status.success() {
        return Ok(output);
    }
    let text = clean(&String::from_utf8_lossy(&words), 1024);
    Err(ChildFailure::Failed { code: status.code(), words: text, raw: words })
}

type Answer = (Vec<u8>, Vec<u8>);

fn collect(child: &mut Child, bytes_max: u64, time_max: Duration) -> Result<Answer, ChildFailure> {
    let gone = || io::Error::other("a pipe is missing");
    let stdout = child.stdout.take().ok_or_else(gone)?;
    let stderr = child.stderr.take().ok_or_else(gone)?;
    let words = thread::Builder::new().name("child-stderr".into()).spawn(move || {
        let mut words = Vec::new();
        let _ = stderr.take(STDERR_BYTES_MAX).read_to_end(&mut words);
        words
    })?;
    let (done, output) = mpsc::sync_channel(1);
    thread::Builder::new().name("child-stdout".into()).spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(bytes_max + 1).read_to_end(&mut bytes);
        let _ = done.send(read.map(|_| bytes));
    })?;
    let bytes = match output.recv_timeout(time_max) {
        Ok(bytes) => bytes?,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            return Err(ChildFailure::TooLong(time_max));
        }
    };
    if bytes.len() as u64 > bytes_max {
        return Err(ChildFailure::TooMuch(bytes_max));
    }
    wait(child, Duration::from_secs(5))?;
    Ok((bytes, words.join().unwrap_or_default()))
}

/// Waits for a child that has closed its output.
fn wait(child: &mut Child, time_max: Duration) -> Result<(), ChildFailure> {
    let until = std::time::Instant::now() + time_max;
    while child.try_wait()?.is_none() {
        if std::time::Instant::now() > until {
            return Err(ChildFailure::TooLong(time_max));
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn null() -> File {
        File::open("/dev/null").unwrap()
    }

    #[test]
    fn a_child_gets_no_environment_and_its_output_is_taken() {
        // `env` prints its environment: nothing.
        let out = run(Path::new("/usr/bin/env"), "-0", null(), 1000, Duration::from_secs(10)).unwrap();
        assert_eq!(out, b"");
    }

    #[test]
    fn a_child_that_takes_too_long_or_gives_too_much_is_killed() {
        let slow = run(Path::new("/bin/sleep"), "30", null(), 1000, Duration::from_millis(50));
        assert!(matches!(slow, Err(ChildFailure::TooLong(_))), "{slow:?}");
        let much = run(Path::new("/usr/bin/yes"), "y", null(), 1000, Duration::from_secs(10));
        assert!(matches!(much, Err(ChildFailure::TooMuch(1000))), "{much:?}");
    }

    #[test]
    fn a_child_that_fails_says_why_on_one_line() {
        let failed = run(Path::new("/bin/cat"), "/no/such", null(), 1000, Duration::from_secs(10));
        let Err(ChildFailure::Failed { code: Some(1), words, .. }) = failed else { panic!("{failed:?}") };
        assert!(words.contains("/no/such") && !words.contains('\n'), "{words}");
    }
}
