//! Whether a component is what the release says of it, before it is compiled.
//!
//! In: a sealed component and its entry in the release. Out: nothing, or why not.
//! Never: compiles or runs it.
//! Fails: with `CD0715`, or the code of the inspection where it is no fitting component at all.
//! Source: step 10 of the order of verification: imports ⊆ the world.

use std::collections::BTreeSet;

use cofferdam_bundle::statement::PluginEntry;
use cofferdam_inspect::{World, inspect};

use crate::{blobs::Blob, error::ExecutorError};

/// Checks the component's imports against its world and against the list that was signed.
pub fn check(component: &Blob, entry: &PluginEntry) -> Result<(), ExecutorError> {
    let misfit = |why: String| ExecutorError::World { component: entry.name.to_string(), why };
    let world: World = entry.world.parse().map_err(misfit)?;
    let bytes = component.read().map_err(|e| misfit(e.to_string()))?;
    let found = inspect(&bytes).map_err(ExecutorError::below)?;
    found.check(world).map_err(ExecutorError::below)?;
    let signed: BTreeSet<&String> = entry.imports.iter().collect();
    match found.imports.iter().find(|import| !signed.contains(import)) {
        Some(import) => Err(misfit(format!("it imports `{import}`, which the release does not list"))),
        None => Ok(()),
    }
}
