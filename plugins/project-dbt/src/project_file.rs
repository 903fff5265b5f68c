//! `dbt_project.yml`: the project's name, its folders, its variables, configurations by folder.
//!
//! In: the text of the file. Out: a [`ProjectFile`].
//! Never: looks at other files; renders Jinja in anything but configurations, and there with the
//! variables alone.
//! Fails: by adding to [`Problems`]; what can be read is still handed out, so that the rest of the
//! project is checked in the same round.
//! Source: <https://docs.getdbt.com/reference/dbt_project.yml>.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::config::{Config, KNOWN};
use crate::jinja::Settings;
use crate::problem::Problems;
use crate::yaml::{self, Kind, Node};

/// The project file, read.
#[derive(Debug, Clone)]
pub struct ProjectFile {
    /// Its name: letters, digits, `_`.
    pub name: String,
    /// Folders with models.
    pub model_paths: Vec<String>,
    /// Folders with seeds.
    pub seed_paths: Vec<String>,
    /// Folders with singular tests.
    pub test_paths: Vec<String>,
    /// Folders with macros.
    pub macro_paths: Vec<String>,
    /// Folders with snapshots, which are refused where they hold any.
    pub snapshot_paths: Vec<String>,
    /// Variables, those of the project over the global ones.
    pub vars: Map<String, Json>,
    /// Configurations by folder.
    pub models: ConfigTree,
    /// The same for seeds.
    pub seeds: ConfigTree,
    /// The same for tests.
    pub tests: ConfigTree,
}

/// Configurations of a folder, and of the folders within.
#[derive(Debug, Clone, Default)]
pub struct ConfigTree {
    own: Config,
    folders: BTreeMap<String, ConfigTree>,
}

impl ConfigTree {
    /// What holds for a node: every folder on its way, outermost first. `path` is the folders and,
    /// last, the node's name.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Config {
        let mut config = self.own.clone();
        let mut here = self;
        for part in path {
            let Some(next) = here.folders.get(*part) else { break };
            config.overlay(&next.own);
            here = next;
        }
        config
    }
}

/// Keys of the file that say nothing about the work, or that only other tools read.
const IGNORED: [&str; 19] = [
    "analysis-paths",
    "asset-paths",
    "clean-targets",
    "config-version",
    "dispatch",
    "docs-paths",
    "exposures",
    "flags",
    "function-paths",
    "log-path",
    "metrics",
    "name",
    "packages-install-path",
    "profile",
    "query-comment",
    "require-dbt-version",
    "sources",
    "target-path",
    "version",
];

/// Reads the file. None where it has no usable name; the problem is then on the list.
/// `given` are the variables of the build, which go over those of the file.
pub fn read(
    path: &str,
    text: &str,
    given: &Map<String, Json>,
    problems: &mut Problems,
) -> Option<ProjectFile> {
    let tree = match yaml::parse(text) {
        Ok(tree) => tree,
        Err(why) => {
            problems.add(path, why.line, why.message);
            return None;
        }
    };
    let mut reader = Reader { path, problems };
    let name = reader.name(&tree)?;
    let vars = tree.get("vars").map(|node| reader.vars(node, &name)).unwrap_or_default();
    let mut all = vars.clone();
    all.extend(given.clone());
    let settings = Settings { project: &name.clone(), vars: &all };
    let mut file = ProjectFile {
        name,
        model_paths: vec!["models".into()],
        seed_paths: vec!["seeds".into()],
        test_paths: vec!["tests".into()],
        macro_paths: vec!["macros".into()],
        snapshot_paths: vec!["snapshots".into()],
        vars,
        models: ConfigTree::default(),
        seeds: ConfigTree::default(),
        tests: ConfigTree::default(),
    };
    for (key, node) in tree.entries() {
        match key.text.as_str() {
            "model-paths" | "source-paths" => file.model_paths = reader.folders(node),
            "seed-paths" | "data-paths" => file.seed_paths = reader.folders(node),
            "test-paths" => file.test_paths = reader.folders(node),
            "macro-paths" => file.macro_paths = reader.folders(node),
            "snapshot-paths" => file.snapshot_paths = reader.folders(node),
            "vars" => {}
            "models" => file.models = reader.tree(node, &settings),
            "seeds" => file.seeds = reader.tree(node, &settings),
            "tests" | "data_tests" => file.tests = reader.tree(node, &settings),
            "on-run-start" | "on-run-end" if !node.is_null() && !node.items().is_empty() => {
                reader.add(
                    key.line,
                    format!("`{}` is not supported; make its statement a task of its own", key.text),
                );
            }
            "on-run-start" | "on-run-end" | "quoting" | "snapshots" | "unit_tests" | "saved-queries"
            | "semantic-models" => {}
            word if IGNORED.contains(&word) => {}
            word => {
                let hint = crate::problem::did_you_mean(
                    word,
                    [
                        "model-paths",
                        "seed-paths",
                        "test-paths",
                        "macro-paths",
                        "vars",
                        "models",
                        "seeds",
                        "tests",
                    ],
                );
                reader.add(key.line, format!("`{word}` is not a key of a project file{hint}"));
            }
        }
    }
    Some(file)
}

/// Reads parts of the file and keeps the list of problems.
struct Reader<'a> {
    path: &'a str,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn add(&mut self, line: u32, message: impl Into<String>) {
        self.problems.add(self.path, line, message);
    }

    fn name(&mut self, tree: &Node) -> Option<String> {
        let Some(node) = tree.get("name") else {
            self.add(0, "the project has no name; add `name: my_project`");
            return None;
        };
        let name = node.text().unwrap_or_default();
        let good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && name.len() <= 64;
        if !good {
            self.add(
                node.line,
                "the project's name is 1 to 64 letters, digits and `_`, and begins with a letter",
            );
            return None;
        }
        Some(name.to_owned())
    }

    fn folders(&mut self, node: &Node) -> Vec<String> {
        let items = if node.text().is_some() { std::slice::from_ref(node) } else { node.items() };
        let mut folders = Vec::new();
        for item in items {
            match item.text().map(|text| text.trim_matches('/')) {
                Some(text)
                    if !text.is_empty() && text.split('/').all(|part| !matches!(part, "" | "." | "..")) =>
                {
                    folders.push(text.to_owned());
                }
                _ => self.add(item.line, "a folder is a path inside the project, such as `models`"),
            }
        }
        folders
    }

    fn vars(&mut self, node: &Node, project: &str) -> Map<String, Json> {
        if !matches!(node.kind, Kind::Map(_)) && !node.is_null() {
            self.add(node.line, "`vars` is a map of names to values");
        }
        let mut vars = Map::new();
        for (key, value) in node.entries() {
            if key.text != project {
                vars.insert(key.text.clone(), value.to_json());
            }
        }
        for (key, value) in node.get(project).map(Node::entries).unwrap_or_default() {
            vars.insert(key.text.clone(), value.to_json());
        }
        vars
    }

    /// The tree of one kind of node: what stands at the top holds for all, what stands under the
    /// project's name is its own. Other names are packages, which a project without packages lacks.
    fn tree(&mut self, node: &Node, settings: &Settings<'_>) -> ConfigTree {
        let project = settings.project;
        let mut tree = self.folder(node, settings);
        let own = tree.folders.remove(project);
        for name in tree.folders.keys().cloned().collect::<Vec<_>>() {
            let line = node
                .entries()
                .iter()
                .find(|(key, _)| key.text == name)
                .map_or(node.line, |(key, _)| key.line);
            self.add(
                line,
                format!("`{name}` is not this project (`{project}`), and packages are not supported"),
            );
        }
        if let Some(own) = own {
            tree.own.overlay(&own.own);
            tree.folders = own.folders;
        }
        tree
    }

    fn folder(&mut self, node: &Node, settings: &Settings<'_>) -> ConfigTree {
        let mut tree = ConfigTree::default();
        for (key, value) in node.entries() {
            let is_map = matches!(value.kind, Kind::Map(_));
            let setting = match key.text.strip_prefix('+') {
                Some(setting) => Some(setting),
                None if KNOWN.contains(&key.text.as_str()) || !is_map => Some(key.text.as_str()),
                None => None,
            };
            match setting {
                Some(setting) => {
                    let set =
                        settings.value(&value.to_json()).and_then(|value| tree.own.set(setting, &value));
                    if let Err(why) = set {
                        self.add(key.line, why);
                    }
                }
                None => {
                    tree.folders.insert(key.text.clone(), self.folder(value, settings));
                }
            }
        }
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Materialized;

    const FILE: &str = "\
name: shop
config-version: 2
model-paths: [models]
vars:
  through: '2013-01-14'
  shop:
    region: eu
models:
  +tags: all
  shop:
    +materialized: view
    marts:
      +schema: marts
      materialized: table
      orders:
        +tags: [money]
seeds:
  shop:
    +schema: raw
";

    #[test]
    fn configurations_are_found_by_folder_with_and_without_a_plus() {
        let mut problems = Problems::default();
        let file = read("dbt_project.yml", FILE, &Map::new(), &mut problems).unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        let orders = file.models.at(&["marts", "orders"]);
        assert_eq!(orders.materialized(), Materialized::Table);
        assert_eq!(orders.schema.as_deref(), Some("marts"));
        assert_eq!(orders.tags, ["all", "money"]);
        assert_eq!(file.models.at(&["staging", "stg_orders"]).materialized(), Materialized::View);
        assert_eq!(file.seeds.at(&["rates"]).schema.as_deref(), Some("raw"));
        assert_eq!(Json::Object(file.vars), serde_json::json!({"through": "2013-01-14", "region": "eu"}));
    }

    #[test]
    fn every_fault_of_the_file_is_named_with_its_line() {
        let mut problems = Problems::default();
        let text = "name: shop\nmodel-pathes: [models]\nmodels:\n  shop:\n    +materialized: tabel\n  dbt_utils:\n    +enabled: true\non-run-start:\n  - select 1\n";
        read("dbt_project.yml", text, &Map::new(), &mut problems).unwrap();
        let list = problems.into_list().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(list, @r#"
dbt_project.yml:2: `model-pathes` is not a key of a project file; did you mean `model-paths`?
dbt_project.yml:5: `materialized` can be `table`, `view` or `incremental`, not `tabel`
dbt_project.yml:6: `dbt_utils` is not this project (`shop`), and packages are not supported
dbt_project.yml:8: `on-run-start` is not supported; make its statement a task of its own
"#);
    }

    #[test]
    fn a_project_without_a_name_is_refused() {
        let mut problems = Problems::default();
        assert!(read("dbt_project.yml", "version: 2\n", &Map::new(), &mut problems).is_none());
        assert!(!problems.is_empty());
    }
}
