//! The documents that the loader writes and attempts read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::Path;

use cofferdam_project_dbt::document::{
    DOCUMENT_SETTING, Document, NODES_PATH, Reference, RelationParts, SHARED_SETTING, Shared,
};
use cofferdam_sdk::testing::MemoryHost;
use cofferdam_sdk::{Argument, Invocation};

/// One document of each resource type.
const EXAMPLES: [&str; 7] = ["model", "operation", "seed", "snapshot", "source", "test", "unit_test"];

fn example(name: &str) -> Vec<u8> {
    let path = format!("tests/documents/{name}.json");
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A release that holds the shared part and one node, and the invocation that names their ranges.
fn release(node: &[u8]) -> (MemoryHost, Invocation) {
    let shared = example("shared");
    let settings = vec![
        Argument::new(SHARED_SETTING, &(0, shared.len())).unwrap(),
        Argument::new(DOCUMENT_SETTING, &(shared.len(), node.len())).unwrap(),
    ];
    let host = MemoryHost::new().file(NODES_PATH, [&shared[..], node].concat());
    (host, Invocation { task: "model.shop.orders".into(), settings, ..Invocation::default() })
}

#[test]
fn every_kind_of_document_is_read_back_as_it_was_written() {
    let shared: Shared = serde_json::from_slice(&example("shared")).unwrap();
    for name in EXAMPLES {
        let (host, invocation) = release(&example(name));
        let read = Document::read(host.context().files, &invocation).unwrap();
        assert_eq!(read.node.resource_type(), name);
        assert_eq!(read.shared, shared);
        for inner in read.ephemerals.iter().chain(read.tested.as_deref()) {
            assert_eq!(inner.shared, shared);
        }
        let again: Document = serde_json::from_slice(&serde_json::to_vec(&read).unwrap()).unwrap();
        assert_eq!(serde_json::to_value(again).unwrap(), serde_json::to_value(&read).unwrap());
    }
}

#[test]
fn a_document_says_where_names_lead() {
    let model: Document = serde_json::from_slice(&example("model")).unwrap();
    assert!(model.reference(None, "recent", None).unwrap().ephemeral);
    let named = model.reference(None, "recent", None).unwrap();
    assert_eq!(model.reference(Some("shop"), "recent", None), Some(named));
    assert!(model.reference(Some("tools"), "recent", None).is_none());
    let model =
        Document { refs: vec![Reference { package: Some("shop".into()), ..named.clone() }], ..model.clone() };
    assert!(model.reference(None, "recent", None).is_none());
    assert_eq!(model.source("erp", "customers").unwrap().relation.dotted(), "raw.customers");
    let this = RelationParts {
        database: None,
        schema: "main".into(),
        identifier: "orders".into(),
        ..RelationParts::default()
    };
    assert_eq!(model.node.relation(), this);
    assert_eq!(model.node.setting("materialized").unwrap(), "incremental");
    assert_eq!(model.node.setting("full_refresh"), None);
}

#[test]
fn a_range_that_holds_something_else_is_refused_with_a_way_out() {
    let (host, mut invocation) = release(&example("model"));
    invocation.settings[1] = Argument::new(DOCUMENT_SETTING, &(3, 5)).unwrap();
    let why = Document::read(host.context().files, &invocation).unwrap_err();
    insta::assert_snapshot!(format!("{}: {}", why.code, why.message), @"CD0955: `model.shop.orders`: what the release holds for it cannot be read (EOF while parsing a string at line 1 column 5); build the release again with the plugins it runs with");
}
