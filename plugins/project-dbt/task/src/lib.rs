//! Runs one node of a project in dbt's format: world `task`.
//!
//! In: the settings the loader wrote, the node's own file, a warehouse. Out: rows and one line.
//! Never: describes a project.
//! Fails: with the node's name, file and line.
//! Source: `cofferdam-project-dbt`; `docs/adr/0005-loader-and-task-are-two-components.md`.

cofferdam_sdk::export_task!(cofferdam_project_dbt::DbtTask);
