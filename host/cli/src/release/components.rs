//! Takes a plugin's component into a release: found, read, judged, kept by digest.
//!
//! In: an entry of `[plugins]`. Out: a [`PluginEntry`] and where its bytes lie.
//! Never: runs it, or takes one whose imports no world has. What was judged once by this program is
//! not read again: the judgement lies under the component's digest where no other user can write.
//! Fails: with `CD0011` where it is not there, `CD05xx` where it is not fit.
//! Source: `docs/guides/write-a-plugin.md`.

use std::path::{Path, PathBuf};

use cofferdam_bundle::statement::PluginEntry;
use cofferdam_ids::{PluginName, Sha256Digest};

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
    judged: &Path,
) -> Outcome<Taken> {
    let file = programs::plugin(project.root(), entry, plugins)?;
    let bytes = plugin::bytes(&file)?;
    let sha256 = Sha256Digest::of(&bytes);
    let judgement = judged.join(format!("{sha256}-{}.json", this_program()));
    let known = folder::read_json::<PluginEntry>(&judgement).ok().flatten();
    let known = known.filter(|known| known.sha256 == sha256 && known.size == bytes.len() as u64);
    let entry = match known {
        Some(known) => PluginEntry { name: name.clone(), ..known },
        None => {
            let (found, world) = plugin::judge(&file, &bytes)?;
            let (size, world, imports) = (found.bytes, world.full_name(), found.imports);
            let entry = PluginEntry { name: name.clone(), sha256, size, world, imports };
            // Where it cannot be kept it is judged again.
            let _ = folder::replace(&judgement, &folder::json_text(&entry), 0o600);
            entry
        }
    };
    let path = blobs.join(sha256.to_string());
    folder::keep_blob(&path, &bytes)?;
    Ok(Taken { entry, path })
}

/// Another build of this program may judge otherwise.
fn this_program() -> String {
    let found = std::env::current_exe().and_then(std::fs::metadata);
    let built = found.and_then(|found| Ok((found.len(), found.modified()?))).ok();
    Sha256Digest::of(format!("{} {built:?}", env!("CARGO_PKG_VERSION")).as_bytes()).short()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bytes: &[u8]) -> String {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("x.wasm"), bytes).unwrap();
        let name = PluginName::new("x").unwrap();
        let [blobs, judged] = ["blobs", "judged"].map(|folder| temp.path().join(folder));
        let taken = take_in(&Folder::at(temp.path()), &name, "x.wasm", None, &blobs, &judged);
        assert!(!judged.exists(), "a component that was refused is judged again");
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

    #[test]
    fn a_judgement_holds_for_the_bytes_it_was_made_of_alone() {
        let temp = tempfile::tempdir().unwrap();
        let bytes = wat::parse_str("(component)").unwrap();
        std::fs::write(temp.path().join("x.wasm"), &bytes).unwrap();
        let name = PluginName::new("x").unwrap();
        let [blobs, judged] = ["blobs", "judged"].map(|folder| temp.path().join(folder));
        let take = || take_in(&Folder::at(temp.path()), &name, "x.wasm", None, &blobs, &judged);
        let sha256 = Sha256Digest::of(&bytes);
        let place = judged.join(format!("{sha256}-{}.json", this_program()));
        let entry = |size: usize| PluginEntry {
            name: PluginName::new("other").unwrap(),
            sha256,
            size: size as u64,
            world: "cofferdam:worlds/task@0.1.0".to_owned(),
            imports: Vec::new(),
        };
        folder::replace(&place, &folder::json_text(&entry(bytes.len() + 1)), 0o600).unwrap();
        assert!(take().is_err(), "of other bytes");
        folder::replace(&place, b"{}", 0o600).unwrap();
        assert!(take().is_err(), "no judgement");
        folder::replace(&place, &folder::json_text(&entry(bytes.len())), 0o600).unwrap();
        let taken = take().map_err(|refused| refused.render()).unwrap();
        assert_eq!(taken.entry, PluginEntry { name: name.clone(), ..entry(bytes.len()) });
    }
}
