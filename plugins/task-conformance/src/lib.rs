//! Checks of an adapter.
