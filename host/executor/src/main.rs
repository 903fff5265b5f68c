//! The `cofferdam-executor` binary.

fn main() {}
