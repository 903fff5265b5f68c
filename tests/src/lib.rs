//! What only the whole house can prove: journeys, hostile guests, refusals, architecture.
//!
//! The tests are under `tests/tests/`; this library holds what they share.
