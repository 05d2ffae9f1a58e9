//! Two threads that sleep for each other, on a CPU each.

use crate::turns::{Case, Measured};
use crate::{Outcome, Stage, case};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::sync::Arc;
use std::thread;
use wharf::{ImportedTimeline, Timeline};
use wharf_linux::Memfd;
use wharf_memory::{Access, Mapping, Ordering, OwnedWords, ReadWords, WriteWords, wait_any, wake};

const BATCH: usize = 64;
const PAGE_BYTES: usize = 4096;
const CELLS: usize = PAGE_BYTES / wharf_memory::CELL_BYTES;

pub(crate) fn cases(stage: &Stage) -> Outcome<Vec<Case>> {
    let mut futex = Futex::new()?;
    let mut timelines = Timelines::new(stage)?;
    let mut callbacks = Callbacks::new(stage)?;
    // The waiter thread starts now, before this one is kept on a CPU.
    callbacks.round_trip();
    pin_to_cpu(0)?;
    Ok(vec![
        case("bare futex", move || measure(|| futex.round_trip())),
        case("signal and wait", move || measure(|| timelines.round_trip())),
        case("signal, answered by a callback on the waiter thread", move || {
            measure(|| callbacks.round_trip())
        }),
    ])
}

fn measure(mut round_trip: impl FnMut()) -> Measured {
    Measured::of(BATCH, || (0..BATCH).for_each(|_| round_trip()))
}

fn pin_to_cpu(number: usize) -> Outcome<()> {
    let mut cpus = CpuSet::new();
    cpus.set(number);
    Ok(sched_setaffinity(None, &cpus)?)
}

/// A word each way, and nothing else.
struct Futex {
    ours: Arc<OwnedWords>,
    rounds: u32,
}

impl Futex {
    fn new() -> Outcome<Self> {
        let memfd = Memfd::create("bench-words", PAGE_BYTES as u64)?;
        let map = || Mapping::map(&memfd, PAGE_BYTES, Access::ReadWrite);
        let ours = Arc::new(OwnedWords::new(map()?, CELLS)?);
        let theirs = OwnedWords::new(map()?, CELLS)?;
        thread::spawn(move || {
            let _ = pin_to_cpu(1);
            for round in 0.. {
                sleep_while(&theirs, 0, round);
                count(&theirs, 8);
            }
        });
        Ok(Self { ours, rounds: 0 })
    }

    fn round_trip(&mut self) {
        count(&self.ours, 0);
        sleep_while(&self.ours, 8, self.rounds);
        self.rounds += 1;
    }
}

fn count(words: &OwnedWords, cell: usize) {
    words.increment_u32(cell, Ordering::SeqCst);
    wake(words.futex(cell));
}

fn sleep_while(words: &OwnedWords, cell: usize, seen: u32) {
    let word = words.futex(cell);
    while word.load(Ordering::Acquire) == seen {
        wait_any(&[(word, seen)], None);
    }
}

/// A timeline each way.
struct Timelines {
    ping: Timeline,
    ponged: ImportedTimeline,
    point: u64,
}

fn both(stage: &Stage) -> Outcome<(Timeline, ImportedTimeline)> {
    let (timeline, mut imported) = stage.timeline(1)?;
    Ok((timeline, imported.pop().ok_or("not imported")?))
}

impl Timelines {
    fn new(stage: &Stage) -> Outcome<Self> {
        let ((ping, pinged), (pong, ponged)) = (both(stage)?, both(stage)?);
        thread::spawn(move || {
            let _ = pin_to_cpu(1);
            for point in 2.. {
                if pinged.wait(point, None).is_err() || pong.signal(point).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            ping,
            ponged,
            point: 1,
        })
    }

    fn round_trip(&mut self) {
        self.point += 1;
        let _ = self.ping.signal(self.point);
        let _ = self.ponged.wait(self.point, None);
    }
}

/// A timeline, answered by callbacks on the waiter thread.
struct Callbacks {
    ping: Timeline,
    pinged: ImportedTimeline,
    pong: Arc<Timeline>,
    ponged: ImportedTimeline,
    point: u64,
}

impl Callbacks {
    fn new(stage: &Stage) -> Outcome<Self> {
        let ((ping, pinged), (pong, ponged)) = (both(stage)?, both(stage)?);
        Ok(Self {
            ping,
            pinged,
            pong: Arc::new(pong),
            ponged,
            point: 1,
        })
    }

    fn round_trip(&mut self) {
        self.point += 1;
        let (pong, point) = (Arc::clone(&self.pong), self.point);
        let outcome = self.pinged.fence(point).add_callback(move |_| {
            let _ = pong.signal(point);
        });
        drop(outcome);
        let _ = self.ping.signal(point);
        let _ = self.ponged.wait(point, None);
    }
}
