//! Words in shared memory, and nothing else.

use crate::{Outcome, pin_to_cpu, unpin};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wharf_linux::Memfd;
use wharf_memory::{Access, CELL_BYTES, Mapping, Ordering, OwnedWords, ReadWords, WriteWords};

const PAGE_BYTES: usize = 8192;
const STOP: u64 = u64::MAX;

fn page() -> Outcome<Arc<OwnedWords>> {
    let memfd = Memfd::create("bench-words", PAGE_BYTES as u64)?;
    let mapping = Mapping::map(memfd, PAGE_BYTES, Access::ReadWrite)?;
    Ok(Arc::new(OwnedWords::new(mapping, PAGE_BYTES / CELL_BYTES)?))
}

/// Nanoseconds of a round trip of a word each way.
pub(crate) fn ping(turn: Duration) -> Outcome<f64> {
    unpin();
    let page = page()?;
    let (ours, theirs) = (16, 32);
    let other = Arc::clone(&page);
    let thread = std::thread::spawn(move || {
        pin_to_cpu(1);
        let mut seen = 0;
        loop {
            let now = other.load_u64(ours, Ordering::Acquire);
            if now == STOP {
                return;
            }
            if now != seen {
                seen = now;
                other.store_u64(theirs, now, Ordering::Release);
            } else {
                std::hint::spin_loop();
            }
        }
    });
    pin_to_cpu(0);
    let (start, mut rounds) = (Instant::now(), 0);
    while start.elapsed() < turn {
        for _ in 0..1000 {
            rounds += 1;
            page.store_u64(ours, rounds, Ordering::Release);
            while page.load_u64(theirs, Ordering::Acquire) != rounds {
                std::hint::spin_loop();
            }
        }
    }
    let ns = start.elapsed().as_nanos() as f64 / rounds as f64;
    page.store_u64(ours, STOP, Ordering::Release);
    let _ = thread.join();
    Ok(ns)
}

/// Nanoseconds an index through a ring of 64 words; the writer waits for room.
pub(crate) fn flood(turn: Duration) -> Outcome<f64> {
    unpin();
    let page = page()?;
    let (head, tail, slots) = (16, 32, 64);
    let other = Arc::clone(&page);
    let thread = std::thread::spawn(move || {
        pin_to_cpu(1);
        let mut seen = 0;
        loop {
            let now = other.load_u64(head, Ordering::Acquire);
            if now == STOP {
                return;
            }
            if now == seen {
                std::hint::spin_loop();
                continue;
            }
            std::hint::black_box(other.load_u64(slots + (seen % 64) as usize, Ordering::Relaxed));
            seen += 1;
            other.store_u64(tail, seen, Ordering::Release);
        }
    });
    pin_to_cpu(0);
    let (start, mut sent) = (Instant::now(), 0);
    while start.elapsed() < turn {
        for _ in 0..1000 {
            while sent - page.load_u64(tail, Ordering::Acquire) >= 64 {
                std::hint::spin_loop();
            }
            page.store_u64(slots + (sent % 64) as usize, sent, Ordering::Relaxed);
            sent += 1;
            page.store_u64(head, sent, Ordering::Release);
        }
    }
    let ns = start.elapsed().as_nanos() as f64 / sent as f64;
    page.store_u64(head, STOP, Ordering::Release);
    let _ = thread.join();
    Ok(ns)
}
