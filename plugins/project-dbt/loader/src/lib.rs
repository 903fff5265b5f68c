//! Describes a project in dbt's format as a graph of tasks: world `project`.
//!
//! In: the files of a release that is being built. Out: its tasks, or every problem.
//! Never: opens a warehouse; the world has none.
//! Fails: with the list of problems.
//! Source: `cofferdam-project-dbt`; `docs/adr/0005-loader-and-task-are-two-components.md`.

cofferdam_sdk::export_project!(cofferdam_project_dbt::DbtProject);
