//! The one door: decide, record, perform, record.
