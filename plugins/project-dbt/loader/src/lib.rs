//! Describes a project in dbt's format as a graph of tasks.
