//! Read-only files of a signed release.
