//! Projects in dbt's format: parse, graph, render, run. Shared by loader and task.
