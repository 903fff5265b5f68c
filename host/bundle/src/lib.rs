//! DSSE envelopes and the statements they carry: sign and verify.
