//! Builds plugins and hostile guests as components into one folder.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::{setup, step};

/// The plugins that are shipped: package and the name releases use.
pub(crate) const PLUGINS: [(&str, &str); 7] = [
    ("cofferdam-adapter-mysql", "adapter-mysql"),
    ("cofferdam-adapter-postgres", "adapter-postgres"),
    ("cofferdam-adapter-sqlite", "adapter-sqlite"),
    ("cofferdam-project-dbt-loader", "project-dbt-loader"),
    ("cofferdam-task-dbt", "task-dbt"),
    ("cofferdam-task-conformance", "task-conformance"),
    ("cofferdam-task-sql", "task-sql"),
];

/// Guests that only tests run.
const TEST_GUESTS: [(&str, &str); 6] = [
    ("cofferdam-guest-bulk", "bulk"),
    ("cofferdam-guest-hostile-adapter", "hostile-adapter"),
    ("cofferdam-guest-hostile-network", "hostile-network"),
    ("cofferdam-guest-hostile-project", "hostile-project"),
    ("cofferdam-guest-hostile-task", "hostile-task"),
    ("cofferdam-guest-mutant-adapter", "mutant-adapter"),
];

/// Builds every guest, one cargo call each so that no feature of one reaches another. Gives the
/// folder that holds `<name>.wasm` for each.
pub(crate) fn build() -> Result<PathBuf> {
    setup::ensure()?;
    let out = step::target().join("guests");
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    for (package, name) in PLUGINS.iter().chain(&TEST_GUESTS) {
        let mut cargo = step::cargo();
        cargo.args([
            "build",
            "--quiet",
            "--profile",
            "guest",
            "--target",
            setup::GUEST_TARGET,
            "-p",
            package,
        ]);
        // One folder for all guests, apart from the host's, so that neither waits for the other.
        cargo.arg("--target-dir").arg(step::target().join("guest-build"));
        step::run(&format!("build {name}.wasm"), &mut cargo)?;
        let built = step::target()
            .join("guest-build")
            .join(setup::GUEST_TARGET)
            .join("guest")
            .join(format!("{}.wasm", package.replace('-', "_")));
        let to = out.join(format!("{name}.wasm"));
        std::fs::copy(&built, &to).with_context(|| format!("{} was not built", built.display()))?;
    }
    Ok(out)
}
