//! `cargo xtask bench dbt`: projects in dbt's format under Cofferdam and, in the same run and on the
//! same PostgreSQL, under dbt-core and its successor in Rust. Writes `docs/benchmarks-dbt.md`.
//!
//! In: the checkout, and PyPI for the peers. Out: the page. Never: measures with a guard switched off:
//! sandbox, signatures, grants and ledger are on. Fails: where Cofferdam does; a peer that cannot be
//! had or does not run a project is said and left out.

mod contenders;
mod measure;
mod page;
mod projects;

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    bench::build_release,
    data::server::Server,
    dbt::{Target, peers::Peer},
    guests, step,
};
use contenders::{Contender, Runs};
use measure::{Cost, Look};
use projects::Project;

/// The database.
const DATABASE: &str = "bench";
/// The schema.
const SCHEMA: &str = "analytics";

/// What to measure.
#[derive(Args)]
pub(crate) struct DbtBench {
    /// Rounds of each measure; the middle one counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Sizes of the projects of trivial models.
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000")]
    models: Vec<usize>,
    /// Leave this contender out.
    #[arg(long, value_parser = ["cofferdam", "dbt-core", "dbt-2"])]
    without: Vec<String>,
    /// Nodes at once.
    #[arg(long, default_value_t = 4)]
    threads: u32,
    /// Only projects whose name starts so.
    #[arg(long, default_value = "")]
    only: String,
    /// Take programs and components as they lie under `target/`.
    #[arg(long)]
    no_build: bool,
    /// Programs of this build, for a first look.
    #[arg(long, default_value = "release", value_parser = ["release", "debug"])]
    build: String,
    /// Prints the page and leaves the one of the documentation alone.
    #[arg(long)]
    dry: bool,
}

/// What is measured of a project, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// Reading the project with nothing kept from before.
    ParseCold,
    /// Reading it again, unchanged.
    ParseWarm,
    /// Loading its seeds.
    Seed,
    /// Building everything for the first time.
    Build,
    /// Running all models again, with nothing new.
    Again,
}

impl Figure {
    /// What pages call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::ParseCold => "parse, cold",
            Self::ParseWarm => "parse, warm",
            Self::Seed => "seed",
            Self::Build => "first build",
            Self::Again => "run again, nothing new",
        }
    }
}

/// The middle costs of one project: by figure and contender.
pub(crate) type Costs = BTreeMap<(Figure, Contender), Cost>;

/// One project and what it cost.
pub(crate) struct Measured {
    pub(crate) project: Project,
    pub(crate) costs: Costs,
    /// What a peer could not do.
    pub(crate) left_out: Vec<String>,
    /// `psql \copy` of its seeds.
    pub(crate) copy: Option<Cost>,
}

/// Measures and writes the page.
pub(crate) fn run(asked: &DbtBench) -> Result<()> {
    let guests = if asked.no_build {
        step::target().join("guests")
    } else {
        let guests = guests::build()?;
        build_release()?;
        guests
    };
    let peers = peers(&asked.without);
    let server = Server::start()?;
    let target = Target {
        port: server.port.clone(),
        database: DATABASE.to_owned(),
        schema: SCHEMA.to_owned(),
        threads: asked.threads,
    };
    let mut projects: Vec<Project> = asked.models.iter().map(|n| Project::Trivial(*n)).collect();
    projects.extend([Project::Shop, Project::Orders, Project::Seeds]);
    projects.retain(|project| project.name().starts_with(&asked.only));
    let mut all = Vec::new();
    for project in projects {
        let with_ours = !asked.without.iter().any(|w| w == "cofferdam");
        let build = if asked.build == "debug" { "debug" } else { "release" };
        let here = Here {
            server: &server,
            target: &target,
            guests: &guests,
            rounds: asked.rounds,
            with_ours,
            build,
        };
        all.push(here.measure(project, &peers)?);
    }
    let text = page::page(&all, asked.rounds, asked.threads);
    println!("{text}");
    if !asked.dry {
        let to = step::root().join("docs/benchmarks-dbt.md");
        fs::write(&to, &text).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}

/// The peers that can be had.
fn peers(without: &[String]) -> Vec<Peer> {
    let mut found = Vec::new();
    for (name, peer) in [("dbt-core", Peer::Core), ("dbt-2", Peer::Second)] {
        if without.iter().any(|w| w == name) {
            continue;
        }
        match peer.prepare() {
            Ok(()) => found.push(peer),
            Err(error) => println!("    {} is left out: {error:#}", peer.name()),
        }
    }
    found
}

/// Where everything is measured.
struct Here<'a> {
    server: &'a Server,
    target: &'a Target,
    guests: &'a Path,
    rounds: usize,
    with_ours: bool,
    build: &'static str,
}

impl Here<'_> {
    fn measure(&self, project: Project, peers: &[Peer]) -> Result<Measured> {
        println!("==> {}", project.title());
        self.target.create(self.server)?;
        let place = step::target().join("bench/dbt").join(project.name());
        project.write(&place.join("project"))?;
        let mut contenders = Vec::new();
        if self.with_ours {
            for up in [true, false] {
                contenders.push(Runs::ours(&place, self.guests, self.build, self.target, up)?);
            }
        }
        for peer in peers {
            contenders.push(Runs::peer(*peer, &place, self.target)?);
        }
        let mut rounds: BTreeMap<(Figure, Contender), Vec<(Look, Cost)>> = BTreeMap::new();
        let mut left_out = Vec::new();
        // One round more, for memory.
        for round in 0..=self.rounds {
            for runs in &contenders {
                let who = runs.contender();
                // Peers take minutes for what is large: once is enough to see how many.
                let is_peer = matches!(who, Contender::Second | Contender::Core);
                let slow = project.is_large() && is_peer && round > 0;
                if slow || left_out.iter().any(|(out, _)| *out == who) {
                    continue;
                }
                self.empty()?;
                let look = match (round == self.rounds, project.is_large() && is_peer) {
                    (_, true) => Look::Both,
                    (true, _) => Look::Memory,
                    _ => Look::Time,
                };
                match self.round(project, runs, look) {
                    Ok(costs) => {
                        costs.into_iter().for_each(|(figure, cost)| {
                            rounds.entry((figure, who)).or_default().push((look, cost));
                        });
                    }
                    Err(error) if !is_peer => return Err(error),
                    Err(error) => {
                        println!("    {} is left out here: {error:#}", who.name());
                        left_out.push((who, format!("{}: {error}", who.name())));
                    }
                }
            }
        }
        let costs = rounds.iter().map(|(key, rounds)| (*key, measure::middle(rounds))).collect();
        let copy = if project.has_seeds() { Some(self.copy(&place.join("project"))?) } else { None };
        Ok(Measured { project, costs, left_out: left_out.into_iter().map(|(_, why)| why).collect(), copy })
    }

    fn round(&self, project: Project, runs: &Runs, look: Look) -> Result<Vec<(Figure, Cost)>> {
        runs.forget()?;
        let mut figures = vec![Figure::ParseCold, Figure::ParseWarm];
        if project.has_seeds() {
            figures.push(Figure::Seed);
        }
        figures.extend([Figure::Build, Figure::Again]);
        let mut costs = Vec::new();
        for figure in figures {
            if project == Project::Seeds && matches!(figure, Figure::Build | Figure::Again) {
                continue;
            }
            let cost = runs.run(figure, look)?;
            println!(
                "    {:<24} {:<16} {:>8.3} s, {:>7.2} CPU s, {:>5} MiB",
                figure.title(),
                runs.contender().name(),
                cost.wall,
                cost.cpu,
                cost.mib
            );
            costs.push((figure, cost));
        }
        Ok(costs)
    }

    /// Drops what the last contender left; the executor's fence stays.
    fn empty(&self) -> Result<()> {
        let sql = "DO $$ DECLARE s text; BEGIN FOR s IN SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' \
             AND nspname NOT IN ('information_schema', 'cofferdam', 'public') LOOP \
             EXECUTE format('DROP SCHEMA %I CASCADE', s); END LOOP; END $$";
        let mut psql = self.server.client_of(DATABASE);
        step::capture("psql", psql.env("PGOPTIONS", "-c client_min_messages=warning").args(["-c", sql]))?;
        Ok(())
    }

    /// `\copy` of the same files into tables of text.
    fn copy(&self, project: &Path) -> Result<Cost> {
        self.empty()?;
        let mut script = String::from("CREATE SCHEMA copied;\n");
        for entry in fs::read_dir(project.join("seeds"))?.flatten() {
            let file = entry.path();
            if file.extension().is_none_or(|e| e != "csv") {
                continue;
            }
            let text = fs::read_to_string(&file)?;
            let head = text.lines().next().unwrap_or_default();
            let columns: Vec<String> = head.split(',').map(|column| format!("{column} text")).collect();
            let table = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            script += &format!("CREATE TABLE copied.{table} ({});\n", columns.join(", "));
            script += &format!("\\copy copied.{table} from '{}' (format csv, header)\n", file.display());
        }
        let to = project.with_file_name("copy.sql");
        fs::write(&to, script)?;
        measure::cost(Look::Time, &Vec::new, || {
            let mut psql = self.server.client_of(DATABASE);
            step::capture("psql", psql.arg("-f").arg(&to)).map(drop)
        })
    }
}
