//! What a command costs: wall time, processor time of everybody who worked, memory of all at once.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::processes::{self, Process, descendants};

/// What is looked at. Looking at memory often takes the processor from those who are looked at: time
/// and memory are measured in rounds of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Time alone.
    Time,
    /// Memory, every 25 ms.
    Memory,
    /// Both, of what takes minutes: memory now and then.
    Both,
}

impl Look {
    /// How often memory is looked at.
    fn every(self) -> Option<Duration> {
        match self {
            Self::Time => None,
            Self::Memory => Some(Duration::from_millis(25)),
            Self::Both => Some(Duration::from_millis(500)),
        }
    }
}

/// What one command cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Seconds from its start to its end.
    pub(crate) wall: f64,
    /// Seconds of processor time, user and system.
    pub(crate) cpu: f64,
    /// MiB at most at one time: each page counted once, shared ones in parts.
    pub(crate) mib: u64,
}

/// The middle of some rounds, figure by figure; of two, the lower. Those that looked at memory alone
/// say nothing of time, and the others nothing of memory.
pub(crate) fn middle(rounds: &[(Look, Cost)]) -> Cost {
    let of = |aside: Look, figure: fn(&Cost) -> f64| {
        let counted = rounds.iter().filter(|(look, _)| *look != aside);
        let mut all: Vec<f64> = counted.map(|(_, cost)| figure(cost)).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len().saturating_sub(1) / 2).copied().unwrap_or_default()
    };
    Cost {
        wall: of(Look::Memory, |c| c.wall),
        cpu: of(Look::Memory, |c| c.cpu),
        mib: of(Look::Time, |c| c.mib as f64) as u64,
    }
}

/// Runs work that starts and awaits one process, and counts what it and `standing` processes, which
/// were there before and stay, have used meanwhile.
pub(crate) fn cost(
    look: Look,
    standing: &dyn Fn() -> Vec<Process>,
    work: impl FnOnce() -> Result<()>,
) -> Result<Cost> {
    let of_standing = || standing().iter().map(Process::cpu_seconds_and_of_ended_children).sum::<f64>();
    let (standing_before, children_before) = (of_standing(), processes::cpu_seconds_of_children());
    let stands: Vec<u32> = standing().iter().map(|p| p.pid).collect();
    let (end, peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let watching = {
        let (end, peak) = (Arc::clone(&end), Arc::clone(&peak));
        let stood: Vec<u32> = descendants(std::process::id()).iter().map(|p| p.pid).collect();
        let aside: Vec<u32> = stood.into_iter().filter(|pid| !stands.contains(pid)).collect();
        look.every().map(|every| thread::spawn(move || watch(every, &aside, &end, &peak)))
    };
    let began = Instant::now();
    let worked = work();
    let wall = began.elapsed().as_secs_f64();
    end.store(true, Ordering::Relaxed);
    let _ = watching.map(thread::JoinHandle::join);
    worked?;
    let cpu = of_standing() - standing_before + processes::cpu_seconds_of_children() - children_before;
    Ok(Cost { wall, cpu, mib: peak.load(Ordering::Relaxed) >> 10 })
}

/// Looks at the memory of everything below this process but what stood `aside` before: the server.
fn watch(every: Duration, aside: &[u32], end: &AtomicBool, peak: &AtomicU64) {
    let me = std::process::id();
    while !end.load(Ordering::Relaxed) {
        let now = descendants(me);
        let kib: u64 = now.iter().filter(|p| !aside.contains(&p.pid)).map(|p| proportional_kib(p.pid)).sum();
        peak.fetch_max(kib, Ordering::Relaxed);
        thread::sleep(every);
    }
}

fn proportional_kib(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// In a process of its own: what other tests start and await would be counted too.
    #[test]
    fn what_a_process_uses_is_counted_and_what_stood_before_is_not() {
        let alone = "dbt_bench::measure::tests::alone";
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", alone, "--ignored", "--test-threads", "1"])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && told.contains("1 passed"), "{told}");
    }

    #[test]
    #[ignore = "counts what this whole process starts"]
    fn alone() {
        let count = |iterations: u32| {
            format!(
                "i=0; while [ $i -lt {iterations} ]; do i=$((i+1)); done; x=$(head -c 20000000 /dev/zero | tr '\\0' x); sleep 0.2"
            )
        };
        let mut stands = Command::new("sh").args(["-c", &count(2_000_000)]).spawn().unwrap();
        let cost = cost(Look::Memory, &Vec::new, || {
            Command::new("sh").args(["-c", &count(200_000)]).status()?;
            Ok(())
        })
        .unwrap();
        let _ = stands.kill();
        let _ = stands.wait();
        assert!(cost.wall >= 0.2 && cost.cpu > 0.0 && cost.cpu < cost.wall, "{cost:?}");
        assert!((16..200).contains(&cost.mib), "{cost:?}");
    }

    #[test]
    fn the_middle_is_taken_figure_by_figure() {
        let round = |look, wall, cpu, mib| (look, Cost { wall, cpu, mib });
        let rounds =
            [round(Look::Both, 3.0, 1.0, 7), round(Look::Both, 1.0, 3.0, 9), round(Look::Both, 2.0, 2.0, 8)];
        let middle_of = |rounds: &[_]| {
            let middle = middle(rounds);
            (middle.wall, middle.cpu, middle.mib)
        };
        assert_eq!(middle_of(&rounds), (2.0, 2.0, 8));
        let apart = [
            round(Look::Time, 3.0, 1.0, 0),
            round(Look::Time, 1.0, 3.0, 0),
            round(Look::Memory, 9.0, 9.0, 8),
        ];
        assert_eq!(middle_of(&apart), (1.0, 1.0, 8));
    }
}
