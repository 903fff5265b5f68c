//! PostgreSQL.

use std::{
    fmt::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use crate::{
    authority::Authority,
    guardian::{End, Guardian},
    user::{free_port, give, known, prepared, program},
};

/// The database every server has.
pub const DATABASE: &str = "shop";
/// The roles every server has, beside its own superuser `postgres`. `reader` may read schema
/// `analytics`; `writer` may also create in it and make schemas; `admin` may do what `writer` may.
pub const ROLES: [&str; 4] = ["reader", "writer", "admin", "superuser"];
/// A role's password is this and its name.
pub const PASSWORD_PREFIX: &str = "canary-";
/// A start takes at most this long.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A PostgreSQL server of its own.
pub struct Postgres {
    running: Option<Guardian>,
    folder: PathBuf,
    port: u16,
    user: &'static str,
    settings: String,
}

impl Postgres {
    /// A server as tests want it: TLS, SCRAM, and no care for a power cut.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with settings of one's own, which win.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("cofferdam-pg-").tempdir().expect("a folder").keep();
        let user = known(&["postgres"]);
        let mut server = Self { running: None, folder, port: 0, user, settings: String::new() };
        for (name, value) in settings {
            // Writing to a string cannot fail.
            let _ = writeln!(server.settings, "{name} = '{value}'");
        }
        server.prepare();
        server.run();
        server.people();
        server
    }

    /// The port on 127.0.0.1; the certificate is for that address and for `localhost`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the Unix socket.
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// The authority's certificate, a PEM file.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A role's password.
    pub fn password(role: &str) -> String {
        format!("{PASSWORD_PREFIX}{role}")
    }

    /// Runs statements as the superuser, over the Unix socket; gives what they print, bare.
    pub fn psql(&self, sql: &str) -> String {
        let done = self.try_psql(DATABASE, sql);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "psql: {said}");
        String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
    }

    /// Ends the server as an administrator would.
    pub fn stop(&mut self) {
        self.end(End::Fast);
    }

    /// Ends the server as a power cut would.
    pub fn kill(&mut self) {
        self.end(End::Killed);
    }

    /// Starts a server that was ended, on the same port.
    pub fn start_again(&mut self) {
        self.run();
    }

    /// Ends the server and starts it anew.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    fn end(&mut self, end: End) {
        if let Some(running) = self.running.take() {
            running.end(end);
        }
        if matches!(end, End::Killed) {
            // Its children end by themselves when they notice.
            std::thread::sleep(Duration::from_millis(300));
            let _ = std::fs::remove_file(self.data().join("postmaster.pid"));
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn prepare(&mut self) {
        std::fs::set_permissions(&self.folder, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        let authority = Authority::new();
        let issued = authority.server(&["localhost", "127.0.0.1"]);
        let key = self.folder.join("server.key");
        std::fs::write(self.ca_file(), authority.pem()).expect("a file");
        std::fs::write(self.folder.join("server.crt"), issued.certificate).expect("a file");
        std::fs::write(&key, issued.key).expect("a file");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        give(&self.folder, self.user);
        let made = prepared(&binary("initdb"), self.user)
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(self.data())
            .current_dir("/")
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let rules = "local all postgres trust\nlocal all all scram-sha-256\nhost all postgres all reject\n\
                     host all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(self.data().join("pg_hba.conf"), rules).expect("a file");
    }

    fn configure(&self) {
        let folder = self.folder.display();
        let text = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{folder}'\nssl = on\n\
             ssl_cert_file = '{folder}/server.crt'\nssl_key_file = '{folder}/server.key'\n\
             password_encryption = 'scram-sha-256'\nfsync = off\nsynchronous_commit = off\n\
             full_page_writes = off\nmax_connections = 80\nshared_buffers = '32MB'\n\
             max_wal_size = '256MB'\ntimezone = 'Asia/Kathmandu'\nlog_min_messages = warning\n{}",
            self.port, self.settings
        );
        std::fs::write(self.data().join("postgresql.auto.conf"), text).expect("a file");
    }

    fn run(&mut self) {
        for _ in 0..5 {
            if self.port == 0 {
                self.port = free_port();
            }
            self.configure();
            let mut command = prepared(&binary("postgres"), self.user);
            command.arg("-D").arg(self.data());
            let mut running = Guardian::start(&command, &self.folder, &self.folder.join("log"));
            let until = Instant::now() + READY_WITHIN;
            while running.is_running() && Instant::now() < until {
                if self.try_psql("postgres", "select 1").status.success() {
                    self.running = Some(running);
                    return;
                }
                std::thread::sleep(Duration::from_millis(30));
            }
            running.end(End::Fast);
            self.port = 0;
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("PostgreSQL does not start: {log}");
    }

    fn try_psql(&self, database: &str, sql: &str) -> Output {
        Command::new(binary("psql"))
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "postgres",
                "-d",
                database,
                "-c",
                sql,
            ])
            .arg("-h")
            .arg(&self.folder)
            .args(["-p", &self.port.to_string()])
            .output()
            .expect("psql runs")
    }

    fn people(&self) {
        let password = |role| format!("login password '{}'", Self::password(role));
        let roles = format!(
            "create role reader {}; create role writer {}; create role admin {} in role writer; \
             create role superuser superuser {};",
            password("reader"),
            password("writer"),
            password("admin"),
            password("superuser")
        );
        let made = self.try_psql("postgres", &roles);
        assert!(made.status.success(), "roles: {}", String::from_utf8_lossy(&made.stderr));
        let made = self.try_psql("postgres", &format!("create database {DATABASE}"));
        assert!(made.status.success(), "database: {}", String::from_utf8_lossy(&made.stderr));
        self.psql(&format!(
            "grant create on database {DATABASE} to writer; \
             create schema analytics authorization writer; \
             grant usage on schema analytics to reader; \
             alter default privileges for role writer in schema analytics grant select on tables to reader; \
             alter default privileges for role admin in schema analytics grant select on tables to reader;"
        ));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.running.take());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Debian keeps the server's programs out of the search path, in a folder per version.
fn binary(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    program(name, &folders)
}
