//! DSSE envelopes and the statements they carry: sign and verify.
//!
//! In: bytes from anywhere, keys, the caller's clock. Out: statements that were verified, or one
//! coded refusal. Never: does IO, reads a clock, or parses before it has verified.
//! Fails: closed; every step of the order of verification has its own code.
//! Source: `docs/adr/0006-dsse-ed25519-and-a-pinned-root.md`, DSSE v1.0.2.

pub mod statement;
