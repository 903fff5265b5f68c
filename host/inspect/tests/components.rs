//! Components: what is read of them, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use cofferdam_ids::{Explain as _, render};
use cofferdam_inspect::{COMPONENT_BYTES_MAX, InspectRefused, Inspected, World, inspect};

/// A component with empty instances as imports and exports.
fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
    let mut text = String::from("(component\n");
    for (i, import) in imports.iter().enumerate() {
        text.push_str(&format!("(import \"{import}\" (instance $i{i}))\n"));
    }
    text.push_str("(instance $own)\n");
    for export in exports {
        text.push_str(&format!("(export \"{export}\" (instance $own))\n"));
    }
    text.push(')');
    wat::parse_str(&text).unwrap()
}

fn task() -> Vec<u8> {
    component(
        &[
            "cofferdam:types/failures@0.1.0",
            "cofferdam:warehouse/warehouse@0.1.0",
            "cofferdam:capability/release-files@0.1.0",
            "cofferdam:capability/telemetry@0.1.0",
            "wasi:cli/environment@0.2.6",
            "wasi:io/streams@0.2.6",
            "wasi:filesystem/preopens@0.2.6",
        ],
        &["cofferdam:task/task@0.1.0"],
    )
}

fn read(bytes: &[u8]) -> Inspected {
    inspect(bytes).unwrap()
}

fn code(refused: &InspectRefused) -> u16 {
    refused.code().0
}

#[test]
fn a_component_fits_the_world_it_exports() {
    assert_eq!(read(&task()).world(), Ok(World::Task));
    let adapter = component(&["cofferdam:capability/sql@0.1.0"], &["cofferdam:warehouse/warehouse@0.1.0"]);
    assert_eq!(read(&adapter).world(), Ok(World::Adapter));
    let project = component(&["cofferdam:task/task@0.1.0"], &["cofferdam:task/project@0.1.0"]);
    assert_eq!(read(&project).world(), Ok(World::Project));
}

#[test]
fn a_world_lends_only_what_is_its_own() {
    for (imports, exports) in [
        (&["cofferdam:capability/sql@0.1.0"], "cofferdam:task/task@0.1.0"),
        (&["cofferdam:warehouse/warehouse@0.1.0"], "cofferdam:task/project@0.1.0"),
        (&["cofferdam:capability/release-files@0.1.0"], "cofferdam:warehouse/warehouse@0.1.0"),
        (&["wasi:sockets/tcp@0.2.6"], "cofferdam:task/task@0.1.0"),
        (&["wasi:http/outgoing-handler@0.2.6"], "cofferdam:task/task@0.1.0"),
        (&["wasi:clocks/timezone@0.2.6"], "cofferdam:task/task@0.1.0"),
        (&["wasi:io/streams@0.3.0"], "cofferdam:task/task@0.1.0"),
        (&["wasi:io/streams"], "cofferdam:task/task@0.1.0"),
        (&["cofferdam:capability/telemetry@0.2.0"], "cofferdam:task/task@0.1.0"),
        (&["wasi:cli/environment-x@0.2.6"], "cofferdam:task/task@0.1.0"),
    ] {
        let refused = read(&component(imports, &[exports])).world().unwrap_err();
        assert_eq!(code(&refused), 506, "{imports:?}");
    }
}

#[test]
fn an_unknown_import_is_named_with_the_nearest() {
    let bytes = component(&["cofferdam:capability/telemetri@0.1.0"], &["cofferdam:task/task@0.1.0"]);
    insta::assert_snapshot!(render(&read(&bytes).world().unwrap_err()), @r"
    error[CD0506]: the component imports `cofferdam:capability/telemetri@0.1.0`, which is not lent to plugins; the nearest that is: `cofferdam:capability/telemetry@0.1.0`
      fix: take out whatever needs it; a plugin reaches the outside through its world alone
    ");
}

#[test]
fn a_missing_or_foreign_export_is_refused() {
    assert_eq!(code(&read(&component(&[], &[])).world().unwrap_err()), 508);
    assert_eq!(code(&read(&component(&[], &["a:b/c@0.1.0"])).world().unwrap_err()), 508);
    assert_eq!(code(&read(&component(&[], &["cofferdam:task/task@0.2.0"])).world().unwrap_err()), 507);
    assert_eq!(code(&read(&task()).check(World::Adapter).unwrap_err()), 506);
}

#[test]
fn a_bare_function_as_import_is_refused() {
    let bytes = wat::parse_str("(component (import \"f\" (func)))").unwrap();
    assert_eq!(code(&inspect(&bytes).unwrap_err()), 506);
}

#[test]
fn imports_of_a_component_inside_are_not_its_own() {
    let bytes =
        wat::parse_str("(component (component (import \"wasi:sockets/tcp@0.2.6\" (instance))))").unwrap();
    assert_eq!((read(&bytes).imports.len(), read(&bytes).modules), (0, 1));
}

#[test]
fn what_is_no_component_is_refused_by_kind() {
    assert_eq!(code(&inspect(b"").unwrap_err()), 501);
    assert_eq!(code(&inspect(b"#!/bin/sh").unwrap_err()), 501);
    assert_eq!(code(&inspect(&wat::parse_str("(module)").unwrap()).unwrap_err()), 502);
    let mut cut = task();
    cut.truncate(cut.len() - 3);
    assert_eq!(code(&inspect(&cut).unwrap_err()), 503);
    assert_eq!(code(&inspect(&vec![0; COMPONENT_BYTES_MAX + 1]).unwrap_err()), 504);
    let many = format!("(component {})", "(core module)".repeat(51));
    assert_eq!(code(&inspect(&wat::parse_str(&many).unwrap()).unwrap_err()), 505);
}

#[test]
fn code_that_does_not_validate_or_needs_a_feature_that_is_off_is_refused() {
    for body in [
        "(core module (memory i64 1))",
        "(core module (memory 1 1 shared))",
        "(core module (memory 1) (memory 1))",
        "(core module (tag))",
        "(core module (func (result i32) return_call 0))",
        "(core module (type (struct)))",
        "(core module (func (result i32) i64.const 0))",
    ] {
        let bytes = wat::parse_str(format!("(component {body})")).unwrap();
        assert_eq!(code(&inspect(&bytes).unwrap_err()), 503, "{body}");
    }
    let plain = "(core module (memory 1) (func (result i32) i32.const 0 i32.extend8_s) (func (result i32 i32) i32.const 0 i32.const 1))";
    assert!(inspect(&wat::parse_str(format!("(component {plain})")).unwrap()).is_ok());
}

#[test]
fn a_task_is_described_in_an_operators_words() {
    let text = read(&task()).describe();
    let lines: Vec<_> = text.lines().filter(|l| !l.starts_with("sha256:")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    a task: does the work of a release's tasks (world `cofferdam:worlds/task@0.1.0`)
    may ask for, if a grant allows it:
      - files of the release, to read
      - a log and progress, kept by the customer
      - a gateway's warehouse, by way of its adapter
    for its language runtime: WASI interfaces (3), at most clocks, random numbers and streams; environment and file system are empty
    cannot reach: network, host files, environment, other processes, credentials
    ");
}

#[test]
fn a_component_that_wants_too_much_is_described_so() {
    let text = read(&component(&["wasi:sockets/tcp@0.2.6"], &["cofferdam:task/task@0.1.0"])).describe();
    let lines: Vec<_> = text.lines().filter(|l| !l.starts_with("sha256:")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    not usable: the component imports `wasi:sockets/tcp@0.2.6`, which is not lent to plugins
    asks for nothing outside its sandbox
    imports `wasi:sockets/tcp@0.2.6`, which is not lent to plugins
    cannot reach: network, host files, environment, other processes, credentials
    ");
}

proptest::proptest! {
    #[test]
    fn any_bytes_give_a_component_or_a_refusal(bytes: Vec<u8>) {
        let _ = inspect(&bytes);
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        component.extend(bytes);
        let _ = inspect(&component);
    }

    #[test]
    fn a_changed_component_gives_a_component_or_a_refusal(at: proptest::sample::Index, to: u8) {
        let mut bytes = task();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(inspected) = inspect(&bytes) {
            let _ = inspected.describe();
        }
    }
}
