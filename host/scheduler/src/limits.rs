//! The named limits of the scheduler, those of the API and of bundles apart.

use std::time::Duration;

/// Connections at once; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 1_024;
/// How long the head of a request may take.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a TLS handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long any call but those with blobs may take, the body's coming and a long poll included.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long one blob may take, either way.
pub const BLOB_TIMEOUT: Duration = Duration::from_secs(300);
/// How long open calls may go on after a stop was asked for.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a token is good for.
pub const TOKEN_LIFE: Duration = Duration::from_secs(3_600);
/// Bytes of a token request.
pub const TOKEN_BODY_BYTES_MAX: usize = 4 << 10;
/// How long a refused token request is held before it is answered.
pub const TOKEN_REFUSAL_PAUSE: Duration = Duration::from_millis(250);
/// Refused token requests held at once; more are answered `429` at once.
pub const TOKEN_REFUSALS_HELD_MAX: usize = 64;
/// The lease term unless configured.
pub const LEASE_TERM_DEFAULT: Duration = Duration::from_secs(60);
/// How long a dispatch may be started after it was signed.
pub const DISPATCH_LIFE: Duration = Duration::from_secs(120);
/// Signatures that a call makes or checks without handing over to another thread.
pub const SIGNATURES_AT_ONCE_MAX: usize = 4;
/// Commands in one transaction.
pub const BATCH_MAX: usize = 512;
/// Commands that wait for the writer; more callers wait.
pub const COMMANDS_WAITING_MAX: usize = 4_096;
/// Connections that read.
pub const READERS_MAX: u32 = 4;
/// The longest time between two looks at leases and pauses.
pub const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// The least time between a change of a run and the answer of a watch, unless the run ends: what a
/// person cannot see.
pub const WATCH_PAUSE: Duration = Duration::from_millis(40);
/// That time for the largest runs.
pub const WATCH_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Entries of a list.
pub const LIST_MAX: u32 = 200;
/// Digests in one question.
pub const DIGESTS_MAX: usize = 20_000;
/// Executors in one list.
pub const EXECUTORS_MAX: u32 = 10_000;
/// Bytes of a name for people.
pub const NAME_BYTES_MAX: usize = 100;
/// Bytes of an idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 200;
/// Releases kept in memory, parsed.
pub const RELEASES_CACHED_MAX: usize = 16;
/// Starts of one executor that are remembered.
pub const BOOTS_MAX: u32 = 10_000;
