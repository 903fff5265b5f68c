//! Takes a plugin's component into a release: found, read, judged, kept by digest.
//!
//! In: an entry of `[plugins]`. Out: a [`PluginEntry`] and where its bytes lie.
//! Never: runs it, or takes one whose imports no world has.
//! Fails: with `CD0011` where it is not there, `CD05xx` where it is not fit.
//! Source: `docs/guides/write-a-plugin.md`.

use std::path::{Path, PathBuf};

use cofferdam_bundle::statement::PluginEntry;
use cofferdam_ids::PluginName;

use crate::{
    failure::Outcome,
    folder::{self, Folder},
    plugin, programs,
};

/// A component that was taken in.
pub(crate) struct Taken {
    pub(crate) entry: PluginEntry,
    pub(crate) path: PathBuf,
}

/// Takes in one plugin.
pub(crate) fn take_in(
    project: &Folder,
    name: &PluginName,
    entry: &str,
    plugins: Option<&Path>,
    blobs: &Path,
) -> Outcome<Taken> {
    let file = programs::plugin(project.root(), entry, plugins)?;
    let (bytes, found, world) = plugin::read(&file)?;
    let path = blobs.join(found.sha256.to_string());
    folder::keep_blob(&path, &bytes)?;
    let entry = PluginEntry {
        name: name.clone(),
        sha256: found.sha256,
        size: found.bytes,
        world: world.full_name(),
        imports: found.imports,
    };
    Ok(Taken { entry, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bytes: &[u8]) -> String {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("x.wasm"), bytes).unwrap();
        let name = PluginName::new("x").unwrap();
        let taken = take_in(&Folder::at(temp.path()), &name, "x.wasm", None, &temp.path().join("blobs"));
        assert!(!temp.path().join("blobs").exists(), "nothing of a refused component is kept");
        taken.err().unwrap().render().replace(&*temp.path().to_string_lossy(), "DIR")
    }

    #[test]
    fn a_file_that_is_no_component_is_refused() {
        insta::assert_snapshot!(take(b"not wasm"), @r"
        error[CD0501]: the file is not a WebAssembly component
          why: it was read from `DIR/x.wasm`
          fix: build it with `cargo build --target wasm32-wasip2`
        ");
        insta::assert_snapshot!(take(&wat::parse_str("(module)").unwrap()), @r"
        error[CD0502]: the file is a core WebAssembly module, not a component
          why: it was read from `DIR/x.wasm`
          fix: build for `wasm32-wasip2`, whose output is a component, not for `wasm32-wasip1`
        ");
    }

    #[test]
    fn a_component_that_asks_for_what_no_world_has_is_refused() {
        let text = r#"(component (import "evil:net/sockets@1.0.0" (instance)))"#;
        insta::assert_snapshot!(take(&wat::parse_str(text).unwrap()), @r"
        error[CD0508]: the component fits no world: it exports no interface
          why: it was read from `DIR/x.wasm`
          fix: implement the trait of the SDK and export it with its macro
        ");
    }
}
