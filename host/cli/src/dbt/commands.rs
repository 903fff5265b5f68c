//! The commands, from their arguments to their last line.
use std::time::Instant;

use cofferdam_ids::Timestamp;
use serde_json::Value;

use super::{
    args::{RunOperation, Shown, Work},
    artifacts::{self, Invocation},
    chosen,
    execute::{self, say},
    lines,
    manifest::{Manifest, Node},
    place::Place,
    release::{self, Extra, INLINE},
    running::{Run, args, invocation_id},
    select::Ids,
    session::Session,
    setup,
    what::What,
    work::{self, BAD_FLAG, Workplace},
};
use crate::{
    failure::{Code, Failure, Outcome},
    now, text,
};

/// There is nothing to do again.
const NO_RETRY: Code = Code(67);
/// What `retry` says of a run that went well.
const NOTHING_LEFT: &str = "Nothing to do: every node of the last run succeeded";
/// The exit code after Ctrl-C, as shells have it.
pub(super) const INTERRUPTED: u8 = 130;

/// Runs the nodes of a command.
pub(super) async fn run(what: What, work: Work, shown: Shown) -> Outcome<u8> {
    if work.inline.is_some() && !matches!(what, What::Show | What::Compile) {
        let fix = "use it with `show` or `compile`";
        return Err(Failure::new(BAD_FLAG, "--inline means nothing to this command", fix));
    }
    let at = now();
    if what == What::Show && work.inline.is_none() && work.select.is_empty() && work.selector.is_none() {
        let fix = "name a node with --select, or a statement with --inline";
        return Err(Failure::new(BAD_FLAG, "nothing says what to show", fix));
    }
    let mut extra = Extra::inline(&work);
    let workplace = work::open(&work, &extra, at)?;
    let manifest = workplace.manifest()?;
    let ids = if work.inline.is_some() {
        let end = format!(".{INLINE}");
        manifest
            .nodes
            .keys()
            .filter(|id| id.starts_with("analysis.") && id.ends_with(&end))
            .cloned()
            .collect()
    } else {
        let ids = workplace.select(&work, &manifest, &[what.kinds(), what.counted()].concat())?;
        if what == What::Show { named(&work, &manifest, ids) } else { ids }
    };
    let workplace = work::defer(workplace, &work, &mut extra, &ids, at)?;
    go(Asked { what, work: &work, shown, call: None }, workplace, &manifest, ids, at).await
}

/// Of what is selected, what the selectors name themselves; all but tests where they name none.
pub(super) fn named(work: &Work, manifest: &Manifest, ids: Ids) -> Ids {
    let said = |id: &String| {
        let name = manifest.node(id).map_or("", |node| node.name.as_str());
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.');
        work.select
            .iter()
            .flat_map(|text| text.split(word))
            .any(|text| text == name || text.rsplit('.').next() == Some(name))
    };
    if ids.iter().any(said) {
        return ids.into_iter().filter(said).collect();
    }
    let is_test = |id: &String| manifest.node(id).is_some_and(Node::is_test);
    ids.into_iter().filter(|id| !is_test(id)).collect()
}

/// Runs what did not succeed in the last run.
pub(super) async fn retry(mut work: Work) -> Outcome<u8> {
    let open =
        |status: &str| matches!(status, "error" | "fail" | "skipped" | "runtime error" | "partial success");
    let place = Place::find(&work)?;
    let folder = work.state.clone().unwrap_or_else(|| place.target.clone());
    let Some((results, whole)) = artifacts::earlier(&folder)? else {
        let fix = "run the command itself first, e.g. `cofferdam dbt build`";
        return Err(Failure::new(NO_RETRY, "there is no `run_results.json` of an earlier run", fix));
    };
    let word = whole.pointer("/args/which").and_then(Value::as_str).unwrap_or_default().to_owned();
    let text =
        |name: &str| whole.pointer(&format!("/args/{name}")).and_then(Value::as_str).map(str::to_owned);
    // What the earlier command said of variables holds again, unless this one says something else.
    let vars = || whole.pointer("/args/vars").filter(|vars| vars.is_object()).map(Value::to_string);
    work.vars = work.vars.or_else(vars);
    if let (Some(macro_name), Some(args)) = (text("macro"), text("args"))
        && word == What::Operation.word()
    {
        if !results.iter().any(|(_, status)| open(status)) {
            say(work.quiet, NOTHING_LEFT);
            return Ok(0);
        }
        return operation(RunOperation { macro_name, args, work }).await;
    }
    let Some(what) = What::read(&word) else {
        let what = format!("the last command was `{}`, which cannot be run again", text::tame(&word));
        return Err(Failure::new(NO_RETRY, what, "run the command itself"));
    };
    let left: Ids = results.into_iter().filter(|(_, status)| open(status)).map(|(id, _)| id).collect();
    if left.is_empty() {
        say(work.quiet, NOTHING_LEFT);
        return Ok(0);
    }
    let flag = |name: &str| whole.pointer(&format!("/args/{name}")).and_then(Value::as_bool).unwrap_or(false);
    work.full_refresh |= flag("full_refresh");
    work.store_failures |= flag("store_failures");
    work.empty |= flag("empty");
    work.event_time_start = work.event_time_start.or_else(|| text("event_time_start"));
    work.event_time_end = work.event_time_end.or_else(|| text("event_time_end"));
    let at = now();
    let mut extra = Extra::default();
    let workplace = work::open(&work, &extra, at)?;
    let manifest = workplace.manifest()?;
    let ids = left.into_iter().filter(|id| manifest.node(id).is_some()).collect();
    let workplace = work::defer(workplace, &work, &mut extra, &ids, at)?;
    go(Asked { what, work: &work, shown: Shown::Text, call: None }, workplace, &manifest, ids, at).await
}

/// Runs a macro.
pub(super) async fn operation(operation: RunOperation) -> Outcome<u8> {
    let args = work::map(&operation.args, "--args")?;
    let hook = release::call(&operation.macro_name, &args).ok_or_else(|| {
        let what = format!("`{}` is no name of a macro", text::tame(&operation.macro_name));
        Failure::new(BAD_FLAG, what, "name a macro of the project or of one of its packages")
    })?;
    let at = now();
    let workplace = work::open(&operation.work, &Extra { hook: Some(hook.clone()), ..Extra::default() }, at)?;
    let manifest = workplace.manifest()?;
    let ids: Ids = manifest
        .nodes
        .values()
        .filter(|node| node.resource_type == "operation" && node.raw_code.as_deref() == Some(hook.as_str()))
        .map(|node| node.unique_id.clone())
        .collect();
    if ids.is_empty() {
        let what = format!("there is no macro `{}` to run", text::tame(&operation.macro_name));
        return Err(Failure::new(BAD_FLAG, what, "name a macro of the project or of one of its packages"));
    }
    let call = Some((operation.macro_name.as_str(), operation.args.as_str()));
    let asked = Asked { what: What::Operation, work: &operation.work, shown: Shown::Text, call };
    go(asked, workplace, &manifest, ids, at).await
}

/// What is to be done, and how to tell of it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    what: What,
    work: &'a Work,
    shown: Shown,
    /// The macro of `run-operation` and its arguments.
    call: Option<(&'a str, &'a str)>,
}

/// From selected nodes to the last line.
async fn go(
    asked: Asked<'_>,
    workplace: Workplace,
    manifest: &Manifest,
    ids: Ids,
    at: Timestamp,
) -> Outcome<u8> {
    let Asked { what, work, shown, call } = asked;
    let begun = Instant::now();
    if what != What::Operation {
        workplace.write_manifest()?;
    }
    say(work.quiet, &lines::found(manifest.all()));
    let tasks = workplace.tasks();
    let nodes = execute::tasks(manifest, &tasks, ids.iter());
    if nodes.is_empty() {
        say(work.quiet, "Nothing to do: the selection holds no node this command works on");
        return nothing(what, work, &workplace).map(|()| 0);
    }
    let counted = ids.iter().filter_map(|id| manifest.node(id));
    let counted: Vec<&Node> =
        counted.filter(|node| what.counted().contains(&node.resource_type.as_str())).collect();
    let chosen = nodes.values().chain(&counted).map(|node| node.unique_id.as_str()).collect();
    let selected = chosen::set(manifest, &chosen);
    let (place, target, vars, is_bare) =
        (workplace.place.clone(), workplace.target.clone(), workplace.vars.clone(), workplace.is_bare);
    let folder = workplace.folder.clone();
    let config = workplace.project.config.clone();
    let threads = work.threads.unwrap_or(target.threads);
    let mut stale = false;
    let made = if release::signs(&folder) {
        let signed = release::signed(&folder, workplace.project, at)?;
        if is_bare {
            stale = setup::operate(&folder, &target, &signed.release, threads, at)?;
        }
        release::share_blobs(&folder, &signed.release);
        Ok(signed)
    } else {
        Err(workplace.project)
    };
    let session = tokio::select! {
        session = Session::open(&folder, &config, threads, at) => session?,
        // What was started so far ends with what waits for it.
        _ = tokio::signal::ctrl_c() => return Ok(INTERRUPTED),
    };
    if stale && session.was_up {
        say(
            false,
            "The gateway's settings changed: start `cofferdam up` again if the warehouse cannot be reached",
        );
    }
    let signed = match made {
        Ok(signed) => signed,
        Err(project) => release::newest(&session.client, &folder, &project, at).await?,
    };
    let command = Run {
        what,
        work,
        shown,
        call,
        place: &place,
        folder: &folder,
        session: &session,
        signed: &signed,
        manifest,
        tasks: &tasks,
        counted,
        selected,
        vars: &vars,
        threads,
        begun,
    };
    let outcome = command.run(nodes).await;
    session.close().await;
    outcome
}

/// Leaves the results of a run of nothing.
fn nothing(what: What, work: &Work, workplace: &Workplace) -> Outcome<()> {
    if !what.has_hooks() {
        return Ok(());
    }
    let (id, at) = (invocation_id(), now().to_string());
    let args = args(what, work, None, (&workplace.place, &workplace.vars, workplace.target.threads));
    let results = artifacts::run_results(&[], &Invocation { id: &id, at: &at, args, elapsed: 0.0 });
    let bytes = serde_json::to_vec(&results).unwrap_or_default();
    artifacts::write(&workplace.place.target, "run_results.json", &bytes)
}
