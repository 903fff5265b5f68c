//! How fast rows come from PostgreSQL: rows per second, and CPU of this process per million rows.
//!
//! `cargo run --release -p cofferdam-cap-sql --example postgres_rows [rows]`. Starts a server of its
//! own, reads six columns (bigint, int, double, 20 characters, timestamptz, numeric(12,2)) into
//! frames and drops them, beside a bare reader of binary COPY, and loads them back.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    sync::Arc,
    time::{Duration, Instant},
};

use cofferdam_call::{Access, Column};
use cofferdam_cap_sql::{
    Address, Allowances, CancelToken, Credential, Holder, OneKey, Opening, Pool, Postgres, PostgresConnect,
    RowsId, ServerSettings, SessionWall, SqlDriver, SqlSession, TlsMode, TlsSettings,
};
use cofferdam_servers::{DATABASE, Postgres as Server};
use cofferdam_vault::Secret;

const SELECT: &str = "select id, n, x, name, at, price from analytics.bench";

fn main() {
    let rows: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let server = Server::start_with(&[("shared_buffers", "256MB")]);
    server.psql(&format!(
        "create unlogged table analytics.bench as select n::bigint id, (n % 100000)::int n, n * 0.37::float8 x, \
         lpad(n::text, 20, 'abcdefghij') as name, timestamptz '2026-01-01' + n * interval '1 second' as at, \
         (n * 0.01)::numeric(12,2) price from generate_series(1, {rows}) n; \
         create unlogged table analytics.copy (like analytics.bench); \
         grant all on all tables in schema analytics to writer; analyze analytics.bench"
    ));
    let plain = TlsSettings { mode: TlsMode::Off, ca: None };
    let verified = TlsSettings { mode: TlsMode::VerifyFull, ca: Some(server.ca_file()) };
    let tcp = Address::Tcp { host: "localhost".to_owned(), port: server.port() };
    let unix = Address::Unix(server.socket_folder().join(format!(".s.PGSQL.{}", server.port())));
    let file = server.socket_folder().join("bench.copy").display().to_string();
    server.psql(&format!("\\copy analytics.bench to '{file}' (format binary)"));
    for _ in 0..3 {
        report("psql \\copy from a file", rows, || {
            server.psql("truncate analytics.copy");
            server.psql(&format!("\\copy analytics.copy from '{file}' (format binary)"));
            rows
        });
        report("bare COPY, bytes only, Unix socket", rows, || bare_copy(&server));
        report("frames, Unix socket", rows, || read(&driver(&server, unix.clone(), plain.clone())));
        report("frames, TCP without TLS", rows, || read(&driver(&server, tcp.clone(), plain.clone())));
        report("frames, TCP with TLS", rows, || read(&driver(&server, tcp.clone(), verified.clone())));
        report("load, TCP with TLS (and its read)", rows, || {
            load(&driver(&server, tcp.clone(), verified.clone()))
        });
    }
}

fn driver(_: &Server, address: Address, tls: TlsSettings) -> Postgres {
    let settings = ServerSettings {
        address,
        database: DATABASE.to_owned(),
        schema: "analytics".to_owned(),
        tls,
        allow: Allowances::default(),
        connections: 4,
        statement_timeout: Duration::from_secs(600),
        lock_timeout: Duration::from_secs(60),
        zone_of_server: false,
        owner_tag: String::new(),
        fence_schema: "cofferdam".to_owned(),
    };
    let password = Some(Secret::new(Server::password("writer").into_bytes()));
    let keys = OneKey::new(Credential { user: "writer".to_owned(), password });
    Postgres::new(Pool::new(PostgresConnect::new(settings), 4), Arc::new(keys))
}

fn open(driver: &Postgres, access: Access) -> Box<dyn SqlSession> {
    let cancel = CancelToken::default();
    let wall = SessionWall::everything();
    driver.open(Opening { access, wall, cancel: &cancel, holder: Holder::operator() }).expect("a session")
}

fn start(session: &mut dyn SqlSession) -> (RowsId, Vec<Column>) {
    session.query(SELECT, &[]).expect("a query")
}

fn read(driver: &Postgres) -> u64 {
    let mut session = open(driver, Access::Read);
    let (rows, _) = start(&mut *session);
    let (mut count, mut frame) = (0, Vec::new());
    while let Some(rows) = session.next_frame(rows, &mut frame).expect("a frame") {
        count += rows;
        frame.clear();
    }
    count
}

fn load(driver: &Postgres) -> u64 {
    let mut source = open(driver, Access::Read);
    let mut target = open(driver, Access::Write);
    let (rows, columns) = start(&mut *source);
    let table = ["analytics".to_owned(), "copy".to_owned()];
    target.execute("truncate analytics.copy", &[]).expect("an empty table");
    target.load(&table, &columns).expect("a load");
    let mut frame = Vec::new();
    while source.next_frame(rows, &mut frame).expect("a frame").is_some() {
        target.load_write(&frame).expect("a frame that is taken");
        frame.clear();
    }
    target.load_finish().expect("the end of the load")
}

/// The least a client can do: read the bytes of a binary COPY and look at the messages' heads.
/// Logs in as the superuser, whom the server trusts on its Unix socket.
fn bare_copy(server: &Server) -> u64 {
    let path = server.socket_folder().join(format!(".s.PGSQL.{}", server.port()));
    let mut socket = UnixStream::connect(path).expect("a socket");
    let mut start = vec![0, 3, 0, 0];
    start.extend_from_slice(format!("user\0postgres\0database\0{DATABASE}\0\0").as_bytes());
    send(&mut socket, None, &start);
    let copy = format!("copy ({SELECT}) to stdout (format binary)\0");
    let (mut buffer, mut filled, mut rows, mut asked) = (vec![0; 256 << 10], 0, 0, false);
    loop {
        filled += socket.read(&mut buffer[filled..]).expect("bytes");
        let mut at = 0;
        while let Some(&[tag, a, b, c, d]) = buffer[at..filled].first_chunk::<5>() {
            let end = at + 1 + u32::from_be_bytes([a, b, c, d]) as usize;
            if end > filled {
                break;
            }
            at = end;
            match tag {
                b'd' => rows += 1,
                b'Z' if asked => return rows - 1,
                b'Z' => {
                    asked = true;
                    send(&mut socket, Some(b'Q'), copy.as_bytes());
                }
                b'E' => panic!("{}", String::from_utf8_lossy(&buffer[..filled])),
                _ => {}
            }
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
    }
}

fn send(socket: &mut UnixStream, tag: Option<u8>, body: &[u8]) {
    let mut message: Vec<u8> = tag.into_iter().collect();
    message.extend_from_slice(&u32::try_from(body.len() + 4).expect("a short message").to_be_bytes());
    message.extend_from_slice(body);
    socket.write_all(&message).expect("it is sent");
}

fn report(what: &str, rows: u64, run: impl FnOnce() -> u64) {
    let (from, cpu) = (Instant::now(), cpu_time());
    let count = run();
    let (wall, cpu) = (from.elapsed().as_secs_f64(), cpu_time() - cpu);
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let millions = rows as f64 / 1e6;
    println!(
        "{what:40} {count:>9} rows  {:>9.0} rows/s  {:.3} CPU s per 1 M",
        millions * 1e6 / wall,
        cpu / millions
    );
}

/// CPU seconds of this process.
fn cpu_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let nanos = time.tv_nsec as f64;
    Duration::from_secs(time.tv_sec.unsigned_abs()).as_secs_f64() + nanos / 1e9
}
