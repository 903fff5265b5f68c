//! `cargo xtask parity PROJECT`: runs a project in dbt's format with dbt-core and with Cofferdam on
//! the same empty schemas of the same PostgreSQL, and compares what came of it: every relation row
//! by row and type by type, every node's outcome, every statement.
//!
//! In: a folder with a project and its packages. Out: a report, and everything it rests on under
//! `target/parity/`. Never: fetches a project, or changes the folder it was given.
//! Fails: where anything differs.

mod relation;
mod report;
mod results;
mod rows;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    data::server::Server,
    dbt::{Target, copy, ours::Ours, peers::Peer, project_key},
    guests, step,
};
use relation::Relation;
use report::{Report, Stage};

/// The database projects are built in: both sides see the same name, one after the other.
const DATABASE: &str = "parity";

/// A file of a project that lists the commands to compare, a line each.
const STEPS: &str = "parity.steps";

/// What to compare.
#[derive(Args)]
pub(crate) struct Parity {
    /// The project's folder, its packages in place.
    project: PathBuf,
    /// Only these nodes.
    #[arg(long, value_name = "NODES")]
    select: Vec<String>,
    /// Not these nodes.
    #[arg(long, value_name = "NODES")]
    exclude: Vec<String>,
    /// Variables, as YAML.
    #[arg(long)]
    vars: Option<String>,
    /// The schema of what names none.
    #[arg(long, default_value = "analytics")]
    target_schema: String,
    /// Nodes at once.
    #[arg(long, default_value_t = 4)]
    threads: u32,
    /// A command; give it again for a further one [default: the project's parity.steps, or seed, build, build].
    #[arg(long = "step", value_name = "COMMAND")]
    steps: Vec<String>,
    /// A column whose values are of the moment: `column`, `relation.column` or `schema.relation.column`.
    #[arg(long, value_name = "COLUMN")]
    ignore_column: Vec<String>,
    /// Run dbt-core twice first: columns that differ between its own runs are ignored.
    #[arg(long)]
    find_volatile: bool,
    /// SQL run in the empty database first, as the project's role.
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// Take programs and components as they lie under `target/`.
    #[arg(long)]
    no_build: bool,
    /// Lists every node whose SQL or message differs, not the first ten alone.
    #[arg(long)]
    all: bool,
}

/// One side's results after each step.
type Outcomes = Vec<BTreeMap<String, results::Outcome>>;

/// Runs both and compares.
pub(crate) fn run(asked: &Parity) -> Result<()> {
    let project = asked.project.canonicalize().context("the project's folder")?;
    let guests = prepare(asked.no_build)?;
    Peer::Core.prepare()?;
    let label = project_key(&project, "name")?;
    let place = step::target().join("parity").join(&label);
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    let server = Server::start()?;
    let both = Both { asked, project: &project, place: &place, server: &server };
    let volatile = if asked.find_volatile { both.volatile()? } else { BTreeSet::new() };
    let theirs = both.core("core")?;
    let ours = both.ours(&guests)?;
    let report = both.compare(&theirs, &ours, &volatile)?;
    let text = report.text(asked.all);
    fs::write(place.join("report.txt"), report.text(true))?;
    println!("{text}\nEverything lies in {}", place.display());
    if !report.is_equal() {
        bail!("{label}: not the same");
    }
    Ok(())
}

fn prepare(no_build: bool) -> Result<PathBuf> {
    if no_build {
        return Ok(step::target().join("guests"));
    }
    let built = guests::build()?;
    step::run("build the programs", step::cargo().args(["build", "--quiet", "--workspace", "--bins"]))?;
    Ok(built)
}

/// Both sides of a comparison.
struct Both<'a> {
    asked: &'a Parity,
    project: &'a Path,
    place: &'a Path,
    server: &'a Server,
}

impl Both<'_> {
    fn target(&self) -> Target {
        Target {
            port: self.server.port.clone(),
            database: DATABASE.to_owned(),
            schema: self.asked.target_schema.clone(),
            threads: self.asked.threads,
        }
    }

    /// The commands, with what was asked for.
    fn steps(&self) -> Vec<Vec<String>> {
        let words = |step: &str| step.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let given = self.asked.steps.iter().map(|s| words(s)).collect::<Vec<_>>();
        let mut steps = given;
        if let (true, Ok(listed)) = (steps.is_empty(), fs::read_to_string(self.project.join(STEPS))) {
            steps = listed.lines().map(words).collect();
        }
        if steps.is_empty() {
            steps = ["seed", "build", "build"].map(words).to_vec();
        }
        for step in &mut steps {
            let seeds_alone = step.first().is_some_and(|s| s == "seed");
            for (flag, values) in [("--select", &self.asked.select), ("--exclude", &self.asked.exclude)] {
                if !values.is_empty() && !seeds_alone {
                    step.push(flag.to_owned());
                    step.extend(values.iter().cloned());
                }
            }
            if let Some(vars) = &self.asked.vars {
                step.extend(["--vars".to_owned(), vars.clone()]);
            }
        }
        steps
    }

    fn database(&self, side: &str, step: usize) -> String {
        format!("{DATABASE}_{side}_{step}")
    }

    fn fresh(&self) -> Result<()> {
        let target = self.target();
        target.create(self.server)?;
        if let Some(file) = &self.asked.before {
            let mut psql = self.server.client_of(DATABASE);
            psql.env("PGOPTIONS", format!("-c role={}", crate::dbt::ROLE)).arg("-f").arg(file);
            step::capture("psql", &mut psql)?;
        }
        Ok(())
    }

    /// dbt-core's side: each step's results, and a copy of the database after each.
    fn core(&self, side: &str) -> Result<Outcomes> {
        println!("==> {}", Peer::Core.name());
        self.fresh()?;
        let (state, project) = (self.place.join(side), self.place.join(format!("{side}-project")));
        copy(self.project, &project)?;
        fs::create_dir_all(&state)?;
        let profile = self.target().profile(&project_key(self.project, "profile")?);
        fs::write(state.join("profiles.yml"), profile)?;
        let mut outcomes = Outcomes::new();
        for (number, step) in self.steps().iter().enumerate() {
            Peer::Core.run(&project, &state, step, &format!("{number}.log"))?;
            outcomes.push(results::read(&state.join("target"))?);
            self.target().keep(self.server, &self.database(side, number))?;
        }
        Ok(outcomes)
    }

    /// Ours, likewise. A command that did not run has no results, which the report then says.
    fn ours(&self, guests: &Path) -> Result<Outcomes> {
        println!("==> Cofferdam");
        self.fresh()?;
        let ours = Ours::place(self.project, &self.place.join("ours"), guests, "debug", &self.target())?;
        let mut outcomes = Outcomes::new();
        for (number, step) in self.steps().iter().enumerate() {
            let log = self.place.join(format!("ours-{number}.log"));
            let _ = fs::remove_file(ours.target().join("run_results.json"));
            let done = ours.dbt(step, &log).and_then(|_| results::read(&ours.target()));
            outcomes.push(done.unwrap_or_else(|error| {
                println!("    {error:#}");
                BTreeMap::new()
            }));
            self.target().keep(self.server, &self.database("ours", number))?;
        }
        Ok(outcomes)
    }

    /// Columns that differ between two runs of dbt-core, as `schema.relation.column`.
    fn volatile(&self) -> Result<BTreeSet<String>> {
        self.core("first")?;
        self.core("second")?;
        let mut found = BTreeSet::new();
        for step in 0..self.steps().len() {
            let (a, b) = (self.database("first", step), self.database("second", step));
            let (first, second) = (|| self.server.client_of(&a), || self.server.client_of(&b));
            let relations = relation::read(&mut first())?;
            for (name, columns) in differing(&first, &second, &relations, &BTreeSet::new())? {
                let columns = rows::differing_columns(&first, &second, &name, &columns)?;
                found.extend(columns.into_iter().map(|column| format!("{name}.{column}")));
            }
        }
        Ok(found)
    }

    fn compare(&self, theirs: &Outcomes, ours: &Outcomes, volatile: &BTreeSet<String>) -> Result<Report> {
        let ignored: BTreeSet<String> = self.asked.ignore_column.iter().chain(volatile).cloned().collect();
        let mut report = Report { ignored: ignored.iter().cloned().collect(), ..Report::default() };
        for (number, step) in self.steps().iter().enumerate() {
            let mut stage = Stage { step: step.join(" "), nodes: theirs[number].len(), ..Stage::default() };
            stage.core_good = theirs[number].values().filter(|o| o.is_good()).count();
            stage.our_good = ours[number].values().filter(|o| o.is_good()).count();
            stage.results = results::compare(&theirs[number], &ours[number]);
            let (a, b) = (self.database("core", number), self.database("ours", number));
            self.relations(
                &|| self.server.client_of(&a),
                &|| self.server.client_of(&b),
                &ignored,
                &mut stage,
            )?;
            report.stages.push(stage);
        }
        let manifests = (self.place.join("core/target"), self.place.join("ours/target"));
        report.manifest = results::compare_manifests(&manifests.0, &manifests.1)
            .unwrap_or_else(|error| vec![format!("{error:#}")]);
        Ok(report)
    }

    fn relations(
        &self,
        theirs: rows::Connect<'_>,
        ours: rows::Connect<'_>,
        ignored: &BTreeSet<String>,
        stage: &mut Stage,
    ) -> Result<()> {
        let (a, b) = (relation::read(&mut theirs())?, relation::read(&mut ours())?);
        stage.relations = a.len();
        stage.others = listed(&relation::others(&mut theirs())?, &relation::others(&mut ours())?);
        let mut differences: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, relation) in &a {
            let found = match b.get(name) {
                Some(other) => relation::differences(relation, other),
                None => vec!["not there".to_owned()],
            };
            if b.get(name).is_some_and(|other| other.text != relation.text) {
                stage.views.push(name.clone());
            }
            if !found.is_empty() {
                differences.insert(name.clone(), found);
            }
        }
        for name in b.keys().filter(|name| !a.contains_key(*name)) {
            differences.insert(name.clone(), vec!["too many".to_owned()]);
        }
        let both = a.into_iter().filter(|(name, _)| b.contains_key(name)).collect();
        for (name, columns) in differing(theirs, ours, &both, ignored)? {
            let found = rows::differences(theirs, ours, &name, &columns)?;
            differences.entry(name).or_default().extend(found);
        }
        stage.differences = differences;
        Ok(())
    }
}

/// Relations whose rows differ, with the columns that count.
fn differing(
    theirs: rows::Connect<'_>,
    ours: rows::Connect<'_>,
    relations: &BTreeMap<String, Relation>,
    ignored: &BTreeSet<String>,
) -> Result<Vec<(String, Vec<String>)>> {
    let counted: BTreeMap<String, Vec<String>> = relations
        .iter()
        .map(|(name, relation)| (name.clone(), rows::counted(relation, name, ignored)))
        .collect();
    let (a, b) = (rows::sums(theirs, &counted)?, rows::sums(ours, &counted)?);
    Ok(counted.into_iter().filter(|(name, _)| a.get(name) != b.get(name)).collect())
}

/// Lines that stand on one side alone.
fn listed(theirs: &[String], ours: &[String]) -> Vec<String> {
    let missing = theirs.iter().filter(|l| !ours.contains(l)).map(|l| format!("{l}: not there"));
    let more = ours.iter().filter(|l| !theirs.contains(l)).map(|l| format!("{l}: too many"));
    missing.chain(more).collect()
}

#[cfg(test)]
mod tests;
