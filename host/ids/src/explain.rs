//! How an error a person can see explains itself: a code, whose it is to mend, why, and what to do.

use std::{error::Error, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A stable error code, `CD` and four digits; `docs/errors/CD0042.md` tells the longer story.
///
/// The hundreds say where: 00 command line and files, 01 trust, 02 grants, 03 SQL, 04 sandbox,
/// 05 components, 06 scheduler, 07 executor, 08 ledger, 09 projects and tasks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CD{:04}", self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl std::str::FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits =
            text.strip_prefix("CD").filter(|d| d.len() == 4 && d.bytes().all(|b| b.is_ascii_digit()));
        let number = digits.and_then(|d| d.parse().ok());
        number.map(Self).ok_or_else(|| "a code is `CD` and four digits".to_owned())
    }
}

/// Whose it is to mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Whoever typed the command.
    User,
    /// Whoever runs the executor and writes its grants.
    Operator,
    /// Whoever wrote or signed the release.
    Publisher,
    /// The guest code.
    Plugin,
    /// The warehouse or the network.
    Environment,
    /// Cofferdam itself.
    Ours,
}

/// What every error a person can see can say of itself.
pub trait Explain: Error {
    /// Its stable code.
    fn code(&self) -> Code;
    /// Whose it is to mend.
    fn fault(&self) -> Fault;
    /// What to do about it, one sentence without a full stop.
    fn fix(&self) -> String;
}

/// The error as people read it: what happened, why (the chain of causes), what to do.
pub fn render(error: &dyn Explain) -> String {
    let mut text = format!("error[{}]: {error}", error.code());
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!("\n  why: {cause}"));
        source = cause.source();
    }
    text.push_str(&format!("\n  fix: {}", error.fix()));
    text
}
