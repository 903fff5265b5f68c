//! `cargo xtask bench`: what the budgets name, each beside a reference in the same run, because
//! machines are shared and only ratios can be trusted. Writes `docs/benchmarks.md`.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{guests, noop, step};

/// Examples that measure one thing inside a process.
const INSIDE: [&str; 3] = ["warm_start", "door", "decide"];

/// One figure and what stood beside it. Microseconds, medians.
struct Figure {
    what: String,
    micros: f64,
    budget: String,
    reference: String,
    reference_micros: f64,
}

/// Measures and writes the page.
pub(crate) fn run() -> Result<()> {
    let guests = guests::build()?;
    let mut figures = Vec::new();
    build_release()?;
    for example in INSIDE {
        let mut program = Command::new(step::target().join("release/examples").join(example));
        figures.extend(inside(example, program.env("COFFERDAM_GUESTS", &guests))?);
    }
    let mut verify = step::cargo();
    verify.args(["run", "--quiet", "--release", "-p", "cofferdam-bundle", "--features", "testing"]);
    figures.extend(inside("verify_dispatch", verify.args(["--example", "verify_dispatch"]))?);
    let process = whole_process("/bin/true", &[], 400)?;
    // The distribution's own interpreter: others are started by way of a script.
    let python = if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" };
    let python = whole_process(python, &["-c", "pass"], 100)?;
    println!("==> no-op tasks end to end on SQLite");
    let noop = noop::measure(&guests)?;
    figures.push(Figure {
        what: format!(
            "one durable no-op task, end to end ({} tasks, {:.0} tasks/s)",
            noop.tasks,
            noop.per_second()
        ),
        micros: 1e6 / noop.per_second(),
        budget: "≤ 667 µs (≥ 1,500 tasks/s)".to_owned(),
        reference: "fork+exec of `/bin/true`".to_owned(),
        reference_micros: process.as_secs_f64() * 1e6,
    });
    figures.push(Figure {
        what: "the same".to_owned(),
        micros: 1e6 / noop.per_second(),
        budget: String::new(),
        reference: "`python3 -c pass`".to_owned(),
        reference_micros: python.as_secs_f64() * 1e6,
    });
    let page = page(&figures, &noop);
    let to = step::root().join("docs/benchmarks.md");
    fs::write(&to, &page).with_context(|| format!("cannot write {}", to.display()))?;
    println!("{page}");
    Ok(())
}

/// Builds the programs and what measures inside of one, all at once, so that no library is built
/// twice with other features.
pub(crate) fn build_release() -> Result<()> {
    let mut build = step::cargo();
    build.args(["build", "--quiet", "--release", "--workspace", "--bins"]);
    build.args(INSIDE.iter().chain(&["bare_copy"]).flat_map(|example| ["--example", example]));
    step::run("build the programs (release)", &mut build)
}

/// Runs a program that prints lines `bench⇥what⇥µs⇥budget⇥reference⇥µs`.
fn inside(what: &str, program: &mut Command) -> Result<Vec<Figure>> {
    println!("==> {what}");
    let printed = step::capture(what, program)?;
    let mut figures = Vec::new();
    for line in printed.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        if let ["bench", what, micros, budget, reference, reference_micros] = cells[..] {
            figures.push(Figure {
                what: what.to_owned(),
                micros: micros.parse().context("a figure")?,
                budget: budget.to_owned(),
                reference: reference.to_owned(),
                reference_micros: reference_micros.parse().context("a reference")?,
            });
        } else {
            println!("    {line}");
        }
    }
    if figures.is_empty() {
        bail!("{what} measured nothing");
    }
    Ok(figures)
}

/// Median wall time of a whole process, started and awaited.
fn whole_process(program: &str, arguments: &[&str], rounds: usize) -> Result<Duration> {
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let began = Instant::now();
        Command::new(program).args(arguments).status().with_context(|| format!("cannot start {program}"))?;
        times.push(began.elapsed());
    }
    times.sort();
    Ok(times[rounds / 2])
}

fn page(figures: &[Figure], noop: &noop::Measured) -> String {
    let mut text = String::from(
        "# Benchmarks\n\nWritten by `cargo xtask bench`. Medians of one run, each beside a reference measured in the same run;\n\
         the ratio is what can be compared between machines and days.\n\n",
    );
    let _ = writeln!(text, "Machine: {}.\n", machine());
    text += "| what | median | budget | reference | its median | ratio |\n|---|---|---|---|---|---|\n";
    for figure in figures {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.2} |",
            figure.what,
            micros(figure.micros),
            figure.budget,
            figure.reference,
            micros(figure.reference_micros),
            figure.micros / figure.reference_micros,
        );
    }
    let _ = write!(
        text,
        "\nResident memory after the no-op run: executor (broker) {} MiB, its runner {} MiB, scheduler {} MiB.\n\
         Idle before it (broker and one warm runner together): {} MiB; the budget is 64 MiB.\n",
        noop.broker_mib, noop.runner_mib, noop.scheduler_mib, noop.idle_mib,
    );
    text
}

fn micros(micros: f64) -> String {
    if micros >= 1_000.0 { format!("{:.2} ms", micros / 1_000.0) } else { format!("{micros:.1} µs") }
}

/// What is measured on.
pub(crate) fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .map(|l| l.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory.split_whitespace().nth(1).and_then(|k| k.parse::<u64>().ok()).unwrap_or(0);
    format!("{} cores of {}, {} GiB, Linux", cores, model.unwrap_or("an unnamed CPU"), kib >> 20)
}
