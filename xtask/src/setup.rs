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

fn has_guest_target() -> Result<bool> {
    let sysroot = step::capture("rustc --print sysroot", Command::new("rustc").args(["--print", "sysroot"]))?;
    let lib = Path::new(sysroot.trim()).join("lib/rustlib").join(GUEST_TARGET).join("lib");
    if !lib.is_dir() {
        return Ok(false);
    }
    let entries = std::fs::read_dir(&lib).with_context(|| format!("cannot list {}", lib.display()))?;
    Ok(entries.flatten().any(|e| e.file_name().to_string_lossy().starts_with("libstd-")))
}
