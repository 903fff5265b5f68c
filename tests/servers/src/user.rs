//! Where servers are found, and as whom they run: none of them runs as root.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

/// A free port of 127.0.0.1. Another process may take it before the server does; then the start
/// is tried again with the next.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

/// A program on the search path or in one of these folders, or a panic that says how to get it.
pub fn program(name: &str, folders: &[PathBuf]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(folders.iter().cloned())
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("`{name}` is not on this machine: run `cargo xtask setup`"))
}

/// Whether this process is root, so that servers must run as somebody else.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command that runs a program as the given user where this process is root. The user must
/// exist; `nobody` always does.
pub fn prepared(program: &Path, user: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", &group(user), "--clear-groups"]).arg(program);
    command
}

/// Gives a folder and what is in it to the user servers run as.
pub(crate) fn give(folder: &Path, user: &str) {
    if !is_root() {
        return;
    }
    let done = Command::new("chown").arg("-R").arg(format!("{user}:{}", group(user))).arg(folder).status();
    assert!(done.is_ok_and(|status| status.success()), "`{user}` cannot be given its folder");
}

/// The first of these users that this machine knows.
pub(crate) fn known(users: &[&'static str]) -> &'static str {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let is_known = |user: &&&str| accounts.lines().any(|line| line.starts_with(&format!("{user}:")));
    users.iter().find(is_known).copied().unwrap_or("nobody")
}

fn group(user: &str) -> String {
    let named = Command::new("id").args(["-gn", user]).output().expect("`id` runs");
    String::from_utf8_lossy(&named.stdout).trim().to_owned()
}
