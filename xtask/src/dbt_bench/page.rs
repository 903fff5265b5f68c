//! The page.

use std::fmt::Write as _;

use super::{Costs, Figure, Measured, contenders::Contender, measure::Cost, projects::Project};
use crate::bench::machine;

/// The page's text.
pub(crate) fn page(all: &[Measured], rounds: usize, threads: u32) -> String {
    let mut text = format!(
        "# Projects in dbt's format\n\nWritten by `cargo xtask bench dbt`. Generated projects on a PostgreSQL of their own on the same machine, `fsync` on,\n\
         over TCP on loopback without TLS, {threads} nodes at once; contenders take turns, the middle of {rounds} rounds counts (of\n\
         what is large the peers have one). Every figure is a whole command, from its start to its end. Cofferdam is measured\n\
         twice: with its scheduler and executors up, as they are in use, and with nothing running, where the command starts\n\
         and ends them; the plugins' machine code, made once a\n\
         machine, is there; always with sandbox, signatures, grants and ledger on. CPU is that of everybody who worked but\n\
         PostgreSQL: the command, scheduler, brokers, runners; memory is the most of all of them together at one time,\n\
         shared pages counted once, measured in a round of its own. Speed drifts between minutes: compare within a line.\n\n\
         Machine: {}.\n",
        machine()
    );
    goals(&mut text, all);
    for measured in all {
        project(&mut text, measured);
    }
    text
}

fn project(text: &mut String, measured: &Measured) {
    let _ = write!(
        text,
        "\n## {}\n\n| what | who | seconds | CPU s | MiB | time beside Cofferdam |\n|---|---|---|---|---|---|\n",
        capital(&measured.project.title())
    );
    for ((figure, who), cost) in &measured.costs {
        let beside =
            measured.costs.get(&(*figure, Contender::Ours)).map_or(f64::NAN, |ours| cost.wall / ours.wall);
        row(text, figure.title(), who.name(), cost, beside);
        if let (Figure::Seed, Contender::Ours, Some(copy)) = (figure, who, &measured.copy) {
            row(text, figure.title(), "`psql \\copy`", copy, copy.wall / cost.wall);
        }
    }
    for line in &measured.left_out {
        let _ = writeln!(text, "\nNot measured: {line}");
    }
}

fn row(text: &mut String, what: &str, who: &str, cost: &Cost, beside: f64) {
    // What ends before it is looked at has no figure.
    let mib = if cost.mib == 0 { "–".to_owned() } else { cost.mib.to_string() };
    let _ = writeln!(text, "| {what} | {who} | {:.3} | {:.2} | {mib} | {beside:.2} |", cost.wall, cost.cpu);
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Goals, and what was reached.
fn goals(text: &mut String, all: &[Measured]) {
    text.push_str("\n## Goals\n\n| goal | reached | |\n|---|---|---|\n");
    let mut goal = |what: &str, reached: String, is_met: Option<bool>| {
        let met = is_met.map_or("not measured", |met| if met { "yes" } else { "no" });
        let _ = writeln!(text, "| {what} | {reached} | {met} |");
    };
    let ratios = |who: Contender, figures: &[Figure], of: fn(&Cost) -> f64| -> Vec<f64> {
        all.iter().flat_map(|m| ratios(&m.costs, who, figures, of)).collect()
    };
    let every = [Figure::ParseCold, Figure::ParseWarm, Figure::Seed, Figure::Build, Figure::Again];
    let builds = [Figure::Build, Figure::Again];
    for (what, who, figures, of, least) in [
        (
            "ahead of dbt 2.x in every time",
            Contender::Second,
            &every[..],
            (|c| c.wall) as fn(&Cost) -> f64,
            1.0,
        ),
        ("at most half of dbt 2.x's time for builds", Contender::Second, &builds[..], |c| c.wall, 2.0),
        ("at most half of dbt 2.x's memory", Contender::Second, &every[..], |c| c.mib as f64, 2.0),
        ("twenty times dbt-core's speed", Contender::Core, &every[..], |c| c.wall, 20.0),
    ] {
        let found = ratios(who, figures, of);
        let worst = found.iter().copied().fold(f64::INFINITY, f64::min);
        let met = found.iter().filter(|r| **r >= least).count();
        let reached = match found.len() {
            0 => String::new(),
            all => format!("{met} of {all} figures; {worst:.2} × at worst"),
        };
        goal(what, reached, (!found.is_empty()).then_some(met == found.len()));
    }
    let seeds = all.iter().find(|m| m.project == Project::Seeds);
    let copied =
        seeds.and_then(|m| Some(m.costs.get(&(Figure::Seed, Contender::Ours))?.wall / m.copy.as_ref()?.wall));
    goal(
        "seeds within 3 × of `\\copy`",
        copied.map_or_else(String::new, |r| format!("{r:.2} ×")),
        copied.map(|r| r <= 3.0),
    );
    let trivial: Vec<(usize, f64)> = all
        .iter()
        .filter_map(|m| match m.project {
            Project::Trivial(models) => Some((models, m.costs.get(&(Figure::Build, Contender::Ours))?.wall)),
            _ => None,
        })
        .collect();
    let largest = trivial.iter().max_by_key(|(models, _)| *models);
    let speed = largest.map(|(models, wall)| *models as f64 / wall);
    goal(
        "300 trivial nodes a second",
        speed.map_or_else(String::new, |s| format!("{s:.0} nodes/s")),
        speed.map(|s| s >= 300.0),
    );
    let smallest = trivial.iter().min_by_key(|(models, _)| *models);
    let each = |(models, wall): &(usize, f64)| wall * 1e3 / *models as f64;
    let pair = smallest.zip(largest).filter(|(s, l)| s.0 < l.0).map(|(s, l)| (each(s), each(l)));
    goal(
        "a model of the largest project costs no more than one of the smallest",
        pair.map_or_else(String::new, |(s, l)| format!("{l:.1} ms and {s:.1} ms")),
        pair.map(|(s, l)| l <= s),
    );
}

/// How many times as much a peer took.
fn ratios(costs: &Costs, who: Contender, figures: &[Figure], of: fn(&Cost) -> f64) -> Vec<f64> {
    figures
        .iter()
        .filter_map(|figure| {
            let (ours, theirs) = (costs.get(&(*figure, Contender::Ours))?, costs.get(&(*figure, who))?);
            (of(ours) > 0.0 && of(theirs) > 0.0).then(|| of(theirs) / of(ours))
        })
        .collect()
}
