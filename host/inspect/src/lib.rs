//! A component's imports and exports, read without running it.
