//! Finds the other programs and the plugins.
//!
//! In: a name. Out: a path of something that is there.
//! Never: searches `PATH`: what is started with the project's keys stands beside this program.
//! Fails: with `CD0006` and `CD0011`, naming every place that was looked at.
//! Source: `docs/guides/command-line.md`.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, NO_PLUGIN, Outcome, PROGRAM};

/// A program of Cofferdam beside this one.
pub fn beside(name: &str) -> Outcome<PathBuf> {
    let here = own_folder()?;
    let path = here.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::new(
        PROGRAM,
        format!("the program `{name}` is not there"),
        "install all programs of Cofferdam into one folder; from the sources: `cargo build -p cofferdam-cli -p cofferdam-scheduler -p cofferdam-executor`",
    )
    .why(format!("it is looked for beside this one, in `{}`", here.display())))
}

fn own_folder() -> Outcome<PathBuf> {
    let exe = std::env::current_exe().map_err(|e| Failure::file("find", Path::new("cofferdam"), &e))?;
    Ok(exe.parent().unwrap_or(Path::new("/")).to_owned())
}

/// The component behind a plugin's entry in `cofferdam.toml`.
pub fn plugin(project: &Path, entry: &str, folder: Option<&Path>) -> Outcome<PathBuf> {
    let env = std::env::var_os("COFFERDAM_PLUGINS").map(PathBuf::from);
    plugin_among(&plugin_places(project, entry, folder, env.as_deref(), &own_folder()?), entry)
}

fn plugin_among(places: &[PathBuf], entry: &str) -> Outcome<PathBuf> {
    if let Some(found) = places.iter().find(|place| place.is_file()) {
        return Ok(found.clone());
    }
    let looked = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
    Err(Failure::new(
        NO_PLUGIN,
        format!("the plugin `{entry}` cannot be found"),
        "correct its path in [plugins], or name the folder of built plugins with --plugins or COFFERDAM_PLUGINS",
    )
    .why(format!("looked at {looked}")))
}

/// Every place a plugin may be, in the order they are looked at.
fn plugin_places(
    project: &Path,
    entry: &str,
    folder: Option<&Path>,
    env: Option<&Path>,
    own: &Path,
) -> Vec<PathBuf> {
    if entry.contains('/') || Path::new(entry).extension().is_some_and(|end| end == "wasm") {
        return vec![project.join(entry)];
    }
    let file = format!("{entry}.wasm");
    let built = format!("{}.wasm", entry.replace('-', "_"));
    let mut places = Vec::new();
    for folder in [folder, env].into_iter().flatten() {
        places.push(folder.join(&file));
        places.push(folder.join(&built));
        places.push(folder.join(format!("cofferdam_{built}")));
    }
    places.push(own.join("plugins").join(&file));
    places.push(own.join("../guests").join(&file));
    places.push(own.join("../wasm32-wasip2/guest").join(&built));
    places.push(own.join("../wasm32-wasip2/guest").join(format!("cofferdam_{built}")));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_from_the_projects_folder_and_a_name_is_looked_up() {
        let (project, own, env) = (Path::new("/p"), Path::new("/bin"), Path::new("/env"));
        assert_eq!(plugin_places(project, "lib/x.wasm", None, None, own), [PathBuf::from("/p/lib/x.wasm")]);
        let places = plugin_places(project, "task-sql", None, Some(env), own);
        assert_eq!(places[..2], [PathBuf::from("/env/task-sql.wasm"), PathBuf::from("/env/task_sql.wasm")]);
    }

    #[test]
    fn a_plugin_that_is_nowhere_names_the_places() {
        let error = plugin_among(&[PathBuf::from("/a/x.wasm"), PathBuf::from("/b/x.wasm")], "x").unwrap_err();
        insta::assert_snapshot!(error.render(), @r"
        error[CD0011]: the plugin `x` cannot be found
          why: looked at /a/x.wasm, /b/x.wasm
          fix: correct its path in [plugins], or name the folder of built plugins with --plugins or COFFERDAM_PLUGINS
        ");
    }
}
