//! `cofferdam init`: what a project needs before its first release.
//!
//! In: a folder, perhaps with `dbt_project.yml` or `cofferdam.toml`. Out: keys, a trust root, a
//! starter grant, gateway settings, and what to do next.
//! Never: writes over a file; a second run changes nothing.
//! Fails: with `CD0003`, `CD0004` and `CD0005`.
//! Source: `docs/guides/first-five-minutes.md`.

mod dbt;
mod templates;

use std::{fs, path::Path};

use cofferdam_ids::{Sha256Digest, Timestamp};

use crate::{
    config::{self, Config},
    failure::{Failure, Outcome},
    folder::{self, Folder},
    keys, programs,
    text::{Colour, Paint},
};

use self::dbt::Dbt;

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    path: String,
    change: Change,
    what: &'static str,
}

/// What was done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Made,
    Kept,
    Renewed,
}

impl Change {
    fn of(made: bool) -> Self {
        if made { Self::Made } else { Self::Kept }
    }
}

/// Makes what is missing and says what it did.
pub fn init(root: &Path, now: Timestamp, paint: Paint) -> Outcome<String> {
    folder::project_folder(root)?;
    let root = root.canonicalize().map_err(|e| Failure::file("open", root, &e))?;
    let folder = Folder::at(root);
    let mut steps = Vec::new();
    let dbt = dbt::find(folder.root());
    let config = project_file(&folder, dbt.as_ref(), &mut steps)?;
    // Nothing in here belongs into version control, the keys least of all.
    folder::write_new(&folder.inner(".gitignore"), b"*\n", 0o644)?;
    trust(&folder, &config, now, &mut steps)?;
    let digest = keys::root_digest(&folder, now)?;
    operator_files(&folder, &config, dbt.as_ref(), digest, now, &mut steps)?;
    Ok(told(&folder, &config, &steps, digest, paint))
}

fn project_file(folder: &Folder, dbt: Option<&Dbt>, steps: &mut Vec<Step>) -> Outcome<Config> {
    let named = folder.root().file_name().map(|name| name.to_string_lossy().into_owned());
    let name = dbt.map(|dbt| dbt.name.clone()).or(named).unwrap_or_default();
    let text = templates::project(&clean(&name), dbt.is_some());
    // A template that cannot be read back would be our own mistake; find it before it is on disk.
    config::parse(config::FILE_NAME, &text)?;
    let made = folder::write_new(&folder.config_file(), text.as_bytes(), 0o644)?;
    steps.push(Step {
        path: config::FILE_NAME.to_owned(),
        change: Change::of(made),
        what: "what the project is made of",
    });
    folder.config()
}

fn trust(folder: &Folder, config: &Config, now: Timestamp, steps: &mut Vec<Step>) -> Outcome<()> {
    let root_is_there = folder.root_file().exists();
    for (role, what) in [
        ("root", "signs the trust root; keep it offline later"),
        ("release", "signs what may run"),
        ("dispatch", "the scheduler's: signs what runs now"),
    ] {
        // A root that is there names its keys; a new key beside it would sign nothing.
        let made = if root_is_there { false } else { keys::generate(folder, role)? };
        let path = folder.shown(&folder.key_file(role));
        if made || folder.key_file(role).exists() {
            steps.push(Step { path, change: Change::of(made), what });
        }
    }
    let made = keys::make_root(folder, &config.project_id(), now, false)?;
    let path = folder.shown(&folder.root_file());
    steps.push(Step { path, change: Change::of(made), what: "the trust root: which keys may sign what" });
    Ok(())
}

fn operator_files(
    folder: &Folder,
    config: &Config,
    dbt: Option<&Dbt>,
    digest: Sha256Digest,
    now: Timestamp,
    steps: &mut Vec<Step>,
) -> Outcome<()> {
    let schemas = dbt.map(|dbt| dbt.schemas.clone()).filter(|s| !s.is_empty());
    let schemas = schemas.unwrap_or_else(|| schemas_of(config));
    let gateways: Vec<&str> = config.gateways.keys().map(cofferdam_ids::GatewayName::as_str).collect();
    let default = config.project.gateway.as_ref().map(|name| name.get_ref().as_str());
    let file = folder.gateways();
    let adapters = config.gateways.iter().map(|(name, plugin)| (name.as_str(), plugin.get_ref().as_str()));
    let text = templates::gateways(&adapters.collect::<Vec<_>>(), default, &schemas);
    let made = folder::write_new(&file, text.as_bytes(), 0o600)?;
    steps.push(Step {
        path: folder.shown(&file),
        change: Change::of(made),
        what: "the warehouses, for the executor alone",
    });

    let step = starter(folder, config, &gateways, &schemas, digest, now)?;
    steps.extend(step);
    Ok(())
}

/// The starter grant: made where there are no grants, renewed where nobody has edited it and the
/// plugins are other ones than it names.
fn starter(
    folder: &Folder,
    config: &Config,
    gateways: &[&str],
    schemas: &[String],
    digest: Sha256Digest,
    now: Timestamp,
) -> Outcome<Option<Step>> {
    let name = config.project.name.get_ref();
    let file = folder.grants().join(format!("{name}.toml"));
    let mark = folder.inner("starter-grant.sha256");
    let step =
        |change| Some(Step { path: folder.shown(&file), change, what: "what the tasks may do: read it" });
    let plugins = built(folder, config);
    let text = templates::grant(name, digest, &plugins, gateways, schemas, now);
    let Ok(there) = fs::read(&file) else {
        let other = fs::read_dir(folder.grants()).is_ok_and(|mut files| files.next().is_some());
        // An operator who has written grants of their own wants no starter beside them.
        if other {
            return Ok(None);
        }
        folder::write_new(&file, text.as_bytes(), 0o600)?;
        folder::replace(&mark, Sha256Digest::of(text.as_bytes()).to_string().as_bytes(), 0o600)?;
        return Ok(step(Change::Made));
    };
    let untouched = fs::read_to_string(&mark).is_ok_and(|mark| mark == Sha256Digest::of(&there).to_string());
    let there = String::from_utf8_lossy(&there);
    let names_them = plugins.iter().all(|(_, digest)| there.contains(&digest.to_string()));
    if !untouched || names_them {
        return Ok(step(Change::Kept));
    }
    folder::replace(&file, text.as_bytes(), 0o600)?;
    folder::replace(&mark, Sha256Digest::of(text.as_bytes()).to_string().as_bytes(), 0o600)?;
    Ok(step(Change::Renewed))
}

/// The project's plugins that are built already, by digest. Loaders are left out: they run when a
/// release is built and never meet a grant.
fn built(folder: &Folder, config: &Config) -> Vec<(String, Sha256Digest)> {
    let is_loader = |name| config.loaders.iter().any(|loader| loader.plugin.get_ref() == name);
    let digest = |entry: &String| {
        let path = programs::plugin(folder.root(), entry, None).ok()?;
        Some(Sha256Digest::of(&fs::read(path).ok()?))
    };
    let plugins = config.plugins.iter().filter(|(name, _)| !is_loader(*name));
    plugins.filter_map(|(name, entry)| Some((name.to_string(), digest(entry)?))).collect()
}

#[cfg(test)]
pub(crate) use templates::grant as starter_grant;

/// The schemas its declared tasks name; `main` where there are none.
fn schemas_of(config: &Config) -> Vec<String> {
    let relations = config.tasks.iter().flat_map(|task| task.reads.iter().chain(&task.writes));
    let mut schemas: Vec<String> = Vec::new();
    for relation in relations {
        let schema = relation.split('.').next().unwrap_or_default();
        if !schema.is_empty() && schema != "*" && !schemas.iter().any(|known| known == schema) {
            schemas.push(schema.to_owned());
        }
    }
    if schemas.is_empty() { vec!["main".to_owned()] } else { schemas }
}

/// A folder's name as a project's.
fn clean(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' })
        .take(60)
        .collect();
    if name.is_empty() { "project".to_owned() } else { name }
}

fn told(folder: &Folder, config: &Config, steps: &[Step], digest: Sha256Digest, paint: Paint) -> String {
    let mut text = format!("project {} in {}\n", config.project_id(), folder.root().display());
    for step in steps {
        let mark = match step.change {
            Change::Made => paint.paint(Colour::Green, "made   "),
            Change::Kept => paint.paint(Colour::Dim, "kept   "),
            Change::Renewed => paint.paint(Colour::Yellow, "renewed"),
        };
        let line = format!("  {mark}  {:<34}  {}", step.path, step.what);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&format!(
        "trust root sha256:{digest}\n\nnext\n  \
         cofferdam up                            scheduler and executors on this machine\n  \
         cofferdam release build --sign --push   in another terminal: what may run\n  \
         cofferdam run                           run it and watch\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn tree(root: &Path) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        let mut todo = vec![root.to_owned()];
        while let Some(folder) = todo.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                match path.is_dir() {
                    true => todo.push(path),
                    false => files.push((path.display().to_string(), fs::read(&path).unwrap())),
                }
            }
        }
        files.sort();
        files
    }

    #[test]
    fn a_second_init_changes_nothing() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("dbt_project.yml"), "name: flights\nmodels:\n  +schema: marts\n").unwrap();
        let first = init(temp.path(), NOW, Paint::off()).unwrap();
        let before = tree(temp.path());
        let second = init(temp.path(), NOW.plus(std::time::Duration::from_secs(60)), Paint::off()).unwrap();
        assert_eq!(tree(temp.path()), before);
        assert!(first.contains("  made ") && !first.contains("  kept "), "{first}");
        assert!(second.contains("  kept ") && !second.contains("  made "), "{second}");
    }

    #[test]
    fn init_says_what_it_made_and_what_comes_next() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("dbt_project.yml"), "name: 'flights'\n").unwrap();
        let text = init(temp.path(), NOW, Paint::off()).unwrap();
        let text = text.replace(&*temp.path().canonicalize().unwrap().to_string_lossy(), "DIR");
        let digest = keys::root_digest(&Folder::at(temp.path()), NOW).unwrap().to_string();
        insta::assert_snapshot!(text.replace(&digest, "DIGEST"), @r"
        project prj_flights in DIR
          made     cofferdam.toml                      what the project is made of
          made     .cofferdam/keys/root.key            signs the trust root; keep it offline later
          made     .cofferdam/keys/release.key         signs what may run
          made     .cofferdam/keys/dispatch.key        the scheduler's: signs what runs now
          made     .cofferdam/trust/root.json          the trust root: which keys may sign what
          made     .cofferdam/gateways.toml            the warehouses, for the executor alone
          made     .cofferdam/grants/flights.toml      what the tasks may do: read it
        trust root sha256:DIGEST

        next
          cofferdam up                            scheduler and executors on this machine
          cofferdam release build --sign --push   in another terminal: what may run
          cofferdam run                           run it and watch
        ");
    }

    #[test]
    fn a_project_without_dbt_gets_the_schemas_of_its_tasks() {
        let temp = tempfile::tempdir().unwrap();
        let toml = "[project]\nname = \"x\"\ngateway = \"wh\"\n[plugins]\na = \"a\"\n[gateways]\nwh = \"a\"\n[[task]]\nid = \"t\"\nplugin = \"a\"\nreads = [\"raw.*\"]\nwrites = [\"marts.y\"]\n";
        fs::write(temp.path().join("cofferdam.toml"), toml).unwrap();
        init(temp.path(), NOW, Paint::off()).unwrap();
        let gateways = fs::read_to_string(temp.path().join(".cofferdam/gateways.toml")).unwrap();
        assert!(gateways.contains("schemas = [\"raw\", \"marts\"]"), "{gateways}");
    }

    #[test]
    fn an_operators_own_grant_is_not_joined_by_a_starter() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join(".cofferdam/grants")).unwrap();
        fs::write(temp.path().join(".cofferdam/grants/mine.toml"), "").unwrap();
        init(temp.path(), NOW, Paint::off()).unwrap();
        assert_eq!(fs::read_dir(temp.path().join(".cofferdam/grants")).unwrap().count(), 1);
    }
}
