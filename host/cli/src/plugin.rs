//! `plugin inspect`: what a component is made for and what it asks the host for.
//!
//! In: a file. Out: text or JSON. Never: runs or compiles it.
//! Fails: with `CD05xx`, naming the file. Source: `docs/guides/write-a-plugin.md`.

use std::{fs, io::Read as _, path::Path};

use cofferdam_inspect::{COMPONENT_BYTES_MAX, Inspected, World, inspect as inspect_bytes};
use serde_json::json;

use crate::{
    failure::{Failure, Outcome},
    text::{self, Colour, Paint},
};

/// Reads and judges a component.
pub(crate) fn read(file: &Path) -> Outcome<(Vec<u8>, Inspected, World)> {
    let bytes = bytes(file)?;
    let (found, world) = judge(file, &bytes)?;
    Ok((bytes, found, world))
}

/// A component's bytes, as they are.
pub(crate) fn bytes(file: &Path) -> Outcome<Vec<u8>> {
    let fail = |e: std::io::Error| Failure::file("read", file, &e);
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to say that it is too large.
    let limit = u64::try_from(COMPONENT_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(file).map_err(fail)?.take(limit).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

/// Judges the bytes of a file.
pub(crate) fn judge(file: &Path, bytes: &[u8]) -> Outcome<(Inspected, World)> {
    let refused = |e: cofferdam_inspect::InspectRefused| {
        Failure::of(&e).why(format!("it was read from `{}`", file.display()))
    };
    let found = inspect_bytes(bytes).map_err(refused)?;
    let world = found.world().map_err(refused)?;
    Ok((found, world))
}

/// The component in people's words, or as JSON.
pub(crate) fn inspect(file: &Path, as_json: bool, paint: Paint) -> Outcome<String> {
    let (_, found, world) = read(file)?;
    if as_json {
        let value = json!({
            "sha256": found.sha256, "size": found.bytes, "world": world.full_name(),
            "imports": found.imports, "exports": found.exports,
        });
        return Ok(format!("{value}\n"));
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut out = format!("{}\n", paint.paint(Colour::Bold, text::tame(&name)));
    out.push_str(&found.describe());
    if !out.ends_with('\n') {
        out.push('\n');
    }
    Ok(out)
}
