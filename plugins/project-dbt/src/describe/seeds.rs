//! Seeds: their nodes, and a first look at their rows.
//!
//! In: the seed folders' files. Out: one item per seed.
//! Never: keeps rows; what a column holds is the attempt's question.
//! Fails: by adding problems: no header, a name twice in it, a row with more fields than it names, a
//! file that is too large or not UTF-8.
//! Source: <https://docs.getdbt.com/docs/build/seeds>; dbt takes missing fields at a row's end for
//! empty ones.

use std::collections::HashMap;

use serde_json::{Map, json};

use super::Build;
use super::nodes::{Draft, checksum, no_checksum};
use super::patches::Patch;
use crate::codes;
use crate::project::config::Kind;
use crate::project::inventory::SourceFile;
use crate::seed::{COLUMNS_MAX, SEED_BYTES_MAX, columns};

/// How large a seed may be to be looked at here. A larger one's path stands for its content, and its rows
/// are looked at when they are loaded.
const LOOKED_AT_BYTES_MAX: u64 = 1 << 20;

impl Build<'_> {
    /// Reads one seed.
    pub(super) fn read_seed(&mut self, file: &SourceFile, patches: &mut HashMap<(usize, String), Patch>) {
        let package = self.packages[file.package].name().to_owned();
        let name = file.stem().to_owned();
        self.check_name(file, &name);
        let patch = patches.remove(&(file.package, name.clone()));
        let is_large = file.size > LOOKED_AT_BYTES_MAX;
        let text = self.seed_text(file, is_large);
        let checksum = match &text {
            // As with dbt, whose manifests say the same.
            _ if is_large => json!({"name": "path", "checksum": file.original}),
            Some(text) => checksum(text.replace("\r\n", "\n").replace('\r', "\n").trim()),
            None => no_checksum(),
        };
        let mut fqn = vec![package.clone()];
        fqn.extend(file.folders().map(str::to_owned));
        fqn.push(name.clone());
        let draft = Draft {
            kind: Kind::Seed,
            package: file.package,
            name: &name,
            id: format!("seed.{package}.{name}"),
            file: &file.path,
            path: file.relative.clone(),
            original: &file.original,
            fqn,
            code: "",
            line: 1,
            checksum,
        };
        let mut item = draft.item(self);
        self.settle(&mut item, "", patch.as_ref(), &Map::new());
        if item.enabled
            && let Some((line, why)) =
                text.as_deref().and_then(|text| wrong_row(text, item.setting_text("delimiter")))
        {
            self.problems.add(&file.path, line, format!("{}: {why}", codes::SEED));
            item.broken = true;
        }
        self.items.push(item);
    }

    /// The text of a seed; none where it is large, and none with the problem on the list.
    fn seed_text(&mut self, file: &SourceFile, is_large: bool) -> Option<String> {
        if file.size > SEED_BYTES_MAX as u64 {
            let why = format!(
                "the seed is larger than {} MiB; load it with a tool for bulk data",
                SEED_BYTES_MAX >> 20
            );
            self.problems.add(&file.path, 0, format!("{}: {why}", codes::SEED));
            return None;
        }
        if is_large {
            return None;
        }
        match self.cx.files.read_text(&file.path) {
            Ok(text) => Some(text),
            Err(why) => {
                self.problems.add(&file.path, 0, why.detail().message.clone());
                None
            }
        }
    }
}

/// The first thing that is wrong with a seed's rows.
fn wrong_row(text: &str, delimiter: Option<&str>) -> Option<(u32, String)> {
    let delimiter = match delimiter.unwrap_or(",") {
        "\\t" => b'\t',
        word => match word.as_bytes() {
            [one] if one.is_ascii() => *one,
            _ => return Some((0, format!("`delimiter` is one ASCII character, not `{word}`"))),
        },
    };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let header = match reader.byte_headers() {
        Ok(header) => header.clone(),
        Err(why) => return Some((1, why.to_string())),
    };
    if header.is_empty() || header.iter().all(<[u8]>::is_empty) {
        return Some((1, "the seed is empty; its first line names the columns".to_owned()));
    }
    if header.len() > COLUMNS_MAX {
        return Some((1, format!("the seed has {} columns; {COLUMNS_MAX} is the limit", header.len())));
    }
    let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
    if let Err(why) = columns(names.iter().map(AsRef::as_ref)) {
        return Some((why.line, why.message));
    }
    let mut record = csv::ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(false) => return None,
            Ok(true) if record.len() > header.len() => {
                let line = record.position().map_or(0, |at| u32::try_from(at.line()).unwrap_or(u32::MAX));
                let why = format!(
                    "this row has {} fields, the header names {} columns",
                    record.len(),
                    header.len()
                );
                return Some((line, why));
            }
            Ok(true) => {}
            Err(why) => return Some((0, why.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_too_long_are_found_and_short_ones_are_filled() {
        assert_eq!(wrong_row("a,b\n1,2\n3\n", None), None);
        let (line, why) = wrong_row("a,b\n1,2\n3,4,5\n", None).unwrap();
        assert_eq!((line, why.as_str()), (3, "this row has 3 fields, the header names 2 columns"));
        assert_eq!(wrong_row("a;b\n1,2;3\n", Some(";")), None);
        assert!(wrong_row("a,A\n", None).is_some());
        assert!(wrong_row("", None).is_some());
    }
}
