//! The `cofferdam-scheduler` binary.

fn main() {}
