//! A typed HTTP client of the scheduler's API.
