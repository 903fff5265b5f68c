//! Runs guests: engine, limits, linker, WIT to call, confinement.
mod bindings;
