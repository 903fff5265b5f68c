//! The broker process: polls, verifies, admits, runs, reports.
