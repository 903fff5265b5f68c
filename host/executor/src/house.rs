//! What every part of one executor shares.

use std::sync::Arc;

use cofferdam_broker::GatewayKeeper;
use cofferdam_bundle::PinnedRoot;
use cofferdam_call::Confinement;
use cofferdam_ids::{BootId, Code};
use cofferdam_ledger::{Alarm, Event, Ledger};

use crate::{
    artifacts::Artifacts, attempts::Attempts, blobs::BlobStore, clock::WallClock, config::Config,
    folder::OwnKey, health::Health, objects::Objects, runners::RunnerPool, scheduler::Scheduler,
};

/// This program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What every part of one executor shares.
pub struct House {
    /// Settings.
    pub config: Config,
    /// Who it is.
    pub own: OwnKey,
    /// This start.
    pub boot: BootId,
    /// Its version.
    pub version: &'static str,
    /// Whom it believes.
    pub root: PinnedRoot,
    /// What time it is.
    pub clock: WallClock,
    /// Where everything is recorded.
    pub ledger: Arc<Ledger>,
    /// Whom it works for.
    pub scheduler: Arc<dyn Scheduler>,
    /// Its warehouses.
    pub gateways: Arc<GatewayKeeper>,
    /// Blobs on disk.
    pub blobs: BlobStore,
    /// Compiled components.
    pub artifacts: Artifacts,
    /// Runner processes.
    pub runners: RunnerPool,
    /// What is held and runs.
    pub attempts: Arc<Attempts>,
    /// Results and logs.
    pub objects: Objects,
    /// How it is.
    pub health: Health,
    /// What the kernel gives runners.
    pub confinement: Confinement,
}

impl House {
    /// Records what should never be seen. A ledger that cannot be written stops attempts anyway.
    pub fn alarm(&self, code: Code, reason: String) {
        tracing::error!(%code, "{reason}");
        let _ = self.ledger.record(&Event::Alarm(Alarm { code, reason }));
    }
}
