//! MariaDB.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    authority::Authority,
    guardian::{End, Guardian},
    postgres::{DATABASE, PASSWORD_PREFIX},
    user::{free_port, give, known, prepared, program},
};

/// A start takes at most this long.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Rights in a database, for those who change rows and tables.
const CHANGE: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, CREATE VIEW, SHOW VIEW, \
                      REFERENCES, CREATE TEMPORARY TABLES, LOCK TABLES";

/// A MariaDB server of its own.
///
/// Beside `root`, who logs in by the socket alone, it has these users, in database `shop`:
///
/// | user | may | logs in by |
/// |---|---|---|
/// | `reader` | read | TLS, `mysql_native_password` |
/// | `writer`, `admin` | change rows and tables, there and in `cofferdam` | TLS, `mysql_native_password` |
/// | `edwin` | read | TLS, `client_ed25519` |
/// | `plain` | read | with or without TLS, `mysql_native_password` |
/// | `superuser` | everything, everywhere, and grant it | TLS, `mysql_native_password` |
pub struct MariaDb {
    running: Mutex<Option<Guardian>>,
    folder: PathBuf,
    port: u16,
    user: &'static str,
    authority: Authority,
    settings: Vec<String>,
}

impl MariaDb {
    /// A server as tests want it: TLS, and no care for a power cut.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with settings of one's own, e.g. `max_connections=20`, which win.
    pub fn start_with(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("cofferdam-my-").tempdir().expect("a folder").keep();
        let server = Self {
            running: Mutex::new(None),
            folder,
            port: free_port(),
            user: known(&["mysql"]),
            authority: Authority::new(),
            settings: settings.iter().map(ToString::to_string).collect(),
        };
        server.prepare();
        server.run();
        server.people();
        server
    }

    /// The port on 127.0.0.1; the certificate is for that address and for `localhost`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// The authority's certificate, a PEM file.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The authority, for more certificates of the same.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// A user's password.
    pub fn password(user: &str) -> String {
        format!("{PASSWORD_PREFIX}{user}")
    }

    /// Runs statements as root in database `shop`; gives what they print: a line for each row,
    /// tabs between values.
    pub fn sql(&self, text: &str) -> String {
        let done = self.try_sql(text);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "mariadb: {said}");
        String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
    }

    /// Ends the server as an administrator would.
    pub fn stop(&self) {
        self.end(End::Asked);
    }

    /// Ends the server as a power cut would.
    pub fn kill(&self) {
        self.end(End::Killed);
    }

    /// Starts a server that was ended, on the same port.
    pub fn start_again(&self) {
        self.run();
    }

    /// Ends the server and starts it anew.
    pub fn restart(&self) {
        self.stop();
        self.start_again();
    }

    fn held(&self) -> MutexGuard<'_, Option<Guardian>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: End) {
        let running = self.held().take();
        if let Some(running) = running {
            running.end(end);
        }
    }

    fn prepare(&self) {
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o755)).expect("a mode");
        let issued = self.authority.server(&["localhost", "127.0.0.1"]);
        fs::write(self.ca_file(), self.authority.pem()).expect("a file");
        fs::write(self.folder.join("server.crt"), issued.certificate).expect("a file");
        fs::write(self.folder.join("server.key"), issued.key).expect("a file");
        give(&self.folder, self.user);
        let made = prepared(&found("mariadb-install-db"), self.user)
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(setting("datadir", &self.folder.join("data")))
            .arg(setting("tmpdir", &self.folder))
            .current_dir("/")
            .output()
            .expect("mariadb-install-db runs");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "mariadb-install-db: {said}");
    }

    fn command(&self) -> Command {
        let at = |name: &str| self.folder.join(name);
        let mut command = prepared(&found("mariadbd"), self.user);
        command.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"]);
        command.args(["--innodb-buffer-pool-size=64M", "--max-connections=400", "--performance-schema=OFF"]);
        command.args(["--innodb-flush-log-at-trx-commit=0", "--default-time-zone=+05:45"]);
        command.args([
            "--plugin-load-add=auth_ed25519",
            "--local-infile=ON",
            "--character-set-server=utf8mb4",
        ]);
        for (name, path) in [
            ("datadir", at("data")),
            ("socket", at("socket")),
            ("pid-file", at("pid")),
            ("tmpdir", self.folder.clone()),
            ("ssl-ca", at("ca.pem")),
            ("ssl-cert", at("server.crt")),
            ("ssl-key", at("server.key")),
        ] {
            command.arg(setting(name, &path));
        }
        command.arg(format!("--port={}", self.port));
        command.args(self.settings.iter().map(|setting| format!("--{setting}")));
        command
    }

    fn run(&self) {
        for _ in 0..3 {
            let mut running = Guardian::start(&self.command(), &self.folder, &self.folder.join("log"));
            let until = Instant::now() + READY_WITHIN;
            while running.is_running() && Instant::now() < until {
                if self.try_sql("SELECT 1").status.success() {
                    *self.held() = Some(running);
                    return;
                }
                std::thread::sleep(Duration::from_millis(30));
            }
            running.end(End::Killed);
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("MariaDB does not start: {log}");
    }

    fn try_sql(&self, text: &str) -> Output {
        // The database is not there yet when the server is asked whether it answers.
        let used = if text == "SELECT 1" { None } else { Some(format!("--database={DATABASE}")) };
        let mut client = Command::new(found("mariadb"));
        client.args(["--no-defaults", "--batch", "--skip-column-names", "--user=root"]);
        client.arg("--default-character-set=utf8mb4").arg(setting("socket", &self.socket())).args(used);
        client.arg("-e").arg(text).output().expect("mariadb runs")
    }

    fn people(&self) {
        let mut text = format!("CREATE DATABASE cofferdam; CREATE DATABASE {DATABASE};");
        for (user, plugin, rule) in [
            ("reader", "mysql_native_password", "REQUIRE SSL"),
            ("writer", "mysql_native_password", "REQUIRE SSL"),
            ("admin", "mysql_native_password", "REQUIRE SSL"),
            ("edwin", "ed25519", "REQUIRE SSL"),
            ("plain", "mysql_native_password", ""),
            ("superuser", "mysql_native_password", "REQUIRE SSL"),
        ] {
            let password = Self::password(user);
            text += &format!(
                "CREATE USER {user}@'%' IDENTIFIED VIA {plugin} USING PASSWORD('{password}') {rule};"
            );
        }
        for user in ["reader", "edwin", "plain"] {
            text += &format!("GRANT SELECT, SHOW VIEW ON {DATABASE}.* TO {user};");
        }
        for user in ["writer", "admin"] {
            text += &format!(
                "GRANT {CHANGE} ON {DATABASE}.* TO {user}; GRANT {CHANGE} ON cofferdam.* TO {user};"
            );
        }
        text += "GRANT ALL ON *.* TO superuser WITH GRANT OPTION;";
        let mut client = Command::new(found("mariadb"));
        client.args(["--no-defaults", "--user=root"]).arg(setting("socket", &self.socket()));
        let made = client.arg("-e").arg(text).output().expect("mariadb runs");
        assert!(made.status.success(), "users: {}", String::from_utf8_lossy(&made.stderr));
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        // Its guardian ends it; killed, it ends sooner.
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn setting(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

fn found(name: &str) -> PathBuf {
    program(name, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_keeps_its_data_when_it_starts_again_and_leaves_nothing() {
        let server = MariaDb::start();
        server.sql("CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2)");
        server.restart();
        assert_eq!(server.sql("SELECT a FROM t ORDER BY a"), "1\n2");
        assert_eq!(server.sql("SELECT @@have_ssl"), "YES");
        server.kill();
        server.start_again();
        assert_eq!(server.sql("SELECT count(*) FROM t"), "2");
        let folder = server.folder.clone();
        drop(server);
        assert!(!folder.exists());
    }
}
