//! `wasi:filesystem` with no directory in it: `std::fs` finds nothing and can open nothing.
//!
//! A guest reaches a file only through a descriptor, and descriptors come only from the list of
//! preopened directories, which is empty. The functions on descriptors exist so that a guest whose
//! tool chain mentions them can be linked; none can be called without a descriptor.

use wasmtime::{
    Result,
    component::{Linker, Resource, ResourceType},
};

use super::{io::drop_entry, versioned};
use crate::{
    room::Room,
    stopped::{Stopped, TRAPPED},
};

struct Descriptor;
struct DirectoryEntryStream;

const ON_DESCRIPTORS: &[&str] = &[
    "[method]descriptor.advise",
    "[method]descriptor.append-via-stream",
    "[method]descriptor.create-directory-at",
    "[method]descriptor.get-flags",
    "[method]descriptor.get-type",
    "[method]descriptor.is-same-object",
    "[method]descriptor.link-at",
    "[method]descriptor.metadata-hash",
    "[method]descriptor.metadata-hash-at",
    "[method]descriptor.open-at",
    "[method]descriptor.read",
    "[method]descriptor.read-directory",
    "[method]descriptor.read-via-stream",
    "[method]descriptor.readlink-at",
    "[method]descriptor.remove-directory-at",
    "[method]descriptor.rename-at",
    "[method]descriptor.set-size",
    "[method]descriptor.set-times",
    "[method]descriptor.set-times-at",
    "[method]descriptor.stat",
    "[method]descriptor.stat-at",
    "[method]descriptor.symlink-at",
    "[method]descriptor.sync",
    "[method]descriptor.sync-data",
    "[method]descriptor.unlink-file-at",
    "[method]descriptor.write",
    "[method]descriptor.write-via-stream",
    "[method]directory-entry-stream.read-directory-entry",
    // On an `error`, of which there is none either.
    "filesystem-error-code",
];

pub(super) fn link(linker: &mut Linker<Room>) -> Result<()> {
    linker
        .instance(&versioned("wasi:filesystem/preopens"))?
        .func_wrap("get-directories", |_, ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))?;
    let mut types = linker.instance(&versioned("wasi:filesystem/types"))?;
    types.resource("descriptor", ResourceType::host::<Descriptor>(), drop_entry::<Descriptor>)?;
    types.resource(
        "directory-entry-stream",
        ResourceType::host::<DirectoryEntryStream>(),
        drop_entry::<DirectoryEntryStream>,
    )?;
    for name in ON_DESCRIPTORS {
        types.func_new(name, move |_, _, _, _| {
            Err(Stopped::new(TRAPPED, format!("`{name}` was called without a file: there are none")).into())
        })?;
    }
    Ok(())
}
