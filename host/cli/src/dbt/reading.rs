//! Commands that run no node: `ls`, `parse`, `debug`, `clean`, `deps`.
//!
//! In: arguments, the project's folder. Out: text, `target/manifest.json`.
//! Never: starts a scheduler; deletes anything outside of the project.
//! Fails: as reading a project does, and with `CD0066`.
//! Source: dbt's own behaviour.

use std::{
    fs,
    io::Write as _,
    path::{Component, Path},
    time::Instant,
};

use serde_json::Value;

use super::{
    args::{Ls, Work},
    execute::say,
    lines, list,
    place::Place,
    release::{self, Extra},
    setup,
    work::{self, BAD_FLAG},
};
use crate::{
    failure::{Failure, Outcome},
    gateways, now,
    text::{self, Colour, Paint},
};

/// Lists nodes.
pub(super) fn ls(ls: &Ls) -> Outcome<u8> {
    let workplace = work::open(&Work { quiet: true, ..ls.work.clone() }, &Extra::default(), now())?;
    let manifest = workplace.manifest()?;
    workplace.write_manifest()?;
    let kinds = [
        "model",
        "seed",
        "snapshot",
        "test",
        "unit_test",
        "source",
        "exposure",
        "metric",
        "semantic_model",
        "saved_query",
        "analysis",
    ];
    let ids = workplace.select(&ls.work, &manifest, &kinds)?;
    let whole: Value = if ls.output == super::args::Output::Json {
        serde_json::from_slice(&workplace.manifest_bytes).unwrap_or_default()
    } else {
        Value::Null
    };
    let group = |id: &str| match id.split('.').next().unwrap_or_default() {
        kind @ ("source" | "exposure" | "metric" | "semantic_model" | "unit_test") => format!("{kind}s"),
        "saved_query" => "saved_queries".to_owned(),
        _ => "nodes".to_owned(),
    };
    let mut out = String::new();
    for node in ids.iter().filter_map(|id| manifest.node(id)) {
        let raw = whole.get(group(&node.unique_id)).and_then(|nodes| nodes.get(&node.unique_id));
        out.push_str(&list::line(node, raw, ls.output, &ls.output_keys));
        out.push('\n');
    }
    if out.is_empty() {
        say(ls.work.quiet, "No nodes selected");
    }
    print(&out);
    Ok(0)
}

/// Reads the project.
pub(super) fn parse(work: &Work) -> Outcome<u8> {
    let (begun, at) = (Instant::now(), now());
    let workplace = work::open(work, &Extra::default(), at)?;
    workplace.write_manifest()?;
    say(work.quiet, &lines::found(workplace.manifest()?.all()));
    let file = workplace.place.target.join("manifest.json");
    if workplace.is_bare && !workplace.folder.inner("dbt/grants").exists() {
        // So that `cofferdam up` finds all it needs after this command too.
        let (folder, target) = (workplace.folder.clone(), workplace.target.clone());
        let threads = work.threads.unwrap_or(target.threads);
        let signed = release::signed(&folder, workplace.project, at)?;
        setup::operate(&folder, &target, &signed.release, threads, at)?;
    }
    say(work.quiet, &format!("Wrote {} after {:.2}s", file.display(), begun.elapsed().as_secs_f64()));
    Ok(0)
}

/// Says what is set up and asks the executor to try the gateway.
pub(super) fn debug(work: &Work) -> Outcome<u8> {
    let at = now();
    let workplace = work::open(work, &Extra::default(), at)?;
    let (place, target, folder) = (&workplace.place, &workplace.target, &workplace.folder);
    let adapter = target.adapter();
    print(&format!(
        "project  {} in {}\nprofile  {}, target {}: {} by {adapter}, schema {}, {} threads\n",
        text::tame(&place.name),
        place.root.display(),
        text::tame(&target.profile),
        text::tame(&target.name),
        target.kind,
        text::tame(&target.schema),
        target.threads,
    ));
    if workplace.is_bare {
        let (target, folder) = (target.clone(), folder.clone());
        let signed = release::signed(&folder, workplace.project, at)?;
        setup::gateway(&folder, &target, &signed.release, target.threads)?;
    }
    let test = crate::args::Gateway::Test { name: Some(setup::GATEWAY.to_owned()), mode: None };
    gateways::ask_whether_it_works(Some(&workplace.place.root), &test)
}

/// Deletes what `clean-targets` names, inside of the project alone.
pub(super) fn clean(work: &Work) -> Outcome<u8> {
    let place = Place::find(work)?;
    for name in &place.clean_targets {
        let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        let path = place.root.join(name);
        if !inside || name.is_empty() {
            let what =
                format!("`clean-targets` names `{}`, which is not inside the project", text::tame(name));
            return Err(Failure::new(BAD_FLAG, what, "name folders of the project"));
        }
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path).map_err(|e| Failure::file("delete", &path, &e))?;
            say(work.quiet, &format!("Deleted {}", text::tame(name)));
        }
    }
    say(work.quiet, "Finished cleaning");
    Ok(0)
}

/// Packages are code from elsewhere: they are fetched by whoever answers for the project.
pub(super) fn deps(work: &Work) -> Outcome<u8> {
    let place = Place::find(work)?;
    let there = fs::read_dir(&place.packages).map_or(0, Iterator::count);
    let folder = place.packages.strip_prefix(&place.root).unwrap_or(&place.packages).display();
    print(&format!(
        "{}\n{folder}/ holds {}. `local:` packages are read where they lie. To fetch others, run `dbt deps`,\n\
         or put each into {folder}/<name>/; they become part of the signed release like the project's own files.\n",
        Paint::stdout().paint(Colour::Bold, "Cofferdam fetches no packages."),
        text::count(there as u64, "package"),
    ));
    Ok(0)
}

/// Prints text. A reader that has gone away is no failure.
pub(super) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
