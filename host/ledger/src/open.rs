//! Opens a log's file: locks it, cuts a torn last line, finds its end.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::{FlockOperation, flock};

use crate::{
    append::{AppendLog, LINE_BYTES_MAX, Sink},
    error::LedgerError,
};

/// What was found in a file that was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Bytes of whole lines.
    pub size: u64,
    /// Bytes of a torn last line that were cut off: a write the last process did not finish.
    pub bytes_cut: u64,
    /// The last whole line, without its line break.
    pub last_line: Option<Vec<u8>>,
}

impl AppendLog {
    /// Opens or creates a log file (mode 0600) for this process alone and cuts a torn last line.
    pub fn open(path: &Path) -> Result<(Self, Opened), LedgerError> {
        let failed = |source| LedgerError::Open { path: path.to_owned(), source };
        let (file, opened) = open_file(path)?;
        let log = Self::onto(Box::new(FileSink(file)), opened.size).map_err(failed)?;
        Ok((log, opened))
    }

    /// As [`AppendLog::open`], and shows every whole line, in order, before it returns.
    pub fn open_replaying(path: &Path, mut visit: impl FnMut(&[u8])) -> Result<(Self, Opened), LedgerError> {
        let failed = |source| LedgerError::Open { path: path.to_owned(), source };
        let (file, opened) = open_file(path)?;
        let mut reader = BufReader::new(File::open(path).map_err(failed)?).take(opened.size);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            visit(line.strip_suffix(b"\n").unwrap_or(&line));
            line.clear();
        }
        let log = Self::onto(Box::new(FileSink(file)), opened.size).map_err(failed)?;
        Ok((log, opened))
    }
}

struct FileSink(File);

/// Gives the lock back at once: a child that is just being started may hold the file a moment longer.
impl Drop for FileSink {
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl Sink for FileSink {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

fn open_file(path: &Path) -> Result<(File, Opened), LedgerError> {
    let failed = |source| LedgerError::Open { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    let mut file = options.read(true).append(true).create(true).mode(0o600).open(path).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(LedgerError::InUse { path: path.to_owned() }),
        Err(error) => return Err(failed(error.into())),
    }
    let opened = repair(&mut file).map_err(failed)?;
    // A file that was just created is only durable once its folder is.
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    Ok((file, opened))
}

/// Cuts what stands behind the last line break and finds the last whole line.
fn repair(file: &mut File) -> io::Result<Opened> {
    let length = file.metadata()?.len();
    let Some(end) = last_break(file, length)? else {
        cut(file, 0, length)?;
        return Ok(Opened { size: 0, bytes_cut: length, last_line: None });
    };
    let size = end + 1;
    cut(file, size, length)?;
    let start = last_break(file, end)?.map_or(0, |at| at + 1);
    if end - start > LINE_BYTES_MAX as u64 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the last line is over its limit"));
    }
    file.seek(SeekFrom::Start(start))?;
    let mut line = Vec::new();
    Read::by_ref(file).take(end - start).read_to_end(&mut line)?;
    Ok(Opened { size, bytes_cut: length - size, last_line: Some(line) })
}

fn cut(file: &File, size: u64, length: u64) -> io::Result<()> {
    if size < length {
        file.set_len(size)?;
        file.sync_all()?;
    }
    Ok(())
}

/// The offset of the last line break before `end`.
fn last_break(file: &mut File, end: u64) -> io::Result<Option<u64>> {
    const PIECE: u64 = 64 << 10;
    let mut upper = end;
    while upper > 0 {
        let lower = upper.saturating_sub(PIECE);
        file.seek(SeekFrom::Start(lower))?;
        let mut piece = Vec::new();
        Read::by_ref(file).take(upper - lower).read_to_end(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|b| *b == b'\n') {
            return Ok(Some(lower + at as u64));
        }
        upper = lower;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_reads_back_and_goes_on_where_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.log");
        let (log, opened) = AppendLog::open(&path).unwrap();
        assert_eq!(opened, Opened::default());
        log.append_durable(b"one").unwrap();
        drop(log);
        let (log, opened) = AppendLog::open(&path).unwrap();
        assert_eq!(opened, Opened { size: 4, bytes_cut: 0, last_line: Some(b"one".to_vec()) });
        log.append_durable(b"two").unwrap();
        drop(log);
        let mut seen = Vec::new();
        AppendLog::open_replaying(&path, |line| seen.push(line.to_vec())).unwrap();
        assert_eq!(seen, [b"one", b"two"]);
    }

    #[test]
    fn a_torn_last_line_is_cut_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.log");
        for (text, size, bytes_cut, last) in [
            (&b"one\ntwo\nthr"[..], 8, 3, Some(b"two".to_vec())),
            (b"torn from the start", 0, 19, None),
            (b"\n", 1, 0, Some(vec![])),
        ] {
            std::fs::write(&path, text).unwrap();
            let (_log, opened) = AppendLog::open(&path).unwrap();
            assert_eq!(opened, Opened { size, bytes_cut, last_line: last });
            assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
        }
    }

    #[test]
    fn a_long_last_line_is_found_across_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.log");
        let long = vec![b'x'; 200 << 10];
        std::fs::write(&path, [b"first\n", &long[..], b"\n"].concat()).unwrap();
        let (_log, opened) = AppendLog::open(&path).unwrap();
        assert_eq!(opened.last_line, Some(long));
    }

    #[test]
    fn two_processes_cannot_write_one_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.log");
        let _log = AppendLog::open(&path).unwrap();
        assert!(matches!(AppendLog::open(&path), Err(LedgerError::InUse { .. })));
    }
}
