//! Snapshots: blocks in files of SQL, and entries of properties files with a `relation`.
//!
//! In: the snapshot folders' files, entries under `snapshots`. Out: one item per snapshot.
//! Never: takes the file's name for the snapshot's.
//! Fails: by adding problems: no strategy, no key, a file that cannot be read.
//! Source: <https://docs.getdbt.com/docs/build/snapshots>.

use std::collections::HashMap;

use serde_json::{Map, json};

use super::Build;
use super::collect::normalized;
use super::nodes::{Draft, Item, checksum, line_with};
use super::patches::Patch;
use crate::jinja::blocks;
use crate::jinja::library::{Block, BlockKind};
use crate::project::config::Kind;
use crate::project::inventory::{Role, SourceFile};
use crate::project::properties::Entry;

impl Build<'_> {
    /// Reads all snapshots.
    pub(super) fn read_snapshots(&mut self) {
        let mut found: Vec<(SourceFile, String, Vec<Block>)> = Vec::new();
        for file in self.files_of(Role::Snapshot) {
            let Some(text) = self.text_of(&file) else { continue };
            match blocks(&file.path, &text) {
                Ok(blocks) => {
                    let blocks: Vec<Block> =
                        blocks.into_iter().filter(|block| block.kind == BlockKind::Snapshot).collect();
                    found.push((file, text, blocks));
                }
                Err(why) => self.problems.add(&file.path, why.line, why.coded()),
            }
        }
        let mut known: Vec<(usize, String)> = found
            .iter()
            .flat_map(|(file, _, blocks)| blocks.iter().map(|block| (file.package, block.name.clone())))
            .collect();
        let yaml = |entry: &&Entry| entry.kind == "snapshots" && entry.data.contains_key("relation");
        known.extend(self.entries.iter().filter(yaml).map(|entry| (entry.file.package, entry.name.clone())));
        let mut patches = self.patches_among("snapshots", &known);
        for (file, text, blocks) in &found {
            for block in blocks {
                let patch = patches.remove(&(file.package, block.name.clone()));
                let code =
                    format!("{}{}", "\n".repeat(block.body_line.saturating_sub(1) as usize), block.body());
                self.snapshot(
                    file,
                    &block.name,
                    block.body(),
                    block.body_line,
                    &code,
                    &normalized(text),
                    patch,
                );
            }
        }
        self.yaml_snapshots(&mut patches);
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one block, used once")]
    fn snapshot(
        &mut self,
        file: &SourceFile,
        name: &str,
        body: &str,
        line: u32,
        code: &str,
        whole: &str,
        patch: Option<Patch>,
    ) {
        let package = self.packages[file.package].name().to_owned();
        self.check_name(file, name);
        let mut fqn = vec![package.clone()];
        fqn.extend(file.folders().map(str::to_owned));
        fqn.push(file.stem().to_owned());
        fqn.push(name.to_owned());
        let draft = Draft {
            kind: Kind::Snapshot,
            package: file.package,
            name,
            id: format!("snapshot.{package}.{name}"),
            file: &file.path,
            path: file.relative.clone(),
            original: &file.original,
            fqn,
            code: body,
            line,
            checksum: checksum(whole),
        };
        let mut item = draft.item(self);
        // dbt keeps the text of a block as it stands.
        item.node.insert("raw_code".to_owned(), body.into());
        item.line = line;
        self.settle(&mut item, code, patch.as_ref(), &Map::new());
        self.check_snapshot(&mut item, line_with(code, "config("));
        self.items.push(item);
    }

    fn yaml_snapshots(&mut self, patches: &mut HashMap<(usize, String), Patch>) {
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            let Some(relation) = entry.data.get("relation").filter(|_| entry.kind == "snapshots") else {
                continue;
            };
            let Some(relation) = relation.as_str() else {
                let why = format!("`relation` of `{}` is `ref('…')` or `source('…', '…')`", entry.name);
                self.problems.add(&entry.file.path, entry.line, why);
                continue;
            };
            let file = &entry.file;
            let package = self.packages[file.package].name().to_owned();
            self.check_name(file, &entry.name);
            let mut fqn = vec![package.clone()];
            fqn.extend(file.folders().map(str::to_owned));
            fqn.push(entry.name.clone());
            let code = format!("select * from {{{{ {relation} }}}}");
            let draft = Draft {
                kind: Kind::Snapshot,
                package: file.package,
                name: &entry.name,
                id: format!("snapshot.{package}.{}", entry.name),
                file: &file.path,
                path: format!("{}.sql", entry.name),
                original: &file.original,
                fqn,
                code: &code,
                line: entry.line,
                checksum: json!({"name": "sha256", "checksum": ""}),
            };
            let mut item = draft.item(self);
            let text = self.cx.files.read_text(&file.path).unwrap_or_default();
            item.node.insert("checksum".to_owned(), checksum(&normalized(&text)));
            let patch = patches.remove(&(file.package, entry.name.clone()));
            let shifted = format!("{}{code}", "\n".repeat(entry.line.saturating_sub(1) as usize));
            self.settle(&mut item, &shifted, patch.as_ref(), &Map::new());
            self.check_snapshot(&mut item, entry.line);
            self.items.push(item);
        }
        self.entries = entries;
    }

    /// What dbt asks of every snapshot.
    fn check_snapshot(&mut self, item: &mut Item, line: u32) {
        if !item.enabled || item.broken {
            return;
        }
        let text = |key: &str| item.setting_text(key).unwrap_or_default();
        let has = |key: &str| item.setting(key).is_some_and(|value| value.as_str() != Some(""));
        let why = match text("strategy") {
            "" => Some("needs a `strategy`: `timestamp` or `check`"),
            _ if !has("unique_key") => Some("needs a `unique_key`"),
            "check" if !has("check_cols") => Some("has the strategy `check` and needs `check_cols`"),
            "check" if item.setting_text("check_cols").is_some_and(|columns| columns != "all") => {
                Some("has `check_cols` that are neither `all` nor a list")
            }
            "timestamp" if !has("updated_at") => Some("has the strategy `timestamp` and needs `updated_at`"),
            "timestamp" if has("check_cols") => {
                Some("has the strategy `timestamp`, which takes no `check_cols`")
            }
            _ => None,
        };
        if let Some(why) = why {
            let message = format!("the snapshot `{}` {why}", item.name());
            self.problems.add(&item.path, line, message);
            item.broken = true;
        }
    }
}
