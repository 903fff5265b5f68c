//! One command at work: hooks, nodes, results, the last line.
//!
//! In: a session, a signed release, the chosen nodes. Out: lines, `target/`, an exit code.
//! Never: runs nodes where a hook before them failed.
//! Fails: as the scheduler does, and with `CD0066` where the release does not take what was asked.
//! Source: dbt's own behaviour.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Instant,
};

use cofferdam_bundle::statement::Argument;
use cofferdam_ids::{Sha256Digest, TaskId};
use serde_json::{Map, Value, json};

use super::{
    args::{Shown, Work},
    artifacts::{self, Invocation},
    chosen,
    commands::{INTERRUPTED, named},
    execute::{self, Ended, Order, say},
    lines::{self, Command},
    list,
    manifest::{Manifest, Node},
    noop,
    outcome::{Done, Status},
    place::Place,
    reading::print,
    release::Signed,
    select::Ids,
    session::Session,
    what::What,
    work::BAD_FLAG,
};
use crate::{
    failure::{Failure, NO_RELEASE, Outcome},
    now,
    text::{self, Paint},
};

/// Runs whose results hooks are led to: as many as fit into one parameter.
const RUNS_MAX: usize = 90;

/// A command that has all it needs.
pub(super) struct Run<'a> {
    pub(super) what: What,
    pub(super) work: &'a Work,
    pub(super) shown: Shown,
    /// The macro of `run-operation` and its arguments.
    pub(super) call: Option<(&'a str, &'a str)>,
    pub(super) place: &'a Place,
    pub(super) folder: &'a crate::folder::Folder,
    pub(super) session: &'a Session,
    pub(super) signed: &'a Signed,
    pub(super) manifest: &'a Manifest,
    pub(super) tasks: &'a HashMap<String, TaskId>,
    /// Nodes that have no task.
    pub(super) counted: Vec<&'a Node>,
    /// The chosen nodes, as a set.
    pub(super) selected: Option<String>,
    pub(super) vars: &'a Map<String, Value>,
    pub(super) threads: u32,
    pub(super) begun: Instant,
}

impl<'a> Run<'a> {
    /// Runs the nodes, the hooks around them, and tells of both.
    pub(super) async fn run(&self, nodes: BTreeMap<TaskId, &'a Node>) -> Outcome<u8> {
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
        let (mut ended, well) = self.hooks("on-run-start", &id, nodes.values().copied(), &[], &[]).await?;
        if !well {
            let took = self.begun.elapsed().as_secs_f64();
            self.artifacts(&ended, &[], &id, took)?;
            return self.tell(&ended, &[], took).map(|_| 1);
        }
        let mut order = self.order(nodes, &id);
        // What hooks before the run left is there for the nodes.
        order.params.extend(self.runs(&ended));
        let (nodes, interrupted) = execute::run(self.session, &order).await?;
        ended.extend(nodes);
        let counted = noop::count(self.manifest, &self.counted, &ended);
        counted.iter().for_each(|(node, done)| say(quiet, &lines::counted(node, done, Paint::stdout())));
        let mut hooks = true;
        if !interrupted {
            let built = ended.iter().filter(|one| !one.done.status.is_undone()).map(|one| one.node);
            let (last, well) = self.hooks("on-run-end", &id, built, &ended, &counted).await?;
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
        self.flags().iter().filter(|(_, on)| *on).for_each(|(name, _)| add(name, json!(true)));
        let times = [
            ("event_time_start", &self.work.event_time_start),
            ("event_time_end", &self.work.event_time_end),
        ];
        for (name, time) in times {
            time.iter().for_each(|time| add(name, json!(time)));
        }
        add("invocation", json!(id));
        if let Some(set) = &self.selected {
            add("selected", json!(set));
        }
        // What the release does not name cannot be said to its tasks.
        params.retain(|param| self.takes(&param.name));
        params
    }

    /// What is asked of nodes that is on or off.
    fn flags(&self) -> [(&'static str, bool); 3] {
        [
            ("full_refresh", self.work.full_refresh),
            ("empty", self.work.empty),
            ("store_failures", self.work.store_failures),
        ]
    }

    /// A release that does not know what its nodes are to be told would do something else.
    fn check_told(&self) -> Outcome<()> {
        let command = [("command", self.what.told().is_some())];
        match command.iter().chain(&self.flags()).find(|(name, needed)| *needed && !self.takes(name)) {
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

    /// What leads an attempt to what attempts of these runs left.
    fn runs(&self, done: &[Ended<'_>]) -> Option<Argument> {
        let mut runs: Vec<&str> = Vec::new();
        for one in done.iter().rev() {
            if !runs.contains(&one.run.as_str()) {
                runs.push(&one.run);
            }
        }
        // The last ones are the ones that count; a hook says so where it finds fewer than there were.
        runs.truncate(RUNS_MAX);
        runs.reverse();
        let json = json!(runs.join(" ")).to_string();
        let takes = !runs.is_empty() && self.takes("runs");
        takes.then(|| Argument { name: "runs".to_owned(), json })
    }

    /// What leads hooks behind a run to what came of its nodes: where it lies, and what was skipped.
    fn results(&self, done: &[Ended<'_>], counted: &[(&Node, Done)]) -> Vec<Argument> {
        let all = done.iter().map(|one| (one.node, &one.done));
        let all = all.chain(counted.iter().map(|(node, done)| (*node, done)));
        let skipped = all.filter(|(_, done)| done.status == Status::Skipped);
        let skipped = skipped.map(|(node, _)| node.unique_id.as_str()).collect();
        let set = chosen::set(self.manifest, &skipped).filter(|_| !done.is_empty() && self.takes("skipped"));
        let set = set.map(|set| Argument { name: "skipped".to_owned(), json: json!(set).to_string() });
        self.runs(done).into_iter().chain(set).collect()
    }

    /// Runs the project's hooks of one kind: what came of them, and whether all went well. Those before
    /// the nodes find the schemas of all `nodes`, those behind are told the schemas of the built ones.
    async fn hooks(
        &self,
        kind: &str,
        id: &str,
        nodes: impl Iterator<Item = &Node>,
        done: &[Ended<'_>],
        counted: &[(&Node, Done)],
    ) -> Outcome<(Vec<Ended<'a>>, bool)> {
        if !self.what.has_hooks() {
            return Ok((Vec::new(), true));
        }
        let ids = self.manifest.nodes.values();
        let ids: Vec<String> = ids
            .filter(|node| node.resource_type == "operation" && node.tags.iter().any(|tag| tag == kind))
            .map(|node| node.unique_id.clone())
            .collect();
        let tasks = execute::tasks(self.manifest, self.tasks, ids.iter());
        if tasks.is_empty() {
            return Ok((Vec::new(), true));
        }
        let mut order = self.order(tasks, id);
        let relations = nodes.filter(|node| node.relation_name.is_some());
        let schemas: BTreeSet<&str> = relations.filter_map(|node| node.schema.as_deref()).collect();
        if !schemas.is_empty() && self.takes("schemas") {
            let json = json!(schemas.into_iter().collect::<Vec<_>>().join(" ")).to_string();
            order.params.push(Argument { name: "schemas".to_owned(), json });
        }
        order.params.extend(self.results(done, counted));
        let (mut ended, interrupted) = execute::run(self.session, &order).await?;
        let bad = ended.iter().any(|one| one.done.status.is_undone());
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
                let results: Vec<_> = ended
                    .iter()
                    .zip(results)
                    .map(|(one, result)| (result, kept(one, "result.json")))
                    .collect();
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
pub(super) fn args(
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

/// An id for this invocation, in a UUID's form.
pub(super) fn invocation_id() -> String {
    let mut bytes = [0; 16];
    let _ = getrandom::fill(&mut bytes);
    let hex = Sha256Digest::of(&bytes).to_string();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}
