//! `cargo xtask bench data`: many rows between PostgreSQL and a guest, and beside it, in the same run
//! and on the same server, what other clients make of the same table. Writes
//! `docs/benchmarks-data.md`.

mod ours;
mod peers;
pub(crate) mod server;

use std::{fmt::Write as _, fs, time::Instant};

use anyhow::{Context as _, Result};

use crate::{
    bench::{build_release, machine},
    guests, processes, step,
};

/// Rounds of each measure; the middle one counts.
const ROUNDS: usize = 3;

/// What one client made of one table.
#[derive(Clone)]
pub(crate) struct Measured {
    /// Wall time in seconds.
    pub(crate) seconds: f64,
    /// Processor time of the client in seconds: for ours, broker and runner together.
    pub(crate) cpu: f64,
    /// MiB resident at most, where it is known.
    pub(crate) peak_mib: Option<u64>,
}

/// One line of the page.
struct Row {
    what: String,
    rows: u64,
    measured: Measured,
}

/// Measures tables of so many rows and writes the page.
pub(crate) fn run(sizes: &[u64]) -> Result<()> {
    let guests = guests::build()?;
    build_release()?;
    let peers = peers::Peers::prepare()?;
    let server = server::Server::start()?;
    let mut reads = Vec::new();
    let mut loads = Vec::new();
    for rows in sizes {
        server.fill(*rows)?;
        let ours = ours::Ours::start(&guests, &server, *rows)?;
        measure(&mut reads, "Cofferdam: into the guest, as Arrow", *rows, || ours.read())?;
        measure(&mut loads, "Cofferdam: from the guest", *rows, || ours.load())?;
        drop(ours);
        for peer in peers.readers() {
            measure(&mut reads, peer.name, *rows, || peers.read(peer, &server, *rows))?;
        }
        measure(&mut loads, "`psql \\copy`, text", *rows, || peers.copy_in(&server, *rows))?;
    }
    let page = page(&reads, &loads, &server.megabytes_per_million()?)?;
    let to = step::root().join("docs/benchmarks-data.md");
    fs::write(&to, &page).with_context(|| format!("cannot write {}", to.display()))?;
    println!("{page}");
    Ok(())
}

/// The middle of some rounds; a peer that is not there is said and left out.
fn measure(
    into: &mut Vec<Row>,
    what: &str,
    rows: u64,
    mut round: impl FnMut() -> Result<Measured>,
) -> Result<()> {
    println!("==> {what}: {rows} rows");
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        match round() {
            Ok(measured) => rounds.push(measured),
            Err(error) if what.starts_with("Cofferdam") => return Err(error),
            Err(error) => {
                println!("    not measured: {error:#}");
                return Ok(());
            }
        }
    }
    rounds.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let measured = rounds.swap_remove(ROUNDS / 2);
    println!(
        "    {:.0} rows/s, {:.2} CPU s per million",
        rows as f64 / measured.seconds,
        measured.cpu * 1e6 / rows as f64
    );
    into.push(Row { what: what.to_owned(), rows, measured });
    Ok(())
}

/// Times a whole process; its processor time is that of the children waited for meanwhile.
pub(crate) fn timed(work: impl FnOnce() -> Result<()>) -> Result<Measured> {
    let (cpu, began) = (processes::cpu_seconds_of_children(), Instant::now());
    work()?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(Measured { seconds, cpu: processes::cpu_seconds_of_children() - cpu, peak_mib: None })
}

fn page(reads: &[Row], loads: &[Row], megabytes: &f64) -> Result<String> {
    let mut text = format!(
        "# Many rows\n\nWritten by `cargo xtask bench data`. One table of six columns (bigint, int, double, text of 20\n\
         characters, timestamptz, numeric(12,2)) on a PostgreSQL of its own on the same machine, `fsync` on, over TCP on\n\
         loopback without TLS for every client; the middle of {ROUNDS} rounds, all in one run. Cofferdam is timed\n\
         from the start of the attempt to its end, the others as whole processes. CPU is the client's alone:\n\
         for Cofferdam broker and runner together, with sandbox, grants and ledger on. A million rows are\n\
         {megabytes:.0} MB as binary COPY.\n\nMachine: {}.\n\n",
        machine()
    );
    for (title, rows, reference) in
        [("Reading", reads, "bare Rust driver"), ("Loading", loads, "`psql \\copy`")]
    {
        let _ = write!(
            text,
            "## {title}\n\n| client | rows | rows/s | MB/s | CPU s per million rows | peak memory | rows/s beside {reference} |\n\
             |---|---|---|---|---|---|---|\n"
        );
        for row in rows {
            let beside = rows.iter().find(|r| r.rows == row.rows && r.what.starts_with(reference));
            let ratio = beside.map_or_else(
                || "–".to_owned(),
                |b| format!("{:.2}", b.measured.seconds / row.measured.seconds),
            );
            let per_second = row.rows as f64 / row.measured.seconds;
            let _ = writeln!(
                text,
                "| {} | {} M | {:.0} | {:.0} | {:.2} | {} | {ratio} |",
                row.what,
                row.rows / 1_000_000,
                per_second,
                per_second * megabytes / 1e6,
                row.measured.cpu * 1e6 / row.rows as f64,
                row.measured.peak_mib.map_or_else(|| "–".to_owned(), |m| format!("{m} MiB")),
            );
        }
        text.push('\n');
    }
    Ok(text)
}
