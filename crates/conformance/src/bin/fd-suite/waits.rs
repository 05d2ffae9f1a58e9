//! Brackets that wait for fences, and what ends the wait.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use wharf_uapi::dma_buf::{SYNC_END, SYNC_READ, SYNC_RW, SYNC_WRITE};

use crate::case::{Outcome, Stop, Suite, expect_errno, expect_of, expect_ok};
use crate::fences::Pending;
use crate::ready::SOON;
use crate::sys::{Rung, fork, ring_after};
use crate::things::{buffer, import, sync};

/// Adds the cases of this area.
pub(crate) fn add(suite: &mut Suite) {
    for (name, fence, access) in [
        ("reader-after-writer", SYNC_WRITE, SYNC_READ),
        ("writer-after-writer", SYNC_WRITE, SYNC_WRITE),
        ("writer-after-reader", SYNC_READ, SYNC_WRITE),
        ("both-after-reader", SYNC_READ, SYNC_RW),
        ("both-after-both", SYNC_RW, SYNC_RW),
    ] {
        suite.add(format!("waits/{name}"), move || waits(fence, access));
    }
    for (name, fence, access) in [
        ("reader-beside-reader", SYNC_READ, SYNC_READ),
        ("end-of-reader", SYNC_WRITE, SYNC_READ | SYNC_END),
        ("end-of-writer", SYNC_WRITE, SYNC_WRITE | SYNC_END),
    ] {
        suite.add(format!("waits/{name}-does-not"), move || goes_on(fence, access));
    }
    suite.add("waits/for-all-fences", for_all);
    suite.add("waits/fences-that-are-done-are-not-waited-for", || {
        let (buffer, pending) = busy(SYNC_WRITE)?;
        pending.signal()?;
        expect_ok(sync(&buffer, SYNC_RW))
    });
    suite.add("waits/other-descriptors-wait-too", || {
        let (buffer, pending) = busy(SYNC_WRITE)?;
        let copy = rustix::io::dup(&buffer)?;
        drop(buffer);
        expect_waits(pending, || sync(&copy, SYNC_READ))
    });
    signals(suite);
}

fn signals(suite: &mut Suite) {
    for (name, who) in [("thread", Rung::Thread), ("process", Rung::Process)] {
        suite.add(format!("waits/signal-to-the-{name}-interrupts"), move || {
            let (buffer, _pending) = busy(SYNC_WRITE)?;
            ring_after(SOON, who, false)?;
            expect_errno(Errno::INTR, sync(&buffer, SYNC_READ))
        });
        suite.add(
            format!("waits/signal-to-the-{name}-restarts-if-asked"),
            move || {
                let (buffer, pending) = busy(SYNC_WRITE)?;
                ring_after(SOON, who, true)?;
                expect_waits(pending, || sync(&buffer, SYNC_READ))
            },
        );
    }
    suite.add("waits/signal-to-a-lone-thread-restarts-if-asked", || {
        let (buffer, pending) = busy(SYNC_WRITE)?;
        let Some(_) = fork()? else {
            std::thread::sleep(4 * SOON);
            let _ = pending.signal();
            std::process::exit(0);
        };
        ring_after(SOON, Rung::Process, true)?;
        expect_ok(sync(&buffer, SYNC_READ))
    });
    suite.add("waits/buffer-closed-meanwhile", || {
        let (buffer, pending) = busy(SYNC_WRITE)?;
        let copy = rustix::io::dup(&buffer)?;
        let waiting = std::thread::spawn(move || sync(&copy, SYNC_READ));
        drop(buffer);
        std::thread::sleep(SOON);
        pending.signal()?;
        expect_ok(waiting.join().map_err(|_| Errno::IO)?)
    });
}

fn busy(flags: u32) -> Result<(OwnedFd, Pending), Stop> {
    let (buffer, pending) = (buffer()?, Pending::new()?);
    import(&buffer, flags, &pending.file)?;
    Ok((buffer, pending))
}

fn waits(fence: u32, access: u32) -> Outcome {
    let (buffer, pending) = busy(fence)?;
    expect_waits(pending, || sync(&buffer, access))
}

/// Expects that `call` waits until `pending` is signaled, a while from now.
fn expect_waits(pending: Pending, call: impl FnOnce() -> Result<(), Errno>) -> Outcome {
    let later = pending.signal_after(2 * SOON);
    expect_ok(call())?;
    later.expect_waited()
}

/// Expects that an access does not wait for a fence that nobody signals; those of vgem give up after ten seconds.
fn goes_on(fence: u32, access: u32) -> Outcome {
    let (buffer, _pending) = busy(fence)?;
    let begun = Instant::now();
    expect_ok(sync(&buffer, access))?;
    expect_of("waited:", false, begun.elapsed() > Duration::from_secs(5))
}

fn for_all() -> Outcome {
    let (buffer, first) = busy(SYNC_READ)?;
    let second = Pending::new()?;
    import(&buffer, SYNC_READ, &second.file)?;
    second.signal()?;
    expect_waits(first, || sync(&buffer, SYNC_WRITE))
}
