//! The command line: projects, releases, keys, grants, ledger, plugins, runs.
