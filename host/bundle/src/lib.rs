//! DSSE envelopes and the statements they carry: sign and verify.
//!
//! In: bytes from anywhere, keys, the caller's clock. Out: statements that were verified, or one
//! coded refusal. Never: does IO, reads a clock, or parses before it has verified.
//! Fails: closed, with [`Refused`]; every step of the order of verification has its own code.
//! Source: `docs/adr/0006-dsse-ed25519-and-a-pinned-root.md`, DSSE v1.0.2.
//!
//! The order of verification, for one dispatch: [`verify_dispatch`], [`verify_release`] (or
//! [`recheck_release`] for a release verified before), [`check_policy`], [`check_params`]. It all
//! stands on a root pinned by digest: [`pin_root`]. Later root versions, revocations and
//! submissions belong between pinning and the dispatch; this version knows root version 1 alone.
//!
//! ```
//! use cofferdam_bundle::{KeySet, SigningKey, open, sign, statement::Dispatch};
//! # use cofferdam_bundle::testing::Fixture;
//! # let dispatch = Fixture::new().dispatch();
//! let key = SigningKey::from_seed([7; 32]);
//! let envelope = sign(&dispatch, &[&key]);
//! let verified = open::<Dispatch>(&envelope, &KeySet::one(key.public()))?;
//! assert_eq!(verified.statement(), &dispatch);
//! # Ok::<(), cofferdam_bundle::Refused>(())
//! ```

mod dispatch;
mod envelope;
mod key;
mod limits;
mod params;
mod policy;
mod refused;
mod release;
mod root;
pub mod statement;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod validity;
mod version;

pub use dispatch::{DispatchContext, JournalView, OutstandingNonce, verify_dispatch};
pub use envelope::{Verified, open, pae, sign, unverified_body_sha256};
pub use key::{BadKey, KeySet, PublicKey, SigningKey};
pub use limits::*;
pub use params::{check_params, named_runs};
pub use policy::check_policy;
pub use refused::Refused;
pub use release::{ReleaseContext, recheck_release, verify_release};
pub use root::{PinnedRoot, pin_root};
pub use validity::ReleaseInvalid;
