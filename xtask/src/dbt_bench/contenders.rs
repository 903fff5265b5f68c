//! Who is measured, and what each is told to do for a figure.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use super::{
    Figure,
    measure::{self, Cost, Look},
};
use crate::{
    dbt::{Target, ours::Ours, peers::Peer},
    processes::Process,
};

/// Who runs a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contender {
    /// Cofferdam, its scheduler and executors up.
    Ours,
    /// Cofferdam with nothing running: the command starts all and ends it.
    Alone,
    /// dbt 2.x, in Rust.
    Second,
    /// dbt-core, in Python.
    Core,
}

impl Contender {
    /// What pages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "Cofferdam",
            Self::Alone => "Cofferdam, nothing up",
            Self::Second => Peer::Second.name(),
            Self::Core => Peer::Core.name(),
        }
    }
}

/// A contender with a copy of the project.
pub(crate) enum Runs {
    /// Cofferdam and where its output goes; up or not.
    Ours(Ours, PathBuf, bool),
    /// A peer, its project and where it keeps what it makes.
    Peer(Peer, PathBuf, PathBuf),
}

impl Runs {
    /// Cofferdam on a copy of the project.
    pub(crate) fn ours(
        place: &Path,
        guests: &Path,
        build: &'static str,
        target: &Target,
        up: bool,
    ) -> Result<Self> {
        let name = if up { "ours" } else { "alone" };
        let mut ours = Ours::place(&place.join("project"), &place.join(name), guests, build, target)?;
        if up {
            ours.up(target.threads)?;
        }
        Ok(Self::Ours(ours, place.join(format!("{name}.log")), up))
    }

    /// A peer on the project itself.
    pub(crate) fn peer(peer: Peer, place: &Path, target: &Target) -> Result<Self> {
        let state = place.join(match peer {
            Peer::Core => "core",
            Peer::Second => "second",
        });
        fs::create_dir_all(&state)?;
        fs::write(state.join("profiles.yml"), target.profile("bench"))?;
        Ok(Self::Peer(peer, place.join("project"), state))
    }

    /// Who it is.
    pub(crate) fn contender(&self) -> Contender {
        match self {
            Self::Ours(_, _, true) => Contender::Ours,
            Self::Ours(_, _, false) => Contender::Alone,
            Self::Peer(Peer::Second, ..) => Contender::Second,
            Self::Peer(Peer::Core, ..) => Contender::Core,
        }
    }

    /// Forgets what it kept of the project.
    pub(crate) fn forget(&self) -> Result<()> {
        let kept = match self {
            Self::Ours(ours, ..) => ours.target(),
            Self::Peer(_, _, state) => state.join("target"),
        };
        if kept.exists() {
            fs::remove_dir_all(&kept)?;
        }
        if let Self::Ours(ours, ..) = self {
            ours.forget()?;
        }
        Ok(())
    }

    /// Does what a figure measures.
    pub(crate) fn run(&self, figure: Figure, look: Look) -> Result<Cost> {
        let words: &[&str] = match figure {
            Figure::ParseCold | Figure::ParseWarm => &["parse"],
            Figure::Seed => &["seed"],
            Figure::Build => &["build"],
            Figure::Again => &["run"],
        };
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let standing = || -> Vec<Process> {
            match self {
                Self::Ours(ours, ..) => ours.processes(),
                Self::Peer(..) => Vec::new(),
            }
        };
        measure::cost(look, &standing, || {
            let good = match self {
                Self::Ours(ours, log, _) => ours.dbt(&words, log)?,
                Self::Peer(peer, project, state) => peer.run(project, state, &words, "log.txt")?,
            };
            if !good {
                bail!("{}: {} left nodes that are not good", self.contender().name(), words.join(" "));
            }
            Ok(())
        })
    }
}
