//! The machine: processors, who uses them, and what a process uses.

use crate::Outcome;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::time::{Duration, Instant};

/// Ticks a second in `/proc/stat`: the same on all Linux machines that Rust runs on.
const TICKS_PER_S: u64 = 100;

/// Keeps this process on one processor; on a machine that lacks it, wherever it likes.
pub(crate) fn pin_to_cpu(cpu: usize) -> Outcome<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    match sched_setaffinity(None, &cpus) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

pub(crate) fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Processor time that this process has used.
pub(crate) fn cpu_time() -> Outcome<Duration> {
    used_by(UsageWho::RUSAGE_SELF)
}

fn used_by(who: UsageWho) -> Outcome<Duration> {
    let usage = getrusage(who)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}

/// What was going on at one moment.
pub(crate) struct Load {
    at: Instant,
    idle_ticks: u64,
    /// Used by this process and by children that have ended.
    own: Duration,
}

impl Load {
    pub(crate) fn now() -> Outcome<Self> {
        let stat = std::fs::read_to_string("/proc/stat")?;
        let fields = stat.lines().next().unwrap_or_default().split_whitespace();
        // After the name: user, nice, system, idle, iowait.
        let idle = fields.skip(4).take(2).map(str::parse::<u64>);
        Ok(Self {
            at: Instant::now(),
            idle_ticks: idle.sum::<Result<u64, _>>()?,
            own: used_by(UsageWho::RUSAGE_SELF)? + used_by(UsageWho::RUSAGE_CHILDREN)?,
        })
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.at.elapsed()
    }

    /// How much of one processor others have used since `self`, as a share: 0.2 is a fifth of one. All children of the time between must
    /// have ended.
    pub(crate) fn foreign_since(&self) -> Outcome<f64> {
        let now = Self::now()?;
        let wall = (now.at - self.at).as_secs_f64();
        let idle = (now.idle_ticks - self.idle_ticks) as f64 / TICKS_PER_S as f64;
        let own = (now.own - self.own).as_secs_f64();
        Ok((wall * cpu_count() as f64 - idle - own).max(0.0) / wall)
    }
}

/// What this process has: memory as its share of what it maps, descriptors, threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holdings {
    pub(crate) pss_kib: f64,
    pub(crate) fds: f64,
    pub(crate) threads: f64,
}

impl Holdings {
    pub(crate) fn now() -> Outcome<Self> {
        let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let pss = pss.and_then(|rest| rest.split_whitespace().next());
        Ok(Self {
            pss_kib: pss.ok_or("no Pss in smaps_rollup")?.parse()?,
            // The one that reads the directory is closed again.
            fds: std::fs::read_dir("/proc/self/fd")?.count() as f64 - 1.0,
            threads: std::fs::read_dir("/proc/self/task")?.count() as f64,
        })
    }
}
