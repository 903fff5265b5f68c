//! Finds the built-in macros when this crate is built, so that no attempt has to look for them.
//!
//! In: `src/builtin/*.sql`. Out: a table of their blocks, ordered by name.
//! Never: reads what stands in a block. Fails: where a file is no file of macros.

#![allow(dead_code, unreachable_pub, reason = "the modules are the crate's own, of which this uses a part")]

use std::{env, fmt::Write as _, fs, path::Path};

#[path = "src/jinja/blocks.rs"]
mod blocks;
#[path = "src/jinja/scan.rs"]
mod scan;

/// The files.
const FILES: [&str; 11] = [
    "names",
    "statements",
    "types",
    "text",
    "dates",
    "tests",
    "relations",
    "create",
    "incremental",
    "materializations",
    "snapshot",
];

fn main() {
    println!("cargo::rerun-if-changed=src/builtin");
    println!("cargo::rerun-if-changed=src/jinja/blocks.rs");
    println!("cargo::rerun-if-changed=src/jinja/scan.rs");
    let mut all = Vec::new();
    for file in FILES {
        let text = match fs::read_to_string(format!("src/builtin/{file}.sql")) {
            Ok(text) => text,
            Err(why) => panic!("src/builtin/{file}.sql cannot be read: {why}"),
        };
        let (found, problems) = blocks::all_blocks(file, &text);
        assert!(problems.is_empty(), "src/builtin/{file}.sql: {problems:?}");
        all.extend(found.into_iter().map(|block| (file, block)));
    }
    all.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    let twice = all.windows(2).find(|pair| pair[0].1.name == pair[1].1.name);
    assert!(twice.is_none(), "a macro is there twice: {twice:?}");
    let mut table = "&[\n".to_owned();
    for (file, block) in all {
        let blocks::Block { kind, name, line, text, inside, body_line } = block;
        let written = writeln!(
            table,
            "    Ready {{ file: \"macros/{file}.sql\", kind: BlockKind::{kind:?}, name: {name:?}, \
             line: {line}, text: {text:?}, inside: ({}, {}), body_line: {body_line} }},",
            inside.start, inside.end
        );
        assert!(written.is_ok(), "a text cannot be written");
    }
    table.push(']');
    let folder = env::var_os("OUT_DIR").unwrap_or_default();
    let file = Path::new(&folder).join("builtin.rs");
    if let Err(why) = fs::write(&file, table) {
        panic!("{} cannot be written: {why}", file.display());
    }
}
