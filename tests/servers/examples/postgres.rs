//! Starts a PostgreSQL server for `cargo xtask bench` and keeps it until its input ends:
//! `cargo run -p cofferdam-servers --example postgres`. Prints one line: port, socket folder and the
//! authority's file, tabs between them. It keeps what a power cut would take (`fsync` is on).

use std::io::Read as _;

use cofferdam_servers::Postgres;

fn main() {
    let settings = [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("shared_buffers", "512MB"),
        ("max_wal_size", "4GB"),
        ("max_parallel_workers_per_gather", "0"),
        ("autovacuum", "off"),
    ];
    let server = Postgres::start_with(&settings);
    println!("{}\t{}\t{}", server.port(), server.socket_folder().display(), server.ca_file().display());
    let mut ended = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut ended);
}
