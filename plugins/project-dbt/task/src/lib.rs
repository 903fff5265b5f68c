//! Runs one node of a project in dbt's format.
