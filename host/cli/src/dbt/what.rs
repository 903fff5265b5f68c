//! What each command does, and on which nodes.
//!
//! In: a command. Out: its word in artifacts, the types of its nodes, what they are told.
//! Never: does anything. Fails: not at all. Source: dbt's own behaviour.

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Build,
    Run,
    Test,
    Seed,
    Snapshot,
    Compile,
    Show,
    Freshness,
    Docs,
    Operation,
}

impl What {
    /// As dbt's artifacts name it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Run => "run",
            Self::Test => "test",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Compile => "compile",
            Self::Show => "show",
            Self::Freshness => "freshness",
            Self::Docs => "generate",
            Self::Operation => "run-operation",
        }
    }

    pub(super) fn read(word: &str) -> Option<Self> {
        [Self::Build, Self::Run, Self::Test, Self::Seed, Self::Snapshot, Self::Compile, Self::Docs]
            .into_iter()
            .find(|what| what.word() == word)
    }

    /// The types of nodes it works on.
    pub(super) fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Build => &["model", "seed", "snapshot", "test", "unit_test"],
            Self::Run => &["model"],
            Self::Test => &["test", "unit_test"],
            Self::Seed => &["seed"],
            Self::Snapshot => &["snapshot"],
            Self::Compile => &["model", "snapshot", "test", "analysis", "sql_operation"],
            Self::Show => &["model", "seed", "snapshot", "test", "analysis", "sql_operation"],
            Self::Freshness => &["source"],
            Self::Docs => &["model", "seed", "snapshot", "source"],
            Self::Operation => &["operation"],
        }
    }

    /// What its nodes are told, where that is another thing than their entry says.
    pub(super) fn told(self) -> Option<&'static str> {
        match self {
            Self::Compile => Some("compile"),
            Self::Show => Some("show"),
            Self::Docs => Some("catalog"),
            _ => None,
        }
    }

    /// The types of nodes it only counts: nothing is to be made of them here.
    pub(super) fn counted(self) -> &'static [&'static str] {
        if self == Self::Build { &["exposure", "saved_query"] } else { &[] }
    }

    pub(super) fn has_hooks(self) -> bool {
        matches!(self, Self::Build | Self::Run | Self::Test | Self::Seed | Self::Snapshot)
    }
}
