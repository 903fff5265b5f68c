//! Looks at processes from outside, as root could: their children, their memory, their size.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    process::Command,
};

/// The memory of another process.
pub struct Memory {
    pid: u32,
}

impl Memory {
    /// Of a process.
    pub fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// How often a text stands in the process's readable memory, and how many bytes were searched.
    /// Nothing where the kernel does not let us look.
    pub fn count(&self, needle: &[u8]) -> Option<(usize, u64)> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid)).ok()?;
        let mut memory = File::open(format!("/proc/{}/mem", self.pid)).ok()?;
        let (mut found, mut searched) = (0, 0);
        let mut buffer = vec![0; 1 << 20];
        for line in maps.lines() {
            let mut parts = line.split_whitespace();
            let (range, rights) = (parts.next()?, parts.next()?);
            if !rights.starts_with('r') || line.ends_with("[vvar]") || line.ends_with("[vsyscall]") {
                continue;
            }
            let (from, to) = range.split_once('-')?;
            let (mut at, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
            let mut carried = 0;
            while at < to {
                let want = usize::try_from(to - at).unwrap_or(usize::MAX).min(buffer.len() - carried);
                if memory.seek(SeekFrom::Start(at)).is_err() {
                    break;
                }
                let Ok(read) = memory.read(&mut buffer[carried..carried + want]) else { break };
                if read == 0 {
                    break;
                }
                let filled = carried + read;
                found += buffer[..filled].windows(needle.len()).filter(|w| *w == needle).count();
                searched += read as u64;
                at += read as u64;
                // A needle may lie across two reads.
                carried = filled.min(needle.len() - 1);
                buffer.copy_within(filled - carried..filled, 0);
            }
        }
        Some((found, searched))
    }
}

/// The direct children of a process: pid and command line.
pub fn children_of(pid: u32) -> Vec<(u32, String)> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(child) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{child}/stat")) else { continue };
        // The name in parentheses may hold spaces; the parent is the second field behind it.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        if parent.and_then(|p| p.parse::<u32>().ok()) == Some(pid) {
            let line = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            children.push((child, String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned()));
        }
    }
    children
}

/// Whether a process is there and not a zombie.
pub fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

/// Bytes of a process that are in memory now and its own (not shared files).
pub fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Sends a signal, by its name without `SIG`.
pub fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
}
