//! What `dbt_project.yml` says at first sight: the project's name and its schemas.
//!
//! In: the file. Out: a [`Dbt`]. Never: reads the file as YAML, that is the loader's work in the
//! sandbox; two kinds of line are enough for a starter file that a person then reads.
//! Fails: not at all. Source: <https://docs.getdbt.com/reference/dbt_project.yml>.

use std::path::Path;

/// Bytes of the file that are looked at.
const BYTES_MAX: u64 = 1 << 20;

/// A dbt project, at first sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dbt {
    /// Its name.
    pub(super) name: String,
    /// The schemas it writes, in the order they are named.
    pub(super) schemas: Vec<String>,
}

/// Looks for a dbt project in a folder.
pub(super) fn find(folder: &Path) -> Option<Dbt> {
    let file = folder.join("dbt_project.yml");
    let size = std::fs::metadata(&file).ok()?.len();
    let text = (size <= BYTES_MAX).then(|| std::fs::read_to_string(&file).ok())?;
    text.map(|text| read(&text))
}

fn read(text: &str) -> Dbt {
    let mut found = Dbt { name: String::new(), schemas: Vec::new() };
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match key.trim() {
            "name" if key == "name" => value.clone_into(&mut found.name),
            "schema" | "+schema" if plain && !found.schemas.iter().any(|known| known == value) => {
                found.schemas.push(value.to_owned());
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_schemas_are_seen() {
        let text = "name: 'flights' # ours\nseeds:\n  flights:\n    +schema: raw\nmodels:\n  flights:\n    marts:\n      +schema: marts\n      name: no\n    x:\n      schema: \"{{ target }}\"\n";
        let found = read(text);
        assert_eq!(
            (found.name.as_str(), found.schemas),
            ("flights", vec!["raw".to_owned(), "marts".to_owned()])
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_an_answer(text in ".{0,200}") {
            let _ = read(&text);
        }
    }
}
