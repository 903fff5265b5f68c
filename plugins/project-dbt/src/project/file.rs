//! `dbt_project.yml`: the project's name, its folders, its variables, configurations by folder.
//!
//! In: the text of the file, and what renders the Jinja in its values. Out: a [`ProjectFile`].
//! Never: looks at other files; renders hooks, variables or the query comment, which are rendered
//! where they are used.
//! Fails: by adding to [`Problems`]; what can be read is still handed out, so that the rest of the
//! project is checked in the same round. A key that is not known is a warning.
//! Source: <https://docs.getdbt.com/reference/dbt_project.yml>.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::document::Dispatch;
use crate::problem::{Problems, did_you_mean};
use crate::yaml::{self, Kind, Node};

/// Renders the Jinja of one text to a value.
pub(crate) type Render<'a> = dyn Fn(&str, u32) -> Result<Json, String> + 'a;

/// The project file, read.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProjectFile {
    /// Its path in the release.
    pub(crate) path: String,
    /// Its name: letters, digits, `_`.
    pub(crate) name: String,
    /// The name of its profile.
    pub(crate) profile: Option<String>,
    /// Folders by kind: `model-paths`, `seed-paths` and so on.
    folders: BTreeMap<&'static str, Vec<String>>,
    /// Where packages are.
    pub(crate) packages_path: String,
    /// Variables as the file has them: global ones, and those of packages under their names.
    pub(crate) vars: Map<String, Json>,
    /// Configurations by kind of node (`models`, `seeds`, …): rendered, and as written.
    configs: BTreeMap<&'static str, (Json, Json)>,
    /// In which packages `adapter.dispatch` looks.
    pub(crate) dispatch: Vec<Dispatch>,
    /// Which parts of names are quoted.
    pub(crate) quoting: Map<String, Json>,
    /// Statements run before all others, with their lines.
    pub(crate) on_run_start: Vec<(String, u32)>,
    /// Statements run after all others, with their lines.
    pub(crate) on_run_end: Vec<(String, u32)>,
    /// The comment put to each statement.
    pub(crate) query_comment: Json,
    /// The `flags`.
    pub(crate) flags: Map<String, Json>,
    /// Its version, if it says one.
    pub(crate) version: Option<String>,
}

/// Kinds of folders: the key, the older name of the key, what holds unless set.
const FOLDERS: [(&str, &str, &[&str]); 8] = [
    ("model-paths", "source-paths", &["models"]),
    ("seed-paths", "data-paths", &["seeds"]),
    ("test-paths", "", &["tests"]),
    ("analysis-paths", "", &["analyses"]),
    ("macro-paths", "", &["macros"]),
    ("snapshot-paths", "", &["snapshots"]),
    ("function-paths", "", &["functions"]),
    ("docs-paths", "", &[]),
];

/// Keys with configurations, and the name used here.
const CONFIGS: [(&str, &str); 13] = [
    ("models", "models"),
    ("seeds", "seeds"),
    ("snapshots", "snapshots"),
    ("sources", "sources"),
    ("tests", "data_tests"),
    ("data_tests", "data_tests"),
    ("unit_tests", "unit_tests"),
    ("exposures", "exposures"),
    ("analyses", "analyses"),
    ("metrics", "metrics"),
    ("semantic-models", "semantic-models"),
    ("saved-queries", "saved-queries"),
    ("functions", "functions"),
];

/// Keys of the file that say nothing about the work, or that only other tools read.
const IGNORED: [&str; 11] = [
    "asset-paths",
    "clean-targets",
    "config-version",
    "dbt-cloud",
    "log-path",
    "name",
    "osi-paths",
    "restrict-access",
    "target-path",
    "vars",
    "require-dbt-version",
];

/// What a read file may say besides.
#[derive(Debug, Default)]
pub(crate) struct Notes(pub(crate) Vec<String>);

impl ProjectFile {
    /// The folders of a kind.
    pub(crate) fn folders(&self, key: &str) -> &[String] {
        self.folders.get(key).map_or(&[], Vec::as_slice)
    }

    /// The configurations of a kind of node, rendered or as written.
    pub(crate) fn configs(&self, kind: &str, rendered: bool) -> Option<&Map<String, Json>> {
        let (said, written) = self.configs.get(kind)?;
        if rendered { said } else { written }.as_object()
    }
}

/// Reads the file. None where it has no usable name; the problem is then on the list.
pub(crate) fn read(
    path: &str,
    text: &str,
    render: &Render<'_>,
    notes: &mut Notes,
    problems: &mut Problems,
) -> Option<ProjectFile> {
    let mut doubles = Vec::new();
    let tree = match yaml::parse_with(text.trim_end(), &mut doubles) {
        Ok(tree) => tree,
        Err(why) => {
            problems.add(path, why.line, why.coded());
            return None;
        }
    };
    notes.0.extend(doubles.iter().map(|key| key.note(path)));
    let mut reader = Reader { path, render, notes, problems };
    let name = reader.name(&tree)?;
    let mut file = ProjectFile {
        path: path.to_owned(),
        name,
        packages_path: "dbt_packages".to_owned(),
        ..ProjectFile::default()
    };
    for (key, _, unless_set) in FOLDERS {
        file.folders.insert(key, unless_set.iter().map(|&folder| folder.to_owned()).collect());
    }
    for (key, node) in tree.entries() {
        reader.key(&mut file, &key.text, key.line, node);
    }
    if tree.get("docs-paths").is_none() {
        let all = FOLDERS[..6].iter().flat_map(|(key, _, _)| file.folders(key).to_vec()).collect();
        file.folders.insert("docs-paths", all);
    }
    Some(file)
}

/// Reads parts of the file and keeps the list of problems.
struct Reader<'a> {
    path: &'a str,
    render: &'a Render<'a>,
    notes: &'a mut Notes,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn add(&mut self, line: u32, message: impl Into<String>) {
        self.problems.add(self.path, line, message);
    }

    fn key(&mut self, file: &mut ProjectFile, key: &str, line: u32, node: &Node) {
        if let Some((name, _, _)) = FOLDERS.iter().find(|(name, old, _)| *name == key || *old == key) {
            let folders = self.folders(node);
            file.folders.insert(name, folders);
            return;
        }
        if let Some((_, name)) = CONFIGS.iter().find(|(name, _)| *name == key) {
            if !node.is_null() {
                if !matches!(node.kind, Kind::Map(_)) {
                    self.add(node.line, format!("`{key}` is a map of packages and folders to settings"));
                }
                let rendered = self.rendered(node, true);
                file.configs.insert(name, (rendered, node.to_json()));
            }
            return;
        }
        match key {
            "profile" => file.profile = self.rendered(node, false).as_str().map(str::to_owned),
            "packages-install-path" | "modules-paths" => {
                if let Some(folder) = self.folders(node).into_iter().next() {
                    file.packages_path = folder;
                }
            }
            "dispatch" => file.dispatch = self.dispatch(node),
            "quoting" => file.quoting = self.rendered(node, false).as_object().cloned().unwrap_or_default(),
            "on-run-start" => file.on_run_start = self.statements(key, node),
            "on-run-end" => file.on_run_end = self.statements(key, node),
            "query-comment" => file.query_comment = node.to_json(),
            "flags" => file.flags = self.rendered(node, false).as_object().cloned().unwrap_or_default(),
            "version" => {
                file.version = match self.rendered(node, false) {
                    Json::Null => None,
                    Json::String(version) => Some(version),
                    other => Some(other.to_string()),
                };
            }
            "vars" => {
                if !matches!(node.kind, Kind::Map(_)) && !node.is_null() {
                    self.add(node.line, "`vars` is a map of names to values");
                }
                file.vars = node.to_json().as_object().cloned().unwrap_or_default();
            }
            word if IGNORED.contains(&word) => {}
            word => {
                let known = FOLDERS.iter().map(|(name, ..)| *name);
                let known = known.chain(CONFIGS.iter().map(|(name, _)| *name)).chain(["vars", "dispatch"]);
                let hint = did_you_mean(word, known);
                self.notes
                    .0
                    .push(format!("{}:{line}: `{word}` is not a key of a project file{hint}", self.path));
            }
        }
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
            let rendered = self.rendered(item, false);
            let text = rendered.as_str().map(|text| text.trim_start_matches("./").trim_matches('/'));
            match text {
                Some(text) if text.split('/').all(|part| !matches!(part, "" | "." | "..")) => {
                    folders.push(text.to_owned());
                }
                _ => self.add(item.line, "a folder is a path inside the project, such as `models`"),
            }
        }
        folders
    }

    fn dispatch(&mut self, node: &Node) -> Vec<Dispatch> {
        let rendered = self.rendered(node, false);
        match serde_json::from_value(rendered) {
            Ok(dispatch) => dispatch,
            Err(_) => {
                self.add(node.line, "`dispatch` is a list of `macro_namespace` and `search_order`");
                Vec::new()
            }
        }
    }

    /// One statement or a list of them, not rendered.
    fn statements(&mut self, key: &str, node: &Node) -> Vec<(String, u32)> {
        if node.is_null() {
            return Vec::new();
        }
        let items = if node.text().is_some() { std::slice::from_ref(node) } else { node.items() };
        let mut statements = Vec::new();
        for item in items {
            match item.text() {
                Some(text) => statements.push((text.to_owned(), item.line)),
                None if item.is_null() => {}
                None => self.add(item.line, format!("`{key}` is a statement or a list of them")),
            }
        }
        statements
    }

    /// The value with its Jinja rendered; `late` keeps hooks as they are written.
    fn rendered(&mut self, node: &Node, late: bool) -> Json {
        let (path, render) = (self.path, self.render);
        let problems = &mut *self.problems;
        node.rendered(
            &mut |keys| {
                let hook = |key: &&str| {
                    matches!(
                        key.trim_start_matches(['+', ' ']),
                        "pre-hook" | "post-hook" | "pre_hook" | "post_hook"
                    )
                };
                !(late && keys.iter().any(hook))
            },
            &mut |text, line| match render(text, line) {
                Ok(value) => value,
                Err(why) => {
                    problems.add(path, line, why);
                    Json::Null
                }
            },
        )
    }
}
