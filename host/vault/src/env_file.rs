//! A file of variables that any outside process may rewrite while the executor runs.
//!
//! In: a dotenv file. Out: snapshots of it: one attempt keeps one.
//! Never: gives a mixture of two versions of the file, or a part of one.
//! Fails: not at all after the start: a file that is missing or invalid leaves the last snapshot
//! in force, with a warning.
//! Source: `docs/adr/0014-gateways-secrets-and-pools.md`.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use zeroize::Zeroizing;

use crate::resolve::Environment;

/// Bytes of the file.
pub const ENV_FILE_BYTES_MAX: usize = 1 << 20;

/// Keeps the newest valid version of a file of variables.
pub struct EnvFile {
    path: PathBuf,
    process: Arc<dyn Environment>,
    state: Mutex<State>,
}

struct State {
    snapshot: Arc<EnvSnapshot>,
    seen: Option<Seen>,
    warned: Option<String>,
}

/// What of a file changes when it is rewritten.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The variables of one version of the file, before those of the process.
pub struct EnvSnapshot {
    serial: u64,
    values: BTreeMap<String, Zeroizing<Vec<u8>>>,
    process: Arc<dyn Environment>,
}

impl EnvFile {
    /// Reads the file for the first time. The variables of `process` stand behind those of the
    /// file. The second part is a warning, where the file could not be read.
    pub fn open(path: PathBuf, process: Arc<dyn Environment>) -> (Self, Option<String>) {
        let snapshot =
            Arc::new(EnvSnapshot { serial: 1, values: BTreeMap::new(), process: Arc::clone(&process) });
        let state = Mutex::new(State { snapshot, seen: None, warned: None });
        let file = Self { path, process, state };
        let warning = file.look().1.or_else(|| file.exposed());
        (file, warning)
    }

    /// That others can read the file, where they can.
    fn exposed(&self) -> Option<String> {
        let mode = std::fs::metadata(&self.path).ok()?.mode() & 0o777;
        let text = || format!("the env file can be read by others (mode {mode:04o}; 0600 is safe)");
        (mode & 0o077 != 0).then(text)
    }

    /// The newest snapshot; read anew where the file has changed. The second part is a warning
    /// that was not given before.
    pub fn look(&self) -> (Arc<EnvSnapshot>, Option<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut warning = None;
        match read(&self.path, state.seen) {
            Ok(None) => {}
            Ok(Some((values, seen))) => {
                state.seen = Some(seen);
                state.warned = None;
                if values != state.snapshot.values {
                    let serial = state.snapshot.serial + 1;
                    let process = Arc::clone(&self.process);
                    state.snapshot = Arc::new(EnvSnapshot { serial, values, process });
                }
            }
            Err(problem) => {
                // Looked at again each time: it may be half written.
                state.seen = None;
                let text = format!("the env file is not taken over, the last valid one stays: {problem}");
                if state.warned.as_ref() != Some(&text) {
                    state.warned = Some(text.clone());
                    warning = Some(text);
                }
            }
        }
        (Arc::clone(&state.snapshot), warning)
    }
}

impl fmt::Debug for EnvFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl EnvSnapshot {
    /// The variables of a process alone: they never change.
    pub fn of_process(process: Arc<dyn Environment>) -> Self {
        Self { serial: 1, values: BTreeMap::new(), process }
    }

    /// Rises with each version of the file whose values differ.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Whether the file, not the process, sets a variable.
    pub fn is_from_file(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }
}

impl fmt::Debug for EnvSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvSnapshot").field("serial", &self.serial).finish_non_exhaustive()
    }
}

impl Environment for EnvSnapshot {
    fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.values.get(name).map(|value| value.to_vec()).or_else(|| self.process.get(name))
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.process.names();
        names.retain(|name| !self.values.contains_key(name));
        names.extend(self.values.keys().cloned());
        names
    }
}

type Values = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// The file's variables, unless it is the version that was seen before.
fn read(path: &Path, before: Option<Seen>) -> Result<Option<(Values, Seen)>, String> {
    let unreadable = |e: io::Error| format!("it cannot be read ({})", e.kind());
    let mut file = File::open(path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    if !meta.is_file() {
        return Err("it is not a plain file".to_owned());
    }
    let seen = seen(&meta);
    if before == Some(seen) {
        return Ok(None);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(ENV_FILE_BYTES_MAX + 2));
    (&mut file).take(ENV_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > ENV_FILE_BYTES_MAX {
        return Err("it is over 1 MiB long".to_owned());
    }
    // A file that is written in place may have changed under the reader's eyes.
    let after = self::seen(&file.metadata().map_err(unreadable)?);
    if after != seen || after.size != bytes.len() as u64 {
        return Err("it is being written".to_owned());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Some((parse(text)?, seen)))
}

fn seen(meta: &std::fs::Metadata) -> Seen {
    Seen {
        inode: meta.ino(),
        size: meta.size(),
        modified: (meta.mtime(), meta.mtime_nsec()),
        changed: (meta.ctime(), meta.ctime_nsec()),
    }
}

/// Reads `NAME=value` lines. A value may be quoted: `'as it is'`, or `"with \n, \t, \", \\ and \$"`;
/// without quotes it ends before ` #`. A last line without its line break is half written.
fn parse(text: &str) -> Result<Values, String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("its last line has no line break: it may be half written".to_owned());
    }
    let mut values = Values::new();
    for (n, line) in text.lines().enumerate() {
        let at = n + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        let (name, value) = line.split_once('=').ok_or_else(|| format!("line {at} has no `=`"))?;
        let name = name.trim_end();
        let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if !(1..=256).contains(&name.len())
            || !name.bytes().all(valid)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(format!("line {at} does not begin with a variable's name"));
        }
        let value = unquoted(value.trim_start()).map_err(|problem| format!("line {at} {problem}"))?;
        if values.insert(name.to_owned(), value).is_some() {
            return Err(format!("line {at} sets a variable that an earlier line sets"));
        }
    }
    Ok(values)
}

fn unquoted(text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let mut value = Zeroizing::new(Vec::with_capacity(text.len()));
    let rest = match text.chars().next() {
        Some('\'') => {
            let (inside, rest) = text[1..].split_once('\'').ok_or("has a quote that does not end")?;
            value.extend_from_slice(inside.as_bytes());
            rest
        }
        Some('"') => {
            let mut chars = text[1..].char_indices();
            loop {
                let (at, c) = chars.next().ok_or("has a quote that does not end")?;
                let c = match c {
                    '"' => break &text[at + 2..],
                    '\\' => match chars.next().ok_or("has a quote that does not end")?.1 {
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        c @ ('"' | '\\' | '$' | '\'') => c,
                        _ => return Err("has an escape that is not known"),
                    },
                    c => c,
                };
                value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        _ => {
            let end = text.find(" #").unwrap_or(text.len());
            value.extend_from_slice(text[..end].trim_end().as_bytes());
            ""
        }
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') { Ok(value) } else { Err("has text behind its quote") }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::resolve::ProcessEnvironment;

    fn read_back(text: &str) -> Result<Vec<(String, String)>, String> {
        let shown =
            |(name, value): (String, Zeroizing<Vec<u8>>)| (name, String::from_utf8(value.to_vec()).unwrap());
        parse(text).map(|values| values.into_iter().map(shown).collect())
    }

    #[test]
    fn every_way_to_write_a_value_is_read() {
        let text = "# a comment\n\nA=plain # why\nexport B = spaced\nC='a # $b'\nD=\"two\\nlines \\\"\\\\\\$\" # why\nE=\nF=a#b=c\n";
        let expected = [
            ("A", "plain"),
            ("B", "spaced"),
            ("C", "a # $b"),
            ("D", "two\nlines \"\\$"),
            ("E", ""),
            ("F", "a#b=c"),
        ];
        let read = read_back(text).unwrap();
        let read: Vec<_> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_refused_without_its_value() {
        for (text, expected) in [
            ("A=1\nhunter2-canary\n", "line 2 has no `=`"),
            ("A-B=canary\n", "line 1 does not begin with a variable's name"),
            ("1A=canary\n", "line 1 does not begin with a variable's name"),
            ("A='canary\n", "line 1 has a quote that does not end"),
            ("A=\"canary\n", "line 1 has a quote that does not end"),
            ("A=\"canary\\q\"\n", "line 1 has an escape that is not known"),
            ("A='x' canary\n", "line 1 has text behind its quote"),
            ("A=canary\nA=canary\n", "line 2 sets a variable that an earlier line sets"),
            ("A=can", "its last line has no line break: it may be half written"),
        ] {
            assert_eq!(read_back(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_rewritten_file_is_seen_and_a_half_written_one_leaves_the_old_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        std::fs::write(&path, "CD_TEST_A=one\nCD_TEST_B=1\n").unwrap();
        let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o644);
        let open = || EnvFile::open(path.clone(), Arc::new(ProcessEnvironment));
        assert!(open().1.unwrap().contains("mode 0644"));
        mode(0o600);
        let (file, warning) = open();
        assert_eq!(warning, None);
        let (first, _) = file.look();
        assert_eq!(first.get("CD_TEST_A").unwrap(), b"one");
        assert_eq!(file.look().0.serial(), first.serial(), "nothing has changed");

        std::fs::write(&path, "CD_TEST_A=two\nCD_TEST_B='2").unwrap();
        let (kept, warning) = file.look();
        assert_eq!((kept.get("CD_TEST_A").unwrap(), kept.serial()), (b"one".to_vec(), first.serial()));
        assert!(warning.unwrap().contains("half written"));
        assert_eq!(file.look().1, None, "said once");

        std::fs::write(&path, "CD_TEST_A=two\nCD_TEST_B='2'\n").unwrap();
        let (second, warning) = file.look();
        assert_eq!((second.get("CD_TEST_B").unwrap(), warning), (b"2".to_vec(), None));
        assert!(second.serial() > first.serial());
        assert_eq!(first.get("CD_TEST_B").unwrap(), b"1", "an attempt keeps its snapshot");

        std::fs::remove_file(&path).unwrap();
        let (kept, warning) = file.look();
        assert_eq!(kept.get("CD_TEST_B").unwrap(), b"2");
        assert!(warning.is_some());
    }

    #[test]
    fn the_file_stands_before_the_process_and_shows_no_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        std::fs::write(&path, "PATH=hunter2-canary\n").unwrap();
        let (file, _) = EnvFile::open(path, Arc::new(ProcessEnvironment));
        let (snapshot, _) = file.look();
        assert_eq!(snapshot.get("PATH").unwrap(), b"hunter2-canary");
        assert_eq!(snapshot.names().iter().filter(|name| *name == "PATH").count(), 1);
        assert!(snapshot.get("HOME").is_some() == std::env::var_os("HOME").is_some());
        assert!(!format!("{file:?} {snapshot:?}").contains("canary"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_values_or_a_problem(text: String) {
            let _ = parse(&text);
        }

        #[test]
        fn any_value_in_single_quotes_reads_back(value in "[^'\\r\\n]*") {
            let values = parse(&format!("A='{value}'\n")).unwrap();
            proptest::prop_assert_eq!(values["A"].as_slice(), value.as_bytes());
        }
    }
}
