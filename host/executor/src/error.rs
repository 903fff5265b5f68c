//! What can go wrong in an executor outside the guest, and what to do about it.
//!
//! In: causes from below. Out: [`ExecutorError`], each case with its code.
//! Never: words a guest or the scheduler chose; those are cut and cleaned where they come in.
//! Source: the `CD07xx` pages of `docs/errors/`.

use std::{io, path::PathBuf, time::Duration};

use cofferdam_ids::{ByteCount, Code, Explain, Fault, Sha256Digest};

/// What went wrong, outside the guest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutorError {
    /// A flag or variable is missing.
    #[error("`{flag}` is not set")]
    Missing {
        /// The flag, without dashes.
        flag: &'static str,
        /// Its environment variable.
        variable: &'static str,
    },
    /// A flag or variable does not hold what it must.
    #[error("`{flag}` cannot be used: {why}")]
    Setting {
        /// The flag.
        flag: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The data folder cannot be used.
    #[error("the data folder `{}` cannot be used: {why}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The executor's own key cannot be used.
    #[error("the executor's key `{}` cannot be used: {why}", path.display())]
    Key {
        /// Where it lies.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file of the operator cannot be read.
    #[error("{what} `{}` cannot be read", path.display())]
    Unreadable {
        /// What it is.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The journal cannot be read or written. Nothing is started without it.
    #[error("the journal cannot be kept: {0}")]
    Journal(String),
    /// A blob cannot be fetched.
    #[error("the blob {digest} cannot be fetched")]
    Fetch {
        /// Which, shortened.
        digest: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A blob is not what the release says.
    #[error("the blob {expected} is not what the release says: {why}")]
    Blob {
        /// The digest the release names.
        expected: Sha256Digest,
        /// What differs.
        why: String,
    },
    /// A component could not be compiled.
    #[error("the component {component} cannot be compiled: {why}")]
    Compile {
        /// Which, shortened.
        component: String,
        /// What the compile child said, cleaned.
        why: String,
    },
    /// A component took too long or gave too much.
    #[error("compiling the component {component} was stopped: {why}")]
    CompileLimit {
        /// Which, shortened.
        component: String,
        /// Which limit.
        why: String,
    },
    /// The dispatch ran out while its release was fetched and compiled.
    #[error("the dispatch ran out {0:?} before its release was ready")]
    ReadyTooLate(Duration),
    /// A component's imports or exports are not those of its world, or not those the release lists.
    #[error("the component {component} does not fit its world: {why}")]
    World {
        /// Which, shortened.
        component: String,
        /// What does not fit.
        why: String,
    },
    /// A runner did not start.
    #[error("a runner did not start: {0}")]
    RunnerStart(String),
    /// A runner died while the attempt ran on it.
    #[error("the runner died while the attempt ran: {0}")]
    RunnerDied(String),
    /// The runner had to be killed, because an attempt did not end when told to.
    #[error("the attempt did not end {0:?} after it was told to, so its runner was killed")]
    RunnerKilled(Duration),
    /// A file of the release is larger than an executor keeps.
    #[error("the release's files are {size} together; an executor keeps {limit}")]
    FilesTooLarge {
        /// All files together.
        size: ByteCount,
        /// The limit.
        limit: ByteCount,
    },
    /// A file given to `describe` cannot be used.
    #[error("the list of files on standard input cannot be used: {0}")]
    FileList(String),
    /// The executor is being stopped.
    #[error("the executor is being stopped")]
    Draining,
    /// An attempt's result could not be stored.
    #[error("the object store did not take `{path}`")]
    Objects {
        /// Which object.
        path: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something below explains itself.
    #[error(transparent)]
    Below(#[from] Below),
}

/// An error of another crate that brings its own code.
#[derive(Debug)]
pub struct Below(Box<dyn Explain + Send + Sync>);

impl Below {
    /// Takes it as it is.
    pub fn new(error: impl Explain + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

impl std::fmt::Display for Below {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Below {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl ExecutorError {
    /// Takes an error that brings its own code.
    pub fn below(error: impl Explain + Send + Sync + 'static) -> Self {
        Self::Below(Below::new(error))
    }

    /// Whether another attempt may fare better.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Journal(_)
                | Self::Fetch { .. }
                | Self::ReadyTooLate(_)
                | Self::RunnerStart(_)
                | Self::RunnerDied(_)
                | Self::Draining
                | Self::Objects { .. }
        )
    }
}

impl Explain for ExecutorError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Missing { .. } | Self::Setting { .. } => 700,
            Self::Folder { .. } => 701,
            Self::Key { .. } => 702,
            Self::Unreadable { .. } => 703,
            Self::Journal(_) => 704,
            Self::Fetch { .. } => 710,
            Self::Blob { .. } => 711,
            Self::Compile { .. } => 712,
            Self::CompileLimit { .. } => 713,
            Self::ReadyTooLate(_) => 714,
            Self::World { .. } => 715,
            Self::FilesTooLarge { .. } => 716,
            Self::RunnerStart(_) => 720,
            Self::RunnerDied(_) => 721,
            Self::RunnerKilled(_) => 722,
            Self::Draining => 730,
            Self::Objects { .. } => 740,
            Self::FileList(_) => 750,
            Self::Below(below) => return below.0.code(),
        })
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Missing { .. }
            | Self::Setting { .. }
            | Self::Folder { .. }
            | Self::Key { .. }
            | Self::Unreadable { .. }
            | Self::Draining => Fault::Operator,
            Self::Journal(_) | Self::Fetch { .. } | Self::Objects { .. } | Self::ReadyTooLate(_) => {
                Fault::Environment
            }
            Self::Blob { .. }
            | Self::Compile { .. }
            | Self::CompileLimit { .. }
            | Self::World { .. }
            | Self::FilesTooLarge { .. } => Fault::Publisher,
            Self::RunnerStart(_) | Self::RunnerDied(_) => Fault::Ours,
            Self::RunnerKilled(_) => Fault::Plugin,
            Self::FileList(_) => Fault::User,
            Self::Below(below) => below.0.fault(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Missing { flag, variable } => format!("pass `--{flag}` or set `{variable}`"),
            Self::Setting { flag, .. } => format!("correct `--{flag}` or its environment variable"),
            Self::Folder { .. } => {
                "name a folder that only the executor's user can enter, one for each executor".into()
            }
            Self::Key { .. } => {
                "restore the file from a backup, or move it away to enrol with a new key".into()
            }
            Self::Unreadable { path, .. } => {
                format!("check that `{}` exists and that the executor's user may read it", path.display())
            }
            Self::Journal(_) => {
                "make room on the disk and check its health; no task is started meanwhile".into()
            }
            Self::Fetch { .. } => {
                "check that the release was pushed whole, and the way to the scheduler".into()
            }
            Self::Blob { .. } => {
                "push the release again; if it comes back, find out who changed the blob".into()
            }
            Self::Compile { .. } | Self::World { .. } => {
                "look at the plugin with `cofferdam plugin inspect`, build it again and sign a new release"
                    .into()
            }
            Self::CompileLimit { .. } => "make the plugin smaller, or split it".into(),
            Self::ReadyTooLate(_) => "nothing; the next attempt finds the release ready".into(),
            Self::FilesTooLarge { .. } => "keep data files out of the release".into(),
            Self::RunnerStart(_) => "run `cofferdam-executor check` on this machine".into(),
            Self::RunnerDied(_) => "nothing; the attempt is repeated. Report it if it happens again".into(),
            Self::RunnerKilled(_) => "raise the task's wall-clock limit, or mend the plugin".into(),
            Self::Draining => "nothing; the attempt is repeated elsewhere".into(),
            Self::Objects { .. } => {
                "make room in the folder of `--objects`, or correct its permissions".into()
            }
            Self::FileList(_) => "give `{\"files\":[{\"path\":…,\"host_path\":…}]}`".into(),
            Self::Below(below) => below.0.fix(),
        }
    }
}

/// Makes foreign words fit to print: one line, no control characters, at most `max` bytes.
pub fn clean(text: &str, max: usize) -> String {
    let flat: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cofferdam_call::shorten(&flat, max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_happened_why_and_what_to_do() {
        let error = ExecutorError::Unreadable {
            what: "the trust root",
            path: "/etc/cofferdam/root.json".into(),
            source: io::Error::new(io::ErrorKind::NotFound, "no such file"),
        };
        insta::assert_snapshot!(cofferdam_ids::render(&error), @r"
        error[CD0703]: the trust root `/etc/cofferdam/root.json` cannot be read
          why: no such file
          fix: check that `/etc/cofferdam/root.json` exists and that the executor's user may read it
        ");
    }

    #[test]
    fn foreign_words_cannot_forge_lines() {
        assert_eq!(clean("a\nerror[CD0001]: b\u{1b}[2J", 100), "a error[CD0001]: b [2J");
        assert!(clean(&"é".repeat(100), 20).len() <= 20);
    }
}
