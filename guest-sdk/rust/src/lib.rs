//! What plugin authors import: traits, macros, typed errors, Arrow helpers, an in-memory host.
