//! The macro that `run-operation` asks for, as a task of its own.
//!
//! In: the setting `operation` of the build: a text of Jinja. Out: one more item.
//! Never: renders the text: dbt runs such a macro in the warehouse's presence or not at all, and so
//! everything the project builds or reads may be named in it.
//! Fails: not at all; what is wrong with the macro shows when it runs.
//! Source: <https://docs.getdbt.com/reference/commands/run-operation>.

use serde_json::Map;

use super::Build;
use super::nodes::{Draft, no_checksum};
use super::world::RefAsked;
use crate::project::config::Kind;

/// The tag of the item.
const TAG: &str = "run-operation";

impl Build<'_> {
    /// Adds the operation, where one is asked for.
    pub(super) fn add_operation(&mut self) {
        let Some(code) = self.operation.clone() else { return };
        let package = self.packages[0].name().to_owned();
        let file = self.packages[0].file.path.clone();
        let name = format!("{package}-{TAG}-0");
        let draft = Draft {
            kind: Kind::Operation,
            package: 0,
            name: &name,
            id: format!("operation.{package}.{name}"),
            file: &file,
            path: format!("hooks/{name}.sql"),
            original: "./dbt_project.yml",
            fqn: vec![package.clone(), "hooks".to_owned(), name.clone()],
            code: &code,
            line: 1,
            checksum: no_checksum(),
        };
        let mut item = draft.item(self);
        self.configure(&mut item, "", None, &Map::new());
        item.node.insert("tags".to_owned(), vec![TAG].into());
        let seen = |one: &&super::Item| one.enabled && one.text("access") != "private";
        for one in self.items.iter().filter(seen) {
            match one.kind {
                Kind::Model | Kind::Seed | Kind::Snapshot => {
                    let own = self.packages[one.package].name().to_owned();
                    for package in [None, Some(own)] {
                        item.refs.push(RefAsked { package, name: one.name().to_owned(), version: None });
                    }
                }
                Kind::Source => {
                    item.sources.push((one.text("source_name").to_owned(), one.name().to_owned()));
                }
                _ => {}
            }
        }
        self.items.push(item);
    }
}
