//! `cofferdam:capability/release-files`, lent to tasks and project loaders.

use cofferdam_call::{Call, FILE_READ_BYTES_MAX, Reply};
use wasmtime::Result;

use super::{
    convert::{self, mismatch},
    sql::check,
};
use crate::{
    bindings::{
        adapter::cofferdam::types::failures::Failure,
        task::cofferdam::capability::release_files::{FileInfo, Host},
    },
    room::Room,
};

/// Bytes of a path inside a release.
const PATH_BYTES_MAX: usize = 4 << 10;

impl Host for Room {
    fn list_files(&mut self, prefix: String) -> Result<Result<Vec<FileInfo>, Failure>> {
        check!(convert::bounded("the prefix", prefix.len(), PATH_BYTES_MAX));
        match self.call(Call::FileList { prefix }, &[])? {
            Ok((Reply::Files(files), _)) => {
                Ok(Ok(files.into_iter().map(|file| FileInfo { path: file.path, size: file.size }).collect()))
            }
            Ok(_) => Err(mismatch()),
            Err(refusal) => Ok(Err(convert::failure(refusal))),
        }
    }

    fn read(&mut self, path: String, offset: u64, length: u32) -> Result<Result<Vec<u8>, Failure>> {
        check!(convert::bounded("the path", path.len(), PATH_BYTES_MAX));
        let length = length.min(FILE_READ_BYTES_MAX);
        match self.call(Call::FileRead { path, offset, length }, &[])? {
            Ok((Reply::Bytes, bytes)) => Ok(Ok(bytes)),
            Ok(_) => Err(mismatch()),
            Err(refusal) => Ok(Err(convert::failure(refusal))),
        }
    }
}
