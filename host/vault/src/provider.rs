//! Programs that give secrets.
//!
//! In: what the operator declared: a path, the digest of the program, its arguments, its time.
//! Out: the `status` of an ExecCredential-shaped answer, and when it expires.
//! Never: starts a shell, a script, or anything but the very bytes whose digest was compared;
//! passes the program anything of this process's environment.
//! Fails: with `CD0353` to `CD0355`; what the program said is not repeated.
//! Source: `docs/adr/0014-gateways-secrets-and-pools.md`; Kubernetes, client authentication v1.

use std::{
    fs::File,
    io::{ErrorKind, Read, Write as _},
    os::{
        fd::{AsFd, AsRawFd},
        unix::process::CommandExt as _,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use cofferdam_ids::{Sha256Digest, Timestamp};
use rustix::{
    fs::{MemfdFlags, SealFlags},
    process::{Pid, Signal},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{SECRET_BYTES_MAX, error::VaultError, reference::SecretRef, secret::Secret};

/// Bytes of a provider's program.
const PROGRAM_BYTES_MAX: u64 = 256 << 20;
/// The longest time a provider may be given.
pub const PROVIDER_TIME_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether the program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A program that gives secrets, as the operator declared it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The program's absolute path.
    pub path: PathBuf,
    /// The digest of its bytes.
    pub sha256: Sha256Digest,
    /// Its arguments, as they are: no shell reads them.
    pub args: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// What a provider gave.
pub(crate) struct Given {
    /// The `status` object, as JSON.
    pub(crate) status: Secret,
    /// When it expires, where it does.
    pub(crate) expires: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    status: &'a RawValue,
}

#[derive(Deserialize)]
struct Status {
    #[serde(rename = "expirationTimestamp")]
    expires: Option<String>,
}

impl Provider {
    /// Runs the program and reads what it says.
    pub(crate) fn ask(&self, reference: &SecretRef) -> Result<Given, VaultError> {
        let program = self.program(reference)?;
        let said = self.run(&program, reference)?;
        let wrong = |problem| VaultError::Provider { reference: reference.clone(), problem };
        let answer: Answer<'_> =
            serde_json::from_slice(&said).map_err(|_| wrong("did not answer with an ExecCredential"))?;
        let text = answer.status.get();
        let status: Status =
            serde_json::from_str(text).map_err(|_| wrong("did not answer with an ExecCredential"))?;
        let expires = status.expires.map(|at| at.parse()).transpose();
        let expires = expires.map_err(|_| wrong("gave an expiry that is no RFC 3339 time"))?;
        if expires.is_some_and(|at| at <= now()) {
            return Err(VaultError::Expired(reference.clone()));
        }
        Ok(Given { status: Secret::new(text.as_bytes().to_vec()), expires })
    }

    /// The program's bytes, compared and sealed: what is started is what was compared, whatever
    /// happens to the file meanwhile.
    fn program(&self, reference: &SecretRef) -> Result<File, VaultError> {
        let wrong = |problem| VaultError::Program { reference: reference.clone(), problem };
        let unreadable = |source| VaultError::Unreadable { reference: reference.clone(), source };
        let file = File::open(&self.path).map_err(unreadable)?;
        let meta = file.metadata().map_err(unreadable)?;
        if !meta.is_file() || meta.len() > PROGRAM_BYTES_MAX {
            return Err(wrong("is not a plain file of at most 256 MiB"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
        file.take(PROGRAM_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
        if Sha256Digest::of(&bytes) != self.sha256 {
            return Err(wrong("has another SHA-256 than the settings say"));
        }
        if !bytes.starts_with(b"\x7fELF") {
            // The digest of a script says nothing of the interpreter that reads it.
            return Err(wrong("is a script; declare its interpreter, with the script as an argument"));
        }
        let sealed = rustix::fs::memfd_create("provider", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
        let mut sealed = File::from(sealed.map_err(|e| unreadable(e.into()))?);
        sealed.write_all(&bytes).map_err(unreadable)?;
        let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(sealed.as_fd(), seals).map_err(|e| unreadable(e.into()))?;
        // A file that is open for writing cannot be started.
        File::open(format!("/proc/self/fd/{}", sealed.as_raw_fd())).map_err(unreadable)
    }

    fn run(&self, program: &File, reference: &SecretRef) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let wrong = |problem| VaultError::Provider { reference: reference.clone(), problem };
        let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
        command
            .arg0(&self.path)
            .args(&self.args)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // With it end the processes it starts.
            .process_group(0);
        let until = Instant::now() + self.timeout.min(PROVIDER_TIME_MAX);
        let mut child = loop {
            match command.spawn() {
                Ok(child) => break child,
                // Another thread's child, not yet started, may still hold the file for writing.
                Err(e) if e.kind() == ErrorKind::ExecutableFileBusy && Instant::now() < until => {
                    thread::sleep(LOOK_EVERY);
                }
                Err(_) => return Err(wrong("cannot be started")),
            }
        };
        let out = child.stdout.take();
        let (told, heard) = mpsc::sync_channel(1);
        let reader = thread::Builder::new().name("provider".to_owned()).spawn(move || {
            // Room from the start: a buffer that grows would leave copies behind.
            let mut said = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX + 2));
            let limit = SECRET_BYTES_MAX as u64 + 1;
            let read = out.map(|out| out.take(limit).read_to_end(&mut said));
            // Nobody listens any more after a time-out.
            let _ = told.send(read.is_some_and(|read| read.is_ok()).then_some(said));
        });
        if reader.is_err() {
            end(&mut child);
            return Err(wrong("cannot be started"));
        }
        let said = heard.recv_timeout(until.saturating_duration_since(Instant::now()));
        let too_long = matches!(&said, Ok(Some(said)) if said.len() > SECRET_BYTES_MAX);
        let ended = if too_long { None } else { wait(&mut child, until) };
        end(&mut child);
        match (said, ended) {
            _ if too_long => Err(wrong("said more than 64 KiB")),
            (Ok(Some(said)), Some(true)) => Ok(said),
            (Ok(None), _) | (_, Some(false)) => Err(wrong("failed")),
            _ => Err(wrong("took too long")),
        }
    }
}

/// Whether the program succeeded; nothing where it has not ended in time.
fn wait(child: &mut Child, until: Instant) -> Option<bool> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if Instant::now() < until => thread::sleep(LOOK_EVERY),
            Ok(None) => return None,
            Err(_) => return Some(false),
        }
    }
}

/// Ends the program and whatever it started.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // Where nothing of it is left, there is nothing to end.
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

/// The time on the wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(path: &str, args: &[&str]) -> Option<Provider> {
        let path = std::fs::canonicalize(path).ok()?;
        let sha256 = Sha256Digest::of(&std::fs::read(&path).ok()?);
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        // Named as it is called: some systems have one program for many names.
        Some(Provider { path, sha256, args, timeout: Duration::from_secs(10) })
    }

    fn reference() -> SecretRef {
        "exec://corp".parse().unwrap()
    }

    fn said(text: &str) -> Result<Given, VaultError> {
        provider("/bin/sh", &["-c", &format!("printf '%s' '{text}'")]).unwrap().ask(&reference())
    }

    #[test]
    fn the_answer_is_an_exec_credential_with_an_expiry() {
        let given = said(
            r#"{"apiVersion":"v1","status":{"token":"t0ken","expirationTimestamp":"2999-01-01T00:00:00Z"}}"#,
        );
        let given = given.unwrap();
        assert!(given.expires.unwrap() > now());
        assert!(given.status.expose(|s| s.windows(5).any(|part| part == b"t0ken")));
    }

    #[test]
    fn what_is_no_answer_is_refused_without_repeating_it() {
        for (text, code) in [
            ("canary", "CD0354"),
            (r#"{"token":"canary"}"#, "CD0354"),
            (r#"{"status":"canary"}"#, "CD0354"),
            (r#"{"status":{"token":"canary","expirationTimestamp":"soon"}}"#, "CD0354"),
            (r#"{"status":{"token":"canary","expirationTimestamp":"2001-01-01T00:00:00Z"}}"#, "CD0355"),
        ] {
            use cofferdam_ids::Explain as _;
            let error = said(text).err().unwrap();
            assert_eq!(error.code().to_string(), code, "{text}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_program_that_was_replaced_is_not_started() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tool");
        std::fs::copy("/bin/sh", &path).unwrap();
        let good = provider(path.to_str().unwrap(), &["-c", "printf '{\"status\":{}}'"]).unwrap();
        assert!(good.ask(&reference()).is_ok());
        let touched = folder.path().join("started");
        std::fs::write(&path, format!("#!/bin/sh\ntouch {}\n", touched.display())).unwrap();
        let error = good.ask(&reference()).err().unwrap();
        assert!(error.to_string().contains("another SHA-256"), "{error}");
        let script = Provider { sha256: Sha256Digest::of(&std::fs::read(&path).unwrap()), ..good };
        let error = script.ask(&reference()).err().unwrap();
        assert!(error.to_string().contains("is a script"), "{error}");
        assert!(!touched.exists());
    }

    #[test]
    fn a_program_gets_nothing_of_the_environment() {
        let given =
            provider("/bin/sh", &["-c", "printf '{\"status\":{\"home\":\"%s\"}}' \"$HOME$CARGO\""]).unwrap();
        let given = given.ask(&reference()).unwrap();
        assert!(given.status.expose(|status| status == br#"{"home":""}"#));
    }

    #[test]
    fn a_program_that_hangs_fails_or_talks_too_much_is_ended() {
        let slow = provider("/bin/sh", &["-c", "sleep 600 & wait"]).unwrap();
        let slow = Provider { timeout: Duration::from_millis(200), ..slow };
        let begun = Instant::now();
        let error = slow.ask(&reference()).err().unwrap();
        assert!(error.to_string().ends_with("took too long") && begun.elapsed() < Duration::from_secs(5));
        for (script, problem) in
            [("exit 3", "failed"), ("while :; do printf '%01000d' 0; done", "said more than 64 KiB")]
        {
            let error = provider("/bin/sh", &["-c", script]).unwrap().ask(&reference()).err().unwrap();
            assert!(error.to_string().ends_with(problem), "{error}");
        }
    }
}
