//! `cargo xtask test`: everything that must hold, in the order in which it fails fastest.

use anyhow::Result;

use crate::{guests, setup, step};

/// Runs the checks and all tests.
pub(crate) fn run(quick: bool) -> Result<()> {
    if !quick {
        step::run("formatting", step::cargo().args(["fmt", "--all", "--check"]))?;
    }
    setup::ensure_servers()?;
    // Much of building a guest keeps one core busy; the lints fill the other.
    let guests = std::thread::scope(|scope| {
        let guests = scope.spawn(guests::build);
        let lints = if quick { Ok(()) } else { lints() };
        let guests = guests.join().map_err(|_| anyhow::anyhow!("building guests: the step panicked"))?;
        lints.and(guests)
    })?;
    // The journeys start the real programs. Building the tests builds them too, with the same
    // features, so that nothing is built twice.
    step::run(
        "build programs and tests",
        step::cargo().args(["test", "--quiet", "--workspace", "--no-run"]),
    )?;
    let mut tests = step::cargo();
    tests.args(["test", "--workspace", "--no-fail-fast"]);
    tests.env("COFFERDAM_GUESTS", &guests).env("COFFERDAM_BIN", step::target().join("debug"));
    // What the command line keeps for a person lies under `target/` too.
    tests.env("XDG_CACHE_HOME", step::target().join("cache"));
    step::run("tests", &mut tests)?;
    if !quick {
        licences()?;
    }
    Ok(())
}

/// Clippy and rustdoc, warnings as errors.
fn lints() -> Result<()> {
    let mut clippy = step::cargo();
    clippy.args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    step::run("lints", &mut clippy)?;
    let mut doc = step::cargo();
    doc.args(["doc", "--quiet", "--workspace", "--no-deps", "--lib", "--bins"]);
    step::run("documentation", doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// cargo-deny's licence, source and ban checks; advisories too where their database is reached.
fn licences() -> Result<()> {
    let tools = step::target().join("tools");
    let deny = tools.join("bin/cargo-deny");
    if !deny.exists() {
        let mut install = step::cargo();
        install.args([
            "install",
            "--quiet",
            "--locked",
            "--no-default-features",
            // Building it is what takes time, not running it.
            "--debug",
            "cargo-deny",
            "--version",
            DENY,
        ]);
        install.arg("--root").arg(&tools);
        step::run("install cargo-deny", &mut install)?;
    }
    let check = |what: &[&str]| {
        let mut command = std::process::Command::new(&deny);
        command.current_dir(step::root()).args(["--log-level", "error", "check", "--hide-inclusion-graph"]);
        command.args(what);
        command
    };
    step::run("licences, sources, bans", &mut check(&["licenses", "sources", "bans"]))?;
    let advisories = check(&["advisories"]).output()?;
    let told = String::from_utf8_lossy(&advisories.stderr);
    if advisories.status.success() {
        println!("    advisories: none");
    } else if told.contains("failed to fetch") || told.contains("unable to") || told.contains("database") {
        println!("    advisories: the database cannot be reached from here; not checked");
    } else {
        anyhow::bail!("advisories:\n{told}");
    }
    Ok(())
}

/// The cargo-deny that was tried.
const DENY: &str = "0.20.2";
