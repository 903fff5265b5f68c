//! The three worlds, and whether a component keeps to one.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::{component::Inspected, refused::InspectRefused};

/// A world of `cofferdam:worlds`: the short list of everything a plugin could ever ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// Speaks one warehouse's dialect.
    Adapter,
    /// Does one piece of work.
    Task,
    /// Turns a project's files into a graph.
    Project,
}

/// WASI interfaces any plugin may import. Language runtimes ask for them; the file system and the
/// environment behind them are empty, and there is no network.
pub(crate) const WASI: [&str; 22] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "cofferdam:types/data",
    "cofferdam:types/failures",
];

/// The version of our packages.
const VERSION: &str = "0.1.0";

impl World {
    /// All, in the order they are tried.
    pub const ALL: [Self; 3] = [Self::Adapter, Self::Task, Self::Project];

    /// Its bare name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adapter => "adapter",
            Self::Task => "task",
            Self::Project => "project",
        }
    }

    /// As releases write it, e.g. `cofferdam:worlds/task@0.1.0`.
    pub fn full_name(self) -> String {
        format!("cofferdam:worlds/{}@{VERSION}", self.name())
    }

    /// The interface it must export.
    pub const fn export(self) -> &'static str {
        match self {
            Self::Adapter => "cofferdam:warehouse/warehouse",
            Self::Task => "cofferdam:task/task",
            Self::Project => "cofferdam:task/project",
        }
    }

    /// The interfaces of ours it may import.
    pub(crate) const fn imports(self) -> &'static [&'static str] {
        match self {
            Self::Adapter => &["cofferdam:capability/sql", "cofferdam:capability/telemetry"],
            Self::Task => &[
                "cofferdam:capability/release-files",
                "cofferdam:capability/telemetry",
                "cofferdam:warehouse/warehouse",
            ],
            // `cofferdam:task/task` lends a loader the shape of an argument, no function.
            Self::Project => &[
                "cofferdam:capability/release-files",
                "cofferdam:capability/telemetry",
                "cofferdam:task/task",
            ],
        }
    }

    fn allows(self, import: &str) -> bool {
        let Some((name, version)) = import.split_once('@') else { return false };
        let ours = name.starts_with("cofferdam:");
        let fitting = if ours { version == VERSION } else { is_wasi_0_2(version) };
        fitting && (WASI.contains(&name) || self.imports().contains(&name))
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for World {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|w| text == w.name() || text == w.full_name());
        found.ok_or_else(|| "a world is `adapter`, `task` or `project`".to_owned())
    }
}

impl Inspected {
    /// Whether it keeps to a world: every import is of it, and its export is there.
    pub fn check(&self, world: World) -> Result<(), InspectRefused> {
        if let Some(import) = self.imports.iter().find(|i| !world.allows(i)) {
            return Err(InspectRefused::UnknownImport {
                name: import.clone(),
                nearest: nearest(world, import),
            });
        }
        let export = format!("{}@{VERSION}", world.export());
        if !self.exports.contains(&export) {
            return Err(InspectRefused::MissingExport { world, export });
        }
        Ok(())
    }

    /// The world it fits, found by its export and then checked.
    pub fn world(&self) -> Result<World, InspectRefused> {
        let exports = |w: &World| self.exports.iter().any(|e| e.split('@').next() == Some(w.export()));
        match World::ALL.into_iter().find(exports) {
            Some(world) => self.check(world).map(|()| world),
            None => Err(InspectRefused::NoWorld { exports: self.exports.clone() }),
        }
    }
}

fn is_wasi_0_2(version: &str) -> bool {
    let patch = version.strip_prefix("0.2.");
    patch.is_some_and(|p| !p.is_empty() && p.len() <= 4 && p.bytes().all(|b| b.is_ascii_digit()))
}

/// The allowed import nearest to another, where one is near.
fn nearest(world: World, import: &str) -> Option<String> {
    let name = import.split('@').next().unwrap_or(import);
    if name.len() > 200 {
        return None;
    }
    WASI.iter()
        .chain(world.imports())
        .map(|known| (strsim::jaro_winkler(name, known), *known))
        .filter(|(score, _)| *score >= 0.9)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| {
            let version = if known.starts_with("cofferdam:") { VERSION } else { "0.2.x" };
            format!("{known}@{version}")
        })
}
