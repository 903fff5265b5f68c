//! The commands, from their arguments to their last line.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    io::Write as _,
    path::{Component, Path},
    time::Instant,
};

use cofferdam_bundle::statement::Argument;
use cofferdam_ids::{Sha256Digest, TaskId, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    args::{Ls, RunOperation, Shown, Work},
    artifacts::{self, Invocation},
    execute::{self, Ended, Order, say},
    lines::{self, Command},
    list,
    manifest::{Manifest, Node},
    noop,
    outcome::{Done, Status},
    place::Place,
    release::{self, Extra, INLINE, Signed},
    select::Ids,
    session::Session,
    setup,
    work::{self, BAD_FLAG, Workplace},
};
use crate::{
    failure::{Code, Failure, NO_RELEASE, Outcome},
    gateways, now,
    text::{self, Colour, Paint},
};

/// There is nothing to do again.
const NO_RETRY: Code = Code(67);
/// What `retry` says of a run that went well.
const NOTHING_LEFT: &str = "Nothing to do: every node of the last run succeeded";
/// The exit code after Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Build,
    Run,
    Test,
    Seed,
    Snapshot,
    Compile,
    Show,
    Freshness,
    Docs,
    Operation,
}

impl What {
    /// As dbt's artifacts name it.
    fn word(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Run => "run",
            Self::Test => "test",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Compile => "compile",
            Self::Show => "show",
            Self::Freshness => "freshness",
            Self::Docs => "generate",
            Self::Operation => "run-operation",
        }
    }

    fn read(word: &str) -> Option<Self> {
        [Self::Build, Self::Run, Self::Test, Self::Seed, Self::Snapshot, Self::Compile, Self::Docs]
            .into_iter()
            .find(|what| what.word() == word)
    }

    /// The types of nodes it works on.
    fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Build => &["model", "seed", "snapshot", "test", "unit_test"],
            Self::Run => &["model"],
            Self::Test => &["test", "unit_test"],
            Self::Seed => &["seed"],
            Self::Snapshot => &["snapshot"],
            Self::Compile => &["model", "snapshot", "test", "analysis", "sql_operation"],
            Self::Show => &["model", "seed", "snapshot", "test", "analysis", "sql_operation"],
            Self::Freshness => &["source"],
            Self::Docs => &["model", "seed", "snapshot", "source"],
            Self::Operation => &["operation"],
        }
    }

    /// What its nodes are told, where that is another thing than their entry says.
    fn told(self) -> Option<&'static str> {
        match self {
            Self::Compile => Some("compile"),
            Self::Show => Some("show"),
            Self::Docs => Some("catalog"),
            _ => None,
        }
    }

    /// The types of nodes it only counts: nothing is to be made of them here.
    fn counted(self) -> &'static [&'static str] {
        if self == Self::Build { &["exposure", "saved_query"] } else { &[] }
    }

    fn has_hooks(self) -> bool {
        matches!(self, Self::Build | Self::Run | Self::Test | Self::Seed | Self::Snapshot)
    }
}

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
    let workplace = work::open(&work, &Extra::inline(&work), at)?;
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
    go(Asked { what, work: &work, shown }, workplace, &manifest, ids, at).await
}

/// Of what is selected, what the selectors name themselves; all but tests where they name none.
fn named(work: &Work, manifest: &Manifest, ids: Ids) -> Ids {
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
    let vars =
        |whole: &Value| whole.pointer("/args/vars").filter(|vars| vars.is_object()).map(Value::to_string);
    let place = Place::find(&work)?;
    let folder = work.state.clone().unwrap_or_else(|| place.target.clone());
    let Some((results, whole)) = artifacts::earlier(&folder)? else {
        let fix = "run the command itself first, e.g. `cofferdam dbt build`";
        return Err(Failure::new(NO_RETRY, "there is no `run_results.json` of an earlier run", fix));
    };
    let word = whole.pointer("/args/which").and_then(Value::as_str).unwrap_or_default().to_owned();
    let text =
        |name: &str| whole.pointer(&format!("/args/{name}")).and_then(Value::as_str).map(str::to_owned);
    if let (Some(macro_name), Some(args)) = (text("macro"), text("args"))
        && word == What::Operation.word()
    {
        if !results.iter().any(|(_, status)| open(status)) {
            say(work.quiet, NOTHING_LEFT);
            return Ok(0);
        }
        work.vars = work.vars.or_else(|| vars(&whole));
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
    // What the earlier command said of variables holds again, unless this one says something else.
    if work.vars.is_none() {
        work.vars = vars(&whole);
    }
    let flag = |name: &str| whole.pointer(&format!("/args/{name}")).and_then(Value::as_bool).unwrap_or(false);
    work.full_refresh |= flag("full_refresh");
    work.store_failures |= flag("store_failures");
    work.empty |= flag("empty");
    work.event_time_start = work.event_time_start.or_else(|| text("event_time_start"));
    work.event_time_end = work.event_time_end.or_else(|| text("event_time_end"));
    let at = now();
    let workplace = work::open(&work, &Extra::default(), at)?;
    let manifest = workplace.manifest()?;
    let ids = left.into_iter().filter(|id| manifest.node(id).is_some()).collect();
    go(Asked { what, work: &work, shown: Shown::Text }, workplace, &manifest, ids, at).await
}

/// Runs a macro.
pub(super) async fn operation(operation: RunOperation) -> Outcome<u8> {
    let args = work::map(&operation.args, "--args")?;
    let hook = release::call(&operation.macro_name, &args).ok_or_else(|| {
        let what = format!("`{}` is no name of a macro", text::tame(&operation.macro_name));
        Failure::new(BAD_FLAG, what, "name a macro of the project or of one of its packages")
    })?;
    let at = now();
    let workplace = work::open(&operation.work, &Extra { inline: None, hook: Some(hook.clone()) }, at)?;
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
    let asked = Asked { what: What::Operation, work: &operation.work, shown: Shown::Text };
    carry_out(asked, call, workplace, &manifest, ids, at).await
}

/// What is to be done, and how to tell of it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    what: What,
    work: &'a Work,
    shown: Shown,
}

/// From selected nodes to the last line.
async fn go(
    asked: Asked<'_>,
    workplace: Workplace,
    manifest: &Manifest,
    ids: Ids,
    at: Timestamp,
) -> Outcome<u8> {
    carry_out(asked, None, workplace, manifest, ids, at).await
}

/// The same, with the macro of `run-operation`.
async fn carry_out(
    asked: Asked<'_>,
    call: Option<(&str, &str)>,
    workplace: Workplace,
    manifest: &Manifest,
    ids: Ids,
    at: Timestamp,
) -> Outcome<u8> {
    let Asked { what, work, shown } = asked;
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
    let counted = counted.filter(|node| what.counted().contains(&node.resource_type.as_str())).collect();
    let (place, target, vars, is_bare) =
        (workplace.place.clone(), workplace.target.clone(), workplace.vars.clone(), workplace.is_bare);
    let folder = workplace.folder.clone();
    let config = workplace.project.config.clone();
    let threads = work.threads.unwrap_or(target.threads);
    let mut stale = false;
    let made = if release::signs(&folder) {
        let signed = release::signed(&folder, workplace.project, at)?;
        if is_bare {
            stale |= setup::gateway(&folder, &target, &signed.release, connections(threads))?;
            setup::grant(&folder, &signed.release, at)?;
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

/// A command that has all it needs.
struct Run<'a> {
    what: What,
    work: &'a Work,
    shown: Shown,
    /// The macro of `run-operation` and its arguments.
    call: Option<(&'a str, &'a str)>,
    place: &'a Place,
    folder: &'a crate::folder::Folder,
    session: &'a Session,
    signed: &'a Signed,
    manifest: &'a Manifest,
    tasks: &'a HashMap<String, TaskId>,
    /// Nodes that have no task.
    counted: Vec<&'a Node>,
    vars: &'a Map<String, Value>,
    threads: u32,
    begun: Instant,
}

impl<'a> Run<'a> {
    async fn run(&self, nodes: BTreeMap<TaskId, &'a Node>) -> Outcome<u8> {
        let quiet = self.work.quiet;
        self.check_told()?;
        self.hand_over().await?;
        if !self.session.objects.is_there() && !self.session.is_local {
            say(
                quiet,
                "The executors' results are not on this machine: messages and compiled code stay there (COFFERDAM_OBJECTS names their folder)",
            );
        }
        say(quiet, &format!("Concurrency: {} threads", self.threads));
        say(quiet, "");
        let id = invocation_id();
        let (mut ended, well) = self.hooks("on-run-start", &id, &[]).await?;
        if !well {
            let took = self.begun.elapsed().as_secs_f64();
            self.artifacts(&ended, &[], &id, took)?;
            return self.tell(&ended, &[], took).map(|_| 1);
        }
        let (nodes, interrupted) = execute::run(self.session, &self.order(nodes, &id)).await?;
        ended.extend(nodes);
        let counted = noop::count(self.manifest, &self.counted, &ended);
        counted.iter().for_each(|(node, done)| say(quiet, &lines::counted(node, done, Paint::stdout())));
        let mut hooks = true;
        if !interrupted {
            let (last, well) = self.hooks("on-run-end", &id, &ended).await?;
            ended.extend(last);
            hooks = well;
        }
        let took = self.begun.elapsed().as_secs_f64();
        self.artifacts(&ended, &counted, &id, took)?;
        let bad = self.tell(&ended, &counted, took)?;
        Ok(if interrupted { INTERRUPTED } else { u8::from(bad || !hooks) })
    }

    /// Gives the release to the scheduler, where it does not have it.
    async fn hand_over(&self) -> Outcome<()> {
        let client = &self.session.client;
        if !self.signed.fresh && client.release(&self.signed.sha256).await.is_ok() {
            return Ok(());
        }
        crate::release::push(client, self.folder, &self.signed.local, now()).await.map(drop)
    }

    fn order(&self, nodes: BTreeMap<TaskId, &'a Node>, id: &str) -> Order<'a> {
        let command = if self.what.told().is_some() { Command::Compile } else { Command::Run };
        Order {
            release: self.signed.sha256,
            nodes,
            params: self.params(id),
            command,
            fail_fast: self.work.fail_fast,
            quiet: self.work.quiet,
            alone: matches!(self.what, What::Test | What::Show | What::Docs | What::Freshness),
            paint: Paint::stdout(),
        }
    }

    fn params(&self, id: &str) -> Vec<Argument> {
        let mut params = Vec::new();
        let mut add = |name: &str, value: Value| {
            params.push(Argument { name: name.to_owned(), json: value.to_string() });
        };
        add("command", json!(self.what.told().unwrap_or(self.what.word())));
        if self.what == What::Show {
            add("limit", json!(self.work.limit.max(-1)));
        }
        let flags = [
            ("full_refresh", self.work.full_refresh),
            ("empty", self.work.empty),
            ("store_failures", self.work.store_failures),
        ];
        flags.iter().filter(|(_, on)| *on).for_each(|(name, _)| add(name, json!(true)));
        let times = [
            ("event_time_start", &self.work.event_time_start),
            ("event_time_end", &self.work.event_time_end),
        ];
        for (name, time) in times {
            time.iter().for_each(|time| add(name, json!(time)));
        }
        add("invocation", json!(id));
        // What the release does not name cannot be said to its tasks.
        let known = self.signed.release.tasks.iter().flat_map(|task| &task.params_schema);
        let known: std::collections::HashSet<&str> = known.map(|param| param.name.as_str()).collect();
        params.retain(|param| known.contains(param.name.as_str()));
        params
    }

    /// A release that does not know what its nodes are to be told would do something else.
    fn check_told(&self) -> Outcome<()> {
        let needed = [
            ("command", self.what.told().is_some()),
            ("full_refresh", self.work.full_refresh),
            ("empty", self.work.empty),
            ("store_failures", self.work.store_failures),
        ];
        match needed.iter().find(|(name, needed)| *needed && !self.takes(name)) {
            Some((name, _)) => Err(Failure::new(
                BAD_FLAG,
                format!("the release does not let a run say `{name}`"),
                "leave the params of [[loader]] to Cofferdam, or declare this one, and build the release again",
            )),
            None => Ok(()),
        }
    }

    /// Whether a run of the release may say this.
    fn takes(&self, name: &str) -> bool {
        let mut params = self.signed.release.tasks.iter().flat_map(|task| &task.params_schema);
        params.any(|param| param.name == name)
    }

    /// Runs the project's hooks of one kind: what came of them, and whether all went well.
    async fn hooks(&self, kind: &str, id: &str, done: &[Ended<'_>]) -> Outcome<(Vec<Ended<'a>>, bool)> {
        if !self.what.has_hooks() {
            return Ok((Vec::new(), true));
        }
        let ids = self.manifest.nodes.values();
        let ids: Vec<String> = ids
            .filter(|node| node.resource_type == "operation" && node.tags.iter().any(|tag| tag == kind))
            .map(|node| node.unique_id.clone())
            .collect();
        let nodes = execute::tasks(self.manifest, self.tasks, ids.iter());
        if nodes.is_empty() {
            return Ok((Vec::new(), true));
        }
        let mut order = self.order(nodes, id);
        let good = |one: &&Ended<'_>| !one.done.status.is_bad() && one.done.status != Status::Skipped;
        let built = done.iter().filter(good).filter(|one| one.node.relation_name.is_some());
        let schemas: BTreeSet<&str> = built.filter_map(|one| one.node.schema.as_deref()).collect();
        if !schemas.is_empty() && self.takes("schemas") {
            let json = json!(schemas.into_iter().collect::<Vec<_>>().join(" ")).to_string();
            order.params.push(Argument { name: "schemas".to_owned(), json });
        }
        let (mut ended, interrupted) = execute::run(self.session, &order).await?;
        let bad = ended.iter().any(|one| one.done.status.is_bad() || one.done.status == Status::Skipped);
        for one in ended.iter_mut().filter(|one| one.done.status == Status::Success) {
            // `shop-on-run-end-0` is told as dbt tells it.
            let index = one.node.name.rsplit('-').next().unwrap_or_default();
            one.done.message = Some(format!("{}.{kind}.{index} passed", one.node.package_name));
            one.done.failures = Some(0);
        }
        Ok((ended, !bad && !interrupted))
    }

    fn artifacts(&self, ended: &[Ended<'_>], counted: &[(&Node, Done)], id: &str, took: f64) -> Outcome<()> {
        let at = now().to_string();
        let invocation = Invocation {
            id,
            at: &at,
            args: args(self.what, self.work, self.call, (self.place, self.vars, self.threads)),
            elapsed: took,
        };
        let results: Vec<_> = ended
            .iter()
            .map(|one| artifacts::Result { node: one.node, done: &one.done, thread: one.thread })
            .chain(counted.iter().map(|(node, done)| artifacts::Result { node, done, thread: 1 }))
            .collect();
        let target = &self.place.target;
        let kept = |one: &Ended<'_>, name: &str| -> Option<Value> {
            let bytes = self.session.objects.kept(&one.run, &one.task, name)?;
            serde_json::from_slice(&bytes).ok()
        };
        match self.what {
            What::Freshness => {
                let results: Vec<_> =
                    ended.iter().map(|one| (one.node, &one.done, kept(one, "result.json"))).collect();
                let bytes = serde_json::to_vec(&artifacts::sources(&results, &invocation));
                return artifacts::write(target, "sources.json", &bytes.unwrap_or_default());
            }
            What::Docs => {
                let found: Vec<_> =
                    ended.iter().filter_map(|one| Some((one.node, kept(one, "catalog.json")?))).collect();
                let errors: Vec<String> = ended
                    .iter()
                    .filter(|one| one.done.status.is_bad())
                    .map(|one| {
                        format!("{}: {}", one.node.unique_id, one.done.message.clone().unwrap_or_default())
                    })
                    .collect();
                let bytes = serde_json::to_vec(&artifacts::catalog(&found, &errors, &invocation));
                artifacts::write(target, "catalog.json", &bytes.unwrap_or_default())?;
            }
            _ => {}
        }
        artifacts::write_sql(target, &results)?;
        let bytes = serde_json::to_vec(&artifacts::run_results(&results, &invocation));
        artifacts::write(target, "run_results.json", &bytes.unwrap_or_default())
    }

    /// Prints what a command ends with; says whether something failed.
    fn tell(&self, ended: &[Ended<'_>], counted: &[(&Node, Done)], took: f64) -> Outcome<bool> {
        let bad = ended.iter().any(|one| {
            one.done.status.is_bad()
                || (self.work.warn_error && one.done.status == Status::Warn)
                || (one.done.status == Status::Skipped && self.what.told().is_some())
        });
        let counted = counted.iter().map(|(node, done)| (*node, done));
        let results: Vec<(&Node, &Done)> =
            ended.iter().map(|one| (one.node, &one.done)).chain(counted).collect();
        if !bad && self.what == What::Show {
            self.show(ended)?;
            return Ok(false);
        }
        if !bad && self.what == What::Compile {
            self.compiled(ended);
            let count = text::count(ended.len() as u64, "node");
            say(
                self.work.quiet,
                &format!("Compiled {count} into {}", self.place.target.join("compiled").display()),
            );
            return Ok(false);
        }
        if !bad && self.what == What::Docs {
            let where_to = self.place.target.display();
            say(
                self.work.quiet,
                &format!(
                    "Wrote manifest.json and catalog.json to {where_to}; the page that shows them is dbt's own: copy its index.html beside them"
                ),
            );
            return Ok(false);
        }
        if !self.work.quiet || bad {
            let time = std::time::Duration::from_secs_f64(took);
            say(self.work.quiet, "");
            let count = text::count(results.len() as u64, "node");
            say(self.work.quiet, &format!("Finished running {count} in {}", text::duration(time)));
            print(&lines::summary(&results, Paint::stdout()));
        }
        Ok(bad)
    }

    /// Prints what was compiled of the nodes that the command names.
    fn compiled(&self, ended: &[Ended<'_>]) {
        let ids = || ended.iter().map(|one| one.node.unique_id.clone()).collect::<Ids>();
        let named = match (self.work.inline.is_some(), self.work.select.is_empty()) {
            (true, _) => ids(),
            (_, true) => return,
            _ => {
                let named = named(self.work, self.manifest, ids());
                if named.len() == ended.len() && ended.len() > 1 { Ids::new() } else { named }
            }
        };
        for one in ended.iter().filter(|one| named.contains(&one.node.unique_id)) {
            let code = one.done.compiled.as_deref().unwrap_or_default();
            let name = &one.node.name;
            match (self.shown, named.len()) {
                (Shown::Json, _) => print(&format!("{}\n", json!({"node": name, "compiled": code}))),
                (Shown::Text, 1) => print(&format!("{code}\n")),
                (Shown::Text, _) => print(&format!("Compiled node '{}' is:\n{code}\n", text::tame(name))),
            }
        }
    }

    fn show(&self, ended: &[Ended<'_>]) -> Outcome<()> {
        for one in ended {
            let Some(bytes) = self.session.objects.kept(&one.run, &one.task, "show.json") else { continue };
            let rows: list::Rows = serde_json::from_slice(&bytes).map_err(|error| {
                let fix = "install programs and plugins of one version of Cofferdam";
                Failure::new(NO_RELEASE, "the rows cannot be read", fix).because(&error)
            })?;
            if self.shown == Shown::Json {
                let shown = json!({"node": one.node.name, "show": list::json(&rows)});
                print(&format!("{shown}\n"));
            } else {
                let head = format!("Previewing node '{}':", text::tame(&one.node.name));
                print(&format!("{head}\n{}", list::table(&rows)));
            }
        }
        Ok(())
    }
}

/// What `run_results.json` says of how the command was asked.
fn args(
    what: What,
    work: &Work,
    call: Option<(&str, &str)>,
    workplace: (&Place, &Map<String, Value>, u32),
) -> Map<String, Value> {
    let (place, vars, threads) = workplace;
    let args = json!({
        "which": what.word(), "select": work.select, "exclude": work.exclude,
        "selector": work.selector, "vars": vars, "full_refresh": work.full_refresh,
        "fail_fast": work.fail_fast, "store_failures": work.store_failures, "empty": work.empty,
        "event_time_start": work.event_time_start, "event_time_end": work.event_time_end,
        "macro": call.map(|call| call.0), "args": call.map(|call| call.1),
        "threads": threads, "project_dir": place.root, "invocation_command":
            format!("cofferdam dbt {}", what.word()),
    });
    args.as_object().cloned().unwrap_or_default()
}

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

/// Connections a pool holds at most: nodes of this command, of another one, and what looks around.
fn connections(threads: u32) -> u32 {
    threads * 2 + 4
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
        setup::gateway(&folder, &target, &signed.release, connections(threads))?;
        setup::grant(&folder, &signed.release, at)?;
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
        let threads = target.threads;
        let signed = release::signed(&folder, workplace.project, at)?;
        setup::gateway(&folder, &target, &signed.release, connections(threads))?;
    }
    let test = crate::args::Gateway::Test { name: Some(setup::GATEWAY.to_owned()), mode: None };
    gateways::ask(Some(&workplace.place.root), &test)
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

fn invocation_id() -> String {
    let mut bytes = [0; 16];
    let _ = getrandom::fill(&mut bytes);
    let hex = Sha256Digest::of(&bytes).to_string();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

/// Prints text. A reader that has gone away is no failure.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
