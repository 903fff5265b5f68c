//! The house rule, kept by a test: which crate may name which, who may know Wasmtime, and how
//! large a file may grow.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Lines no source file may pass.
const FILE_LINES_MAX: usize = 900;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec().unwrap()
}

/// The edges between our crates, as cargo sees them: normal dependencies only.
fn real_edges(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let ours: BTreeSet<String> = metadata.workspace_packages().iter().map(|p| p.name.to_string()).collect();
    let mut edges = BTreeMap::new();
    for package in metadata.workspace_packages() {
        let names = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal && ours.contains(d.name.as_str()))
            .map(|d| short(&d.name))
            .collect();
        edges.insert(short(&package.name), names);
    }
    edges
}

fn short(name: &str) -> String {
    name.strip_prefix("cofferdam-").unwrap_or(name).to_owned()
}

/// The table under "Edges" of ARCHITECTURE.md: `| crate | … | names, of ours |`.
fn written_edges() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table =
        text.split("<!-- edges -->").nth(1).expect("ARCHITECTURE.md has an edge table between its marks");
    let mut edges = BTreeMap::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let names = cells[cells.len() - 1];
        let names =
            names.split(',').map(|n| n.trim().trim_matches('`').to_owned()).filter(|n| n != "–").collect();
        edges.insert(cells[0].trim_matches('`').to_owned(), names);
    }
    edges
}

#[test]
fn the_edge_table_is_what_cargo_sees() {
    let real: BTreeMap<_, _> =
        real_edges(&metadata()).into_iter().filter(|(name, _)| name != "xtask" && name != "tests").collect();
    assert_eq!(written_edges(), real, "left: ARCHITECTURE.md, right: cargo metadata");
}

/// Everything a package is built from, through normal dependencies.
fn tree(metadata: &Metadata, of: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let name = |id: &PackageId| metadata[id].name.to_string();
    let start = metadata.workspace_packages().into_iter().find(|p| p.name == of).unwrap().id.clone();
    let mut seen = BTreeSet::new();
    let mut open = vec![start];
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let node = resolve.nodes.iter().find(|n| n.id == id).unwrap();
        for dependency in &node.deps {
            if dependency.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal) {
                open.push(dependency.pkg.clone());
            }
        }
    }
    seen.iter().map(name).collect()
}

#[test]
fn the_scheduler_holds_neither_wasmtime_nor_secrets_nor_the_door() {
    let tree = tree(&metadata(), "cofferdam-scheduler");
    for forbidden in
        ["wasmtime", "cofferdam-vault", "cofferdam-broker", "cofferdam-runner", "cofferdam-cap-sql"]
    {
        assert!(!tree.contains(forbidden), "the scheduler is built from {forbidden}");
    }
    assert!(tree.contains("cofferdam-protocol"), "the tree was read at all");
}

#[test]
fn the_command_line_holds_neither_wasmtime_nor_secrets() {
    let tree = tree(&metadata(), "cofferdam-cli");
    for forbidden in ["wasmtime", "cofferdam-vault", "cofferdam-broker", "cofferdam-runner"] {
        assert!(!tree.contains(forbidden), "the command line is built from {forbidden}");
    }
}

#[test]
fn only_the_runner_names_wasmtime_and_it_never_sees_a_secret() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let names_it =
            package.dependencies.iter().any(|d| d.name == "wasmtime" && d.kind == DependencyKind::Normal);
        assert_eq!(names_it, package.name == "cofferdam-runner", "{}", package.name);
    }
    let tree = tree(&metadata, "cofferdam-runner");
    for forbidden in ["cofferdam-vault", "cofferdam-broker", "cofferdam-ledger", "tokio", "hyper"] {
        assert!(!tree.contains(forbidden), "the runner is built from {forbidden}");
    }
}

#[test]
fn only_capabilities_and_the_broker_name_the_vault() {
    for (name, names) in real_edges(&metadata()) {
        if names.contains("vault") {
            let may = name == "broker" || name == "executor" || name.starts_with("cap-");
            assert!(may, "{name} names the vault");
        }
    }
}

#[test]
fn plugins_and_host_meet_only_at_the_contracts() {
    for (name, names) in real_edges(&metadata()) {
        let is_guest = ["sdk", "adapter-", "project-", "task-", "guest-"].iter().any(|p| name.starts_with(p));
        for other in names {
            let other_is_guest =
                ["sdk", "adapter-", "project-", "task-", "guest-"].iter().any(|p| other.starts_with(p));
            assert!(is_guest == other_is_guest || name == "tests", "{name} names {other}");
        }
    }
}

#[test]
fn wasmtime_is_built_with_the_features_we_chose_and_no_others() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().unwrap();
    let node = resolve.nodes.iter().find(|n| metadata[&n.id].name == "wasmtime").unwrap();
    let features: BTreeSet<String> = node.features.iter().map(ToString::to_string).collect();
    for forbidden in
        ["async", "component-model-async", "cache", "wat", "profiling", "default", "stack-switching"]
    {
        assert!(!features.contains(forbidden), "wasmtime is built with `{forbidden}`");
    }
    for needed in ["component-model", "cranelift", "pooling-allocator", "gc", "threads"] {
        assert!(features.contains(needed), "wasmtime is built without `{needed}`");
    }
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name.starts_with("target") || name == "node_modules" {
            continue;
        }
        if path.is_dir() {
            files(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

#[test]
fn no_source_file_is_too_long() {
    let mut sources = Vec::new();
    files(&root(), ".rs", &mut sources);
    assert!(sources.len() > 50, "the sources were found");
    for source in sources {
        let lines = fs::read_to_string(&source).unwrap().lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", source.display());
    }
}

#[test]
fn unsafe_code_stands_in_one_named_place() {
    let mut sources = Vec::new();
    for folder in ["host", "guest-sdk", "plugins", "xtask"] {
        files(&root().join(folder), ".rs", &mut sources);
    }
    let mark = ["unsafe", " {"].concat();
    let with: Vec<String> = sources
        .iter()
        .filter(|s| fs::read_to_string(s).unwrap().contains(&mark))
        .map(|s| s.strip_prefix(root()).unwrap().display().to_string())
        .collect();
    assert_eq!(with, ["host/runner/src/artifact.rs"]);
}

/// Every code that is written out in the sources has a page, and every page is of a code that
/// stands there: as `CD0412`, as `Code(412)`, or as a bare `412` in a crate's own list.
#[test]
fn every_error_code_has_its_page_and_every_page_its_code() {
    let mut sources = Vec::new();
    for folder in ["host", "guest-sdk", "plugins"] {
        files(&root().join(folder), ".rs", &mut sources);
    }
    let (mut written, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for source in &sources {
        let text = fs::read_to_string(source).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        written.extend(codes_in(code));
        numbers.extend(numbers_in(code));
    }
    let pages: BTreeSet<u16> = fs::read_dir(root().join("docs/errors"))
        .unwrap()
        .flatten()
        .filter_map(|e| e.file_name().to_string_lossy().strip_suffix(".md")?.strip_prefix("CD")?.parse().ok())
        .collect();
    assert!(pages.len() > 100, "the pages were found");
    let without_page: Vec<_> = written.difference(&pages).collect();
    assert!(without_page.is_empty(), "codes without a page: {without_page:?}");
    let without_code: Vec<_> =
        pages.iter().filter(|p| !written.contains(p) && !numbers.contains(p)).collect();
    assert!(without_code.is_empty(), "pages of codes nobody uses: {without_code:?}");
}

/// Codes as `Code(412)` and as `"CD0412"`.
fn codes_in(code: &str) -> BTreeSet<u16> {
    let mut found = BTreeSet::new();
    for piece in code.split("Code(").skip(1) {
        found.extend(piece.split(')').next().and_then(|n| n.parse::<u16>().ok()));
    }
    for piece in code.split("\"CD").skip(1) {
        found.extend(piece.split('"').next().filter(|n| n.len() == 4).and_then(|n| n.parse::<u16>().ok()));
    }
    found.remove(&0);
    found
}

/// Every whole number that stands in the text.
fn numbers_in(code: &str) -> BTreeSet<u16> {
    code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter_map(|word| word.parse().ok())
        .collect()
}
