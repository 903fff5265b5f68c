//! Releases that were verified, parsed once and shared.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use cofferdam_bundle::statement::Release;
use cofferdam_ids::Sha256Digest;

use crate::limits::RELEASES_CACHED_MAX;

/// The releases used last.
#[derive(Clone, Default)]
pub(crate) struct ReleaseCache(Arc<Mutex<Entries>>);

/// The one used last comes first.
type Entries = VecDeque<(Sha256Digest, Arc<Release>)>;

impl ReleaseCache {
    pub(crate) fn get(&self, sha256: &Sha256Digest) -> Option<Arc<Release>> {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.iter().find(|(digest, _)| digest == sha256).map(|(_, release)| Arc::clone(release))
    }

    pub(crate) fn put(&self, sha256: Sha256Digest, release: Arc<Release>) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|(digest, _)| *digest != sha256);
        list.push_front((sha256, release));
        list.truncate(RELEASES_CACHED_MAX);
    }
}
