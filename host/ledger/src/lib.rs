//! The append-only, verifiable record of every call, decision and report.
