//! The named limits of signed things.

use std::time::Duration;

use crate::statement::StatementKind;

/// Bytes of an envelope, a release's excepted.
pub const ENVELOPE_BYTES_MAX: usize = 1 << 20;
/// Bytes of a release's envelope.
pub const RELEASE_ENVELOPE_BYTES_MAX: usize = 16 << 20;
/// Signatures on one envelope.
pub const SIGNATURES_MAX: usize = 8;
/// Keys of one role.
pub const KEYS_PER_ROLE_MAX: usize = 8;
/// How long after its poll was sent a dispatch may arrive.
pub const POLL_AGE_MAX: Duration = Duration::from_secs(120);
/// How far a dispatch's `issued_at` may be from the executor's clock.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(60);
/// The latest `not_after` of a dispatch, counted from its `issued_at`.
pub const DISPATCH_LIFE_MAX: Duration = Duration::from_secs(600);
/// Seconds a lease may last.
pub const LEASE_TTL_S_MAX: u32 = 86_400;
/// Attempts of one task in one run, whatever a policy says.
pub const ATTEMPTS_MAX: u32 = 20;
/// Parameters of one task or dispatch.
pub const PARAMS_MAX: usize = 64;
/// Bytes of one parameter as JSON text.
pub const PARAM_BYTES_MAX: usize = 4 << 10;
/// Bytes of a `text` parameter whose schema names no `max`.
pub const PARAM_TEXT_BYTES_DEFAULT: usize = 256;
/// Plugins of one release.
pub const PLUGINS_MAX: usize = 64;
/// Bytes of one component.
pub const PLUGIN_BYTES_MAX: u64 = 32 << 20;
/// Files of one release.
pub const FILES_MAX: usize = 100_000;
/// Bytes of one file of a release.
pub const FILE_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a path inside a release.
pub const PATH_BYTES_MAX: usize = 1024;
/// Tasks of one release.
pub const TASKS_MAX: usize = 20_000;
/// Gateways of one release.
pub const GATEWAYS_MAX: usize = 64;
/// Jobs of one release.
pub const JOBS_MAX: usize = 1_000;
/// Entries of any short list inside a task or job: needs, tags, settings, requests, selectors.
pub const LIST_MAX: usize = 10_000;
/// Bytes of one setting as JSON text.
pub const SETTING_BYTES_MAX: usize = 1 << 20;
/// Windows of a schedule policy.
pub const WINDOWS_MAX: usize = 32;
/// Milliseconds a task may ask for: a day.
pub const WALL_MS_MAX: u64 = 86_400_000;
/// Bytes of guest memory a task may ask for.
pub const MEM_BYTES_MAX: u64 = 4 << 30;
/// Bytes of log a task may ask for.
pub const LOG_BYTES_MAX: u64 = 64 << 20;

/// Bytes an envelope of a kind may have.
pub const fn envelope_bytes_max(kind: StatementKind) -> usize {
    match kind {
        StatementKind::Release => RELEASE_ENVELOPE_BYTES_MAX,
        _ => ENVELOPE_BYTES_MAX,
    }
}
