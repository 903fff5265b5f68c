//! `release push`: hands a signed release to the scheduler.
//!
//! In: a release on this machine. Out: its trust root, the blobs the scheduler lacks, and its
//! envelope, in this order, so that a scheduler never lists a release it cannot serve.
//! Never: sends what is not part of the release.
//! Fails: with the client's codes; a push may be repeated at any time.
//! Source: `docs/guides/command-line.md`.

use std::{collections::BTreeSet, fs};

use cofferdam_client::Client;
use cofferdam_ids::{ByteCount, Sha256Digest, Timestamp};
use cofferdam_protocol::api::{Digests, ReleaseView};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    failure::{Failure, NO_RELEASE, Outcome},
    folder::Folder,
    keys, text,
};

use super::store::{self, Local};

/// Digests asked about in one call.
const DIGESTS_MAX: usize = 20_000;

/// What a push did.
#[derive(Debug)]
pub struct Pushed {
    /// What the scheduler says of the release.
    pub release: ReleaseView,
    /// Blobs sent.
    pub sent: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Pushed {
    /// One line for people.
    pub fn line(&self) -> String {
        let sent = match self.sent {
            0 => "the scheduler had every blob".to_owned(),
            n => format!("{} sent ({})", text::count(n, "blob"), ByteCount(self.bytes)),
        };
        format!("pushed release {} as sha256:{}: {sent}", self.release.release_seq, self.release.sha256)
    }
}

/// Pushes a signed release.
pub async fn push(client: &Client, folder: &Folder, local: &Local, now: Timestamp) -> Outcome<Pushed> {
    let (envelope, verified) = store::signed(folder, local, now)?;
    let (root, _) = keys::root(folder, now)?;
    client.push_project(root).await.map_err(|e| Failure::of(&e))?;
    let release = verified.statement();
    let digests: BTreeSet<Sha256Digest> =
        release.files.iter().map(|f| f.sha256).chain(release.plugins.iter().map(|p| p.sha256)).collect();
    let digests: Vec<Sha256Digest> = digests.into_iter().collect();
    let mut missing = Vec::new();
    for part in digests.chunks(DIGESTS_MAX) {
        let ask = Digests { digests: part.to_vec() };
        missing.extend(client.missing_blobs(&ask).await.map_err(|e| Failure::of(&e))?.digests);
    }
    let bar = ProgressBar::new(missing.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("  sending blobs {bar:30} {pos}/{len}") {
        bar.set_style(style);
    }
    let mut bytes = 0;
    for digest in &missing {
        let blob = blob(folder, *digest)?;
        bytes += blob.len() as u64;
        client.put_blob(digest, blob).await.map_err(|e| Failure::of(&e))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let view = client.push_release(envelope).await.map_err(|e| Failure::of(&e))?;
    Ok(Pushed { release: view, sent: missing.len() as u64, bytes })
}

fn blob(folder: &Folder, digest: Sha256Digest) -> Outcome<Vec<u8>> {
    let file = store::blobs(folder).join(digest.to_string());
    let bytes = fs::read(&file).map_err(|e| Failure::file("read", &file, &e))?;
    if Sha256Digest::of(&bytes) != digest {
        let what = format!("the blob `{}` is not what was signed", folder.shown(&file));
        return Err(Failure::new(NO_RELEASE, what, "delete that file, build the release again and sign it"));
    }
    Ok(bytes)
}
