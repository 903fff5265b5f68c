//! What the kernel says of running processes.

use std::fs;

/// One running process.
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Its command line, spaces between the words.
    pub(crate) line: String,
}

impl Process {
    /// MiB resident now.
    pub(crate) fn resident_mib(&self) -> u64 {
        self.status("VmRSS:") >> 10
    }

    /// MiB resident at most so far.
    pub(crate) fn peak_mib(&self) -> u64 {
        self.status("VmHWM:") >> 10
    }

    /// Starts counting the most anew, where the kernel lets us.
    pub(crate) fn forget_peak(&self) {
        let _ = fs::write(format!("/proc/{}/clear_refs", self.pid), "5");
    }

    /// Seconds of processor time so far, of all its threads.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        ticks(&format!("/proc/{}/stat", self.pid), 11) as f64 / TICKS_PER_SECOND
    }

    /// The same, with that of children that ended and were waited for.
    pub(crate) fn cpu_seconds_and_of_ended_children(&self) -> f64 {
        let stat = format!("/proc/{}/stat", self.pid);
        (ticks(&stat, 11) + ticks(&stat, 13)) as f64 / TICKS_PER_SECOND
    }

    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|k| k.parse().ok()).unwrap_or(0)
    }
}

/// Linux tells times in hundredths of a second on every machine this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of processor time of all children of this process that were waited for.
pub(crate) fn cpu_seconds_of_children() -> f64 {
    ticks("/proc/self/stat", 13) as f64 / TICKS_PER_SECOND
}

/// The sum of a field and the next one behind the command's name: user and system time.
fn ticks(file: &str, field: usize) -> u64 {
    let stat = fs::read_to_string(file).unwrap_or_default();
    let behind = stat.rsplit(')').next().unwrap_or_default();
    behind.split_whitespace().skip(field).take(2).filter_map(|t| t.parse::<u64>().ok()).sum()
}

/// All processes below one.
pub(crate) fn descendants(of: u32) -> Vec<Process> {
    let mut found = Vec::new();
    let mut open = vec![of];
    while let Some(parent) = open.pop() {
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let its_parent = stat
                .rsplit(')')
                .next()
                .and_then(|r| r.split_whitespace().nth(1))
                .and_then(|p| p.parse().ok());
            if its_parent == Some(parent) {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                found.push(Process { pid, line: String::from_utf8_lossy(&line).replace('\0', " ") });
                open.push(pid);
            }
        }
    }
    found
}
