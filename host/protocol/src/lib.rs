//! What scheduler and executor say to each other, and the state machines on both sides.
