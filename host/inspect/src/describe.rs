//! What a component may ask for, in an operator's words.

use std::fmt::Write as _;

use cofferdam_ids::ByteCount;

use crate::{component::Inspected, world::World};

impl Inspected {
    /// What `cofferdam plugin inspect` prints: what it is, what it may ask for, what it cannot.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        match self.world() {
            Ok(world) => {
                let _ = writeln!(text, "{} (world `{}`)", role(world), world.full_name());
            }
            Err(why) => {
                let _ = writeln!(text, "not usable: {why}");
            }
        }
        let _ = writeln!(
            text,
            "sha256:{}, {}, {} modules inside",
            self.sha256,
            ByteCount(self.bytes),
            self.modules
        );
        let asks: Vec<_> = self.imports.iter().filter_map(|i| ask(i)).collect();
        if asks.is_empty() {
            text.push_str("asks for nothing outside its sandbox\n");
        } else {
            text.push_str("may ask for, if a grant allows it:\n");
            for ask in asks {
                let _ = writeln!(text, "  - {ask}");
            }
        }
        let runtime = self.imports.iter().filter(|i| i.starts_with("wasi:") && is_quiet(i)).count();
        if runtime > 0 {
            let _ = writeln!(
                text,
                "for its language runtime: WASI interfaces ({runtime}), at most clocks, random numbers and \
                 streams; environment and file system are empty"
            );
        }
        let unknown = self.imports.iter().filter(|i| ask(i).is_none() && !is_quiet(i));
        for import in unknown {
            let _ = writeln!(text, "imports `{}`, which is not lent to plugins", import.escape_debug());
        }
        text.push_str("cannot reach: network, host files, environment, other processes, credentials\n");
        text
    }
}

fn role(world: World) -> &'static str {
    match world {
        World::Adapter => "an adapter: speaks a warehouse's dialect for tasks",
        World::Task => "a task: does the work of a release's tasks",
        World::Project => "a project loader: turns files into tasks when a release is built",
    }
}

/// What an import of ours means, where it lends something.
fn ask(import: &str) -> Option<&'static str> {
    Some(match import.split('@').next()? {
        "cofferdam:capability/sql" => "SQL sessions on gateways",
        "cofferdam:capability/release-files" => "files of the release, to read",
        "cofferdam:capability/telemetry" => "a log and progress, kept by the customer",
        "cofferdam:warehouse/warehouse" => "a gateway's warehouse, by way of its adapter",
        _ => return None,
    })
}

/// Imports that lend nothing: runtime support and shapes of values.
fn is_quiet(import: &str) -> bool {
    let name = import.split('@').next().unwrap_or(import);
    crate::world::WASI.contains(&name) || name == "cofferdam:task/task"
}
