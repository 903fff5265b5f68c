//! Makes the tool chain ready. Cheap when it already is.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::step;

/// What plugins are built for.
pub(crate) const GUEST_TARGET: &str = "wasm32-wasip2";

/// `cargo xtask setup`.
pub(crate) fn run() -> Result<()> {
    ensure()?;
    println!("ready: {GUEST_TARGET} is installed");
    // Only tests need these; where they cannot be installed everything else is ready all the same.
    match ensure_servers() {
        Ok(()) => println!("ready: the servers tests start are installed"),
        Err(problem) => println!("not ready for tests: {problem:#}"),
    }
    Ok(())
}

/// Makes sure guests can be built: by rustup, or else from the distribution's packages.
pub(crate) fn ensure() -> Result<()> {
    if has_guest_target()? {
        return Ok(());
    }
    println!("==> {GUEST_TARGET}: asking rustup");
    let by_rustup = Command::new("rustup").args(["target", "add", GUEST_TARGET]).status();
    if by_rustup.is_ok_and(|status| status.success()) && has_guest_target()? {
        return Ok(());
    }
    println!("    rustup cannot; building it from the distribution's packages instead");
    let script = step::root().join("xtask/scripts/wasm32-wasip2-from-debian.sh");
    step::run("install wasm32-wasip2 from packages", Command::new("bash").arg(script))?;
    if has_guest_target()? {
        return Ok(());
    }
    bail!("{GUEST_TARGET} is still missing; run `rustup target add {GUEST_TARGET}` and try again")
}

/// Makes sure tests can start PostgreSQL and MariaDB.
pub(crate) fn ensure_servers() -> Result<()> {
    let missing = missing_servers();
    if missing.is_empty() {
        return Ok(());
    }
    println!("==> {}: not on this machine", missing.join(", "));
    let script = step::root().join("xtask/scripts/servers-from-debian.sh");
    step::run("install servers from packages", Command::new("bash").arg(script))?;
    let missing = missing_servers();
    if !missing.is_empty() {
        bail!("{} still missing; install PostgreSQL and MariaDB, and try again", missing.join(", "));
    }
    Ok(())
}

/// The programs tests need that are not on this machine.
fn missing_servers() -> Vec<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    // Debian keeps PostgreSQL's programs out of the path, in a folder per version.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    let needed = ["postgres", "initdb", "psql", "mariadbd", "mariadb-install-db", "mariadb"];
    needed.into_iter().filter(|name| !folders.iter().any(|folder| folder.join(name).is_file())).collect()
}

fn has_guest_target() -> Result<bool> {
    let sysroot = step::capture("rustc --print sysroot", Command::new("rustc").args(["--print", "sysroot"]))?;
    let lib = Path::new(sysroot.trim()).join("lib/rustlib").join(GUEST_TARGET).join("lib");
    if !lib.is_dir() {
        return Ok(false);
    }
    let entries = std::fs::read_dir(&lib).with_context(|| format!("cannot list {}", lib.display()))?;
    Ok(entries.flatten().any(|e| e.file_name().to_string_lossy().starts_with("libstd-")))
}
