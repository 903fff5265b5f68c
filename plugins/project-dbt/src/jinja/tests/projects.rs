//! Projects that lie in a folder, read whole; and how long rendering takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::super::{Engine, Library};
use super::world::{TestWorld, library};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "sql") {
            found.push(path);
        }
    }
}

fn is_macro(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("macros" | "generic")))
}

/// The name in the nearest `dbt_project.yml` above a file.
fn package_of(path: &Path) -> Option<String> {
    let text =
        path.ancestors().find_map(|folder| std::fs::read_to_string(folder.join("dbt_project.yml")).ok())?;
    let line = text.lines().find(|line| line.starts_with("name:"))?;
    Some(line["name:".len()..].split('#').next()?.trim().trim_matches(['"', '\'']).to_owned())
}

/// Reads every macro and renders every model of the projects in `DBT_PROJECTS`, as while describing.
#[test]
#[ignore = "needs a folder with projects"]
fn public_projects_are_read_and_described() {
    let root = PathBuf::from(std::env::var("DBT_PROJECTS").unwrap());
    let mut found = Vec::new();
    files(&root, &mut found);
    found.sort();
    let mut all = Library::new("shop", "postgres");
    let mut problems = 0;
    all.shelve(crate::builtin::BLOCKS);
    for path in found.iter().filter(|path| is_macro(path)) {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let package = package_of(path).unwrap_or_else(|| "other".into());
        let shown = path.strip_prefix(&root).unwrap().display().to_string();
        for problem in all.add(&package, &shown, &text) {
            if !problem.message.contains("defined twice") {
                problems += 1;
                println!("{}:{}: {}", problem.path, problem.line, problem.message);
            }
        }
    }
    for problem in all.check() {
        problems += 1;
        println!("{}:{}: {}", problem.path, problem.line, problem.message);
    }
    println!("{} macros, {problems} problems", all.macros().count());
    let engine = Engine::new(Arc::new(all));
    let describing = std::env::var("DBT_EXECUTE").is_err();
    let mut world = TestWorld { describing, answer: super::world::answer(), ..TestWorld::default() };
    for (name, value) in [
        (
            "model",
            json!({"name": "m", "unique_id": "model.shop.m", "resource_type": "model", "config": {}, "alias": "m"}),
        ),
        ("graph", json!({"nodes": {}, "sources": {}, "exposures": {}, "metrics": {}, "groups": {}})),
        ("flags", json!({"WHICH": "run", "FULL_REFRESH": false})),
        ("invocation_id", json!("0")),
        ("dbt_version", json!("1.10.0")),
        ("schema", json!("main")),
        ("database", json!("db")),
        ("project_name", json!("shop")),
    ] {
        world.names.insert(name.into(), value);
    }
    let (mut rendered, mut failed) = (0, 0);
    let begun = Instant::now();
    for path in found.iter().filter(|path| !is_macro(path)) {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let shown = path.strip_prefix(&root).unwrap().display().to_string();
        if text.contains("{% snapshot") || text.contains("{%- snapshot") {
            continue;
        }
        let package = package_of(path).unwrap_or_else(|| "other".into());
        match engine.render(&package, &shown, &text, &world) {
            Ok(_) => rendered += 1,
            Err(why) => {
                failed += 1;
                println!("{why}");
            }
        }
    }
    println!("{rendered} rendered, {failed} not, {:?}", begun.elapsed());
}

/// How long one rendering takes.
#[test]
#[ignore = "measures"]
fn how_long_rendering_takes() {
    let files = [(
        "shop",
        "macros/a.sql",
        "{% macro cents(x, places=2) -%} round({{ x }} / 100, {{ places }}) {%- endmacro %}\n\
         {% macro star(list) %}{{ return(adapter.dispatch('star', 'shop')(list)) }}{% endmacro %}\n\
         {% macro default__star(list) %}{% for c in list %}{{ c|lower }}{% if not loop.last %}, {% endif %}{% endfor %}{% endmacro %}",
    )];
    let trivial = "{{ config(materialized='table') }}\nselect * from {{ ref('stg_orders') }}\n";
    let usual = "{{ config(materialized='table') }}\n{% set methods = ['card', 'gift', 'cash'] %}\nwith o as (select * from {{ ref('stg_orders') }})\nselect {{ star(['A', 'B', 'C', 'D']) }},\n{% for m in methods -%}\nsum(case when method = '{{ m }}' then {{ cents('amount') }} end) as {{ m }}_amount{{ ',' if not loop.last }}\n{% endfor %} from o";
    let world = TestWorld::default();
    let time = |name: &str, text: &str, many: u32, fresh: bool| {
        let engine = Engine::new(Arc::new(library(&files)));
        let begun = Instant::now();
        for _ in 0..many {
            let engine = if fresh { Engine::new(Arc::new(library(&files))) } else { engine.clone() };
            engine.render("shop", "models/m.sql", text, &world).unwrap();
            world.asked.borrow_mut().clear();
        }
        println!("{name}: {:?}", begun.elapsed() / many);
    };
    time("a trivial model", trivial, 5_000, false);
    time("a usual model", usual, 2_000, false);
    time("a usual model with an engine of its own", usual, 2_000, true);
    time(
        "100 000 turns of a loop",
        "{% set n = namespace(n=0) %}{% for i in range(100000) %}{% set n.n = n.n + i %}{% endfor %}{{ n.n }}",
        5,
        false,
    );
}
