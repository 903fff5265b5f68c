//! The contracts in `wit/`: every item documented, every world's imports as the guide lists them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::path::{Path, PathBuf};

use wit_parser::{Resolve, TypeDefKind, WorldItem, WorldKey};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn resolve() -> Resolve {
    let mut resolve = Resolve::default();
    for package in ["types", "capability", "warehouse", "task", "worlds"] {
        resolve.push_dir(root().join("wit").join(package)).unwrap();
    }
    resolve
}

#[test]
fn every_item_of_every_contract_is_documented() {
    let resolve = resolve();
    let mut bare = Vec::new();
    let mut seen = 0;
    let mut check = |what: String, docs: &wit_parser::Docs| {
        seen += 1;
        if docs.contents.as_deref().unwrap_or_default().trim().is_empty() {
            bare.push(what);
        }
    };
    for (_, package) in &resolve.packages {
        check(package.name.to_string(), &package.docs);
    }
    for (_, interface) in &resolve.interfaces {
        let name = interface.name.clone().unwrap_or_default();
        check(name.clone(), &interface.docs);
        for (function, item) in &interface.functions {
            check(format!("{name}.{function}"), &item.docs);
        }
        for (type_name, id) in &interface.types {
            let item = &resolve.types[*id];
            if matches!(item.kind, TypeDefKind::Type(_)) {
                continue; // a `use`, documented where it is defined
            }
            check(format!("{name}.{type_name}"), &item.docs);
            match &item.kind {
                TypeDefKind::Record(r) => {
                    r.fields.iter().for_each(|f| check(format!("{name}.{type_name}.{}", f.name), &f.docs));
                }
                TypeDefKind::Variant(v) => {
                    v.cases.iter().for_each(|c| check(format!("{name}.{type_name}.{}", c.name), &c.docs));
                }
                TypeDefKind::Enum(e) => {
                    e.cases.iter().for_each(|c| check(format!("{name}.{type_name}.{}", c.name), &c.docs));
                }
                _ => {}
            }
        }
    }
    for (_, world) in &resolve.worlds {
        check(world.name.clone(), &world.docs);
    }
    assert!(seen > 150, "only {seen} items were found");
    assert!(bare.is_empty(), "without documentation: {bare:?}");
}

/// The worlds as the guide for plugin authors lists them, between its marks.
#[test]
fn each_world_imports_and_exports_what_the_guide_lists() {
    let resolve = resolve();
    let mut real = String::new();
    let mut worlds: Vec<_> = resolve.worlds.iter().map(|(_, world)| world).collect();
    worlds.sort_by_key(|world| world.name.clone());
    for world in worlds {
        real += &format!("world {}\n", world.name);
        let list = |word: &str, items: &wit_parser::IndexMap<WorldKey, WorldItem>| {
            let mut names: Vec<String> =
                items.keys().map(|key| format!("  {word} {}\n", resolve.name_world_key(key))).collect();
            names.sort();
            names.concat()
        };
        real += &list("import", &world.imports);
        real += &list("export", &world.exports);
    }
    let guide = std::fs::read_to_string(root().join("docs/guides/write-a-plugin.md")).unwrap();
    let listed = guide.split("<!-- worlds -->").nth(1).expect("the guide lists the worlds between its marks");
    let listed = listed.trim().trim_start_matches("```text").trim_end_matches("```").trim_start_matches('\n');
    assert_eq!(listed, real, "left: the guide, right: wit/worlds");
}
