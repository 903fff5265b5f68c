//! What went wrong, as the person at the terminal reads it.
//!
//! In: an error of any crate, or our own words. Out: a [`Failure`] with code, why and fix.
//! Never: prints; `main` renders it once.
//! Fails: not at all.
//! Source: `docs/errors/`.

use std::{error::Error, fmt};

pub(crate) use cofferdam_ids::Code;
use cofferdam_ids::{Explain, Fault, render};

/// The command line was not understood.
pub const USAGE: Code = Code(1);
/// There is no project here.
pub const NO_PROJECT: Code = Code(2);
/// `cofferdam.toml` cannot be read.
pub const CONFIG: Code = Code(3);
/// A file cannot be read or written.
pub const FILE: Code = Code(4);
/// A key is missing or cannot be used.
pub const KEY: Code = Code(5);
/// Another program of Cofferdam is missing or does not start.
pub const PROGRAM: Code = Code(6);
/// Cofferdam is up in this folder already.
pub const ALREADY_UP: Code = Code(7);
/// What `up` started has ended.
pub const CHILD_ENDED: Code = Code(8);
/// The project's files have problems.
pub const PROBLEMS: Code = Code(9);
/// A file may not be part of a release.
pub const RELEASE_FILE: Code = Code(10);
/// A plugin cannot be found.
pub const NO_PLUGIN: Code = Code(11);
/// The task graph does not hold together.
pub const GRAPH: Code = Code(12);
/// There is no such release on this machine.
pub const NO_RELEASE: Code = Code(13);
/// No scheduler is known.
pub const NO_SCHEDULER: Code = Code(14);
/// There is no such log.
pub const NO_LOG: Code = Code(15);
/// There is no ledger there.
pub const NO_LEDGER: Code = Code(16);
/// The loader could not describe the project.
pub const DESCRIBE: Code = Code(17);

/// The number of a release is taken.
pub const TAKEN: Code = Code(18);
/// A parameter cannot be read.
pub const PARAMETER: Code = Code(19);
/// A file a loader made has no place in the release.
pub const GENERATED: Code = Code(20);

/// One link of the chain of causes.
#[derive(Debug)]
struct Cause {
    text: String,
    source: Option<Box<Cause>>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|cause| cause as _)
    }
}

/// What went wrong.
#[derive(Debug)]
pub struct Failure {
    code: Code,
    fault: Fault,
    what: String,
    cause: Option<Box<Cause>>,
    fix: String,
    before: String,
}

/// The result of everything that can fail in front of a person.
pub type Outcome<T> = Result<T, Box<Failure>>;

impl Failure {
    /// A failure in our own words.
    pub fn new(code: Code, what: impl Into<String>, fix: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            code,
            fault: fault_of(code),
            what: what.into(),
            cause: None,
            fix: fix.into(),
            before: String::new(),
        })
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The same with the error underneath.
    #[must_use]
    pub fn because(mut self: Box<Self>, cause: &dyn Error) -> Box<Self> {
        self.cause = Some(chain(cause));
        self
    }

    /// The same with one sentence on why.
    #[must_use]
    pub fn why(mut self: Box<Self>, why: impl Into<String>) -> Box<Self> {
        self.cause = Some(Box::new(Cause { text: why.into(), source: None }));
        self
    }

    /// The same with lines that go before it: problems in files, the last words of a child.
    #[must_use]
    pub fn after(mut self: Box<Self>, before: impl Into<String>) -> Box<Self> {
        self.before = before.into();
        self
    }

    /// An error of another crate that explains itself.
    pub fn of(error: &dyn Explain) -> Box<Self> {
        Box::new(Self {
            code: error.code(),
            fault: error.fault(),
            what: error.to_string(),
            cause: error.source().map(chain),
            fix: error.fix(),
            before: String::new(),
        })
    }

    /// A file that cannot be read or written.
    pub fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Box<Self> {
        let fix = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path",
            std::io::ErrorKind::PermissionDenied => "check who owns the file and its permissions",
            _ => "check the disk and try again",
        };
        Self::new(FILE, format!("cannot {doing} `{}`", path.display()), fix).because(error)
    }

    /// 2 where the command or a file it reads has to change, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        let usage = [USAGE, NO_PROJECT, CONFIG, NO_PLUGIN, GRAPH, NO_SCHEDULER, TAKEN, PARAMETER, ALREADY_UP];
        if usage.contains(&self.code) { 2 } else { 1 }
    }

    /// All of it, as printed.
    pub fn render(&self) -> String {
        let mut text = self.before.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&render(self));
        text
    }
}

fn fault_of(code: Code) -> Fault {
    match code {
        FILE | PROGRAM | CHILD_ENDED => Fault::Environment,
        PROBLEMS | RELEASE_FILE | GRAPH | DESCRIBE => Fault::Publisher,
        _ => Fault::User,
    }
}

fn chain(error: &dyn Error) -> Box<Cause> {
    Box::new(Cause { text: error.to_string(), source: error.source().map(chain) })
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl Explain for Failure {
    fn code(&self) -> Code {
        self.code
    }

    fn fault(&self) -> Fault {
        self.fault
    }

    fn fix(&self) -> String {
        self.fix.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let error = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "permission denied");
        let failure = Failure::file("write", std::path::Path::new("a/b"), &error);
        insta::assert_snapshot!(failure.render(), @r"
        error[CD0004]: cannot write `a/b`
          why: permission denied
          fix: check who owns the file and its permissions
        ");
        assert_eq!(failure.exit_code(), 1);
    }

    #[test]
    fn a_wrong_command_ends_with_2_and_a_failed_one_with_1() {
        assert_eq!(Failure::new(USAGE, "x", "y").exit_code(), 2);
        assert_eq!(Failure::new(CHILD_ENDED, "x", "y").exit_code(), 1);
    }
}
