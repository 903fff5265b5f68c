//! `cargo xtask demo`: a real project, from a scheduler, signed, to sandboxed executors and into a
//! warehouse, on this machine. Run it twice: the incremental models then have less to do.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    guests,
    place::{Place, Up},
    step, warehouse,
};

/// The example's schemas, in the order its layers build on each other.
const SCHEMAS: [&str; 4] = ["raw", "staging", "intermediate", "marts"];

/// Runs the demo in `target/demo/flights`.
pub(crate) fn run(fresh: bool) -> Result<()> {
    let plugins = guests::build()?;
    // The whole workspace's programs, as the tests build them: with fewer, libraries would get
    // other features and be built again.
    step::run("build the programs", step::cargo().args(["build", "--quiet", "--workspace", "--bins"]))?;

    let project = prepare(fresh)?;
    let demo = Demo(Place { folder: project, plugins, build: "debug", variables: Vec::new() });
    demo.cofferdam("make keys, a trust root and a starter grant", &["init"])?;
    let started = Instant::now();
    let mut up = demo.up()?;
    println!("    scheduler and two executors are ready in {:.1} s", started.elapsed().as_secs_f64());
    let told = demo.tell();
    up.stop();
    told?;
    println!(
        "\nEverything the demo started is stopped. Run `cargo xtask demo` again: the incremental models"
    );
    println!("find nothing new and do less. What it made lies in {}", demo.0.folder.display());
    Ok(())
}

/// Copies the example, keeping what an earlier demo loaded.
fn prepare(fresh: bool) -> Result<PathBuf> {
    let project = step::target().join("demo").join("flights");
    if fresh && project.exists() {
        fs::remove_dir_all(&project).with_context(|| format!("cannot clear {}", project.display()))?;
    }
    copy(&step::root().join("examples/flights"), &project)?;
    Ok(project)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot write {}", target.display()))?;
        }
    }
    Ok(())
}

struct Demo(Place);

impl Demo {
    /// Shows a command as a person would type it, then runs it.
    fn cofferdam(&self, why: &str, arguments: &[&str]) -> Result<()> {
        if !self.attempt(why, arguments)? {
            bail!("`cofferdam {}` failed", arguments.join(" "));
        }
        Ok(())
    }

    fn attempt(&self, why: &str, arguments: &[&str]) -> Result<bool> {
        println!("\n# {why}\n$ cofferdam {}", arguments.join(" "));
        let status = self.0.command(arguments).status().context("cannot start cofferdam")?;
        Ok(status.success())
    }

    fn up(&self) -> Result<Up> {
        println!("\n# start the scheduler, a run and an apply executor\n$ cofferdam up &");
        self.0.up(&[], |line| println!("    {line}"))
    }

    fn tell(&self) -> Result<()> {
        self.cofferdam(
            "build a release: the loader describes the project in the sandbox; sign it; hand it over",
            &["release", "build", "--sign", "--push"],
        )?;
        let started = Instant::now();
        self.cofferdam("run it", &["run", "nightly"])?;
        println!("    the run took {:.1} s", started.elapsed().as_secs_f64());
        self.landed()?;
        let refused = ["run", "--select", "demo.flights.overreach"];
        if self.attempt("one task reaches for a table that its grant does not cover", &refused)? {
            bail!("the call that no grant covers was not refused");
        }
        self.cofferdam("why? its log says it", &["logs", "--last", "demo.flights.overreach"])?;
        self.cofferdam("who did what", &["get", "executors"])?;
        for executor in ["executor-run", "executor-apply"] {
            let data = format!(".cofferdam/{executor}");
            self.cofferdam("is the record whole?", &["ledger", "verify", "--data", &data])?;
        }
        Ok(())
    }

    fn landed(&self) -> Result<()> {
        println!("\n# what landed in the warehouse");
        let main = self.0.folder.join(".cofferdam/warehouse/warehouse.db");
        for relation in warehouse::landed(&main, &SCHEMAS)? {
            println!("    {:<44} {:<6} {:>9} rows", relation.name, relation.kind, relation.rows);
        }
        Ok(())
    }
}
