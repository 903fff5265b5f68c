//! Grant files and the decision they make about a call.
