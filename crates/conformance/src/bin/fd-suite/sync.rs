//! Brackets: the flags of `DMA_BUF_IOCTL_SYNC`, and what is not checked.

use rustix::io::Errno;
use wharf_uapi::dma_buf::{SYNC, SYNC_END, SYNC_READ, SYNC_RW, SYNC_WRITE};

use crate::case::{Outcome, Suite, expect_errno, expect_ok};
use crate::sys::{Pages, Place};
use crate::things::{RDONLY, allocate, asking, buffer, call_at, constant, heap, sync};

/// Adds the cases of this area.
pub(crate) fn add(suite: &mut Suite) {
    flags(suite);
    addresses(suite);
    sequences(suite);
    suite.add("sync/write-through-a-read-only-descriptor", || {
        let buffer = allocate(heap()?, asking(RDONLY))?;
        expect_ok(sync(&buffer, SYNC_WRITE))
    });
    suite.add("sync/argument-is-only-read", || {
        let page = constant(&u64::from(SYNC_RW).to_ne_bytes())?;
        expect_ok(call_at(buffer()?, SYNC, page.place(0))).map(drop)
    });
}

fn flags(suite: &mut Suite) {
    for flags in 0..16_u64 {
        let good = flags & 3 != 0 && flags < 8;
        let name = if good { "known" } else { "refused" };
        suite.add(format!("sync/flags-{flags}-{name}"), move || -> Outcome {
            let got = sync(buffer()?, flags);
            if good {
                expect_ok(got)
            } else {
                expect_errno(Errno::INVAL, got)
            }
        });
    }
    for bit in [4, 31, 32, 40, 63] {
        suite.add(format!("sync/flag-{bit}-refused"), move || {
            expect_errno(Errno::INVAL, sync(buffer()?, (1 << bit) | u64::from(SYNC_RW)))
        });
    }
    suite.add("sync/all-flags-refused", || {
        expect_errno(Errno::INVAL, sync(buffer()?, u64::MAX))
    });
}

fn addresses(suite: &mut Suite) {
    for (name, place) in [("null", Place::NULL), ("of-the-kernel", Place::OF_KERNEL)] {
        suite.add(format!("sync/address-{name}"), move || {
            expect_errno(Errno::FAULT, call_at(buffer()?, SYNC, place))
        });
    }
    suite.add("sync/address-before-a-hole", || {
        let page = Pages::new(1)?;
        page.put(crate::sys::PAGE - 4, &[3, 0, 0, 0]);
        expect_errno(Errno::FAULT, call_at(buffer()?, SYNC, page.last(4)))
    });
}

fn sequences(suite: &mut Suite) {
    let cases: [(&str, &'static [u32]); 5] = [
        ("end-without-begin", &[SYNC_RW | SYNC_END]),
        ("begin-twice", &[SYNC_RW, SYNC_RW]),
        ("end-twice", &[SYNC_RW, SYNC_RW | SYNC_END, SYNC_RW | SYNC_END]),
        ("end-of-another-direction", &[SYNC_READ, SYNC_WRITE | SYNC_END]),
        (
            "readers-within-writers",
            &[SYNC_WRITE, SYNC_READ, SYNC_READ | SYNC_END, SYNC_WRITE | SYNC_END],
        ),
    ];
    for (name, calls) in cases {
        suite.add(format!("sync/{name}"), move || {
            let buffer = buffer()?;
            calls
                .iter()
                .try_for_each(|flags| expect_ok(sync(&buffer, *flags)))
        });
    }
    suite.add("sync/end-through-a-copy", || {
        let buffer = buffer()?;
        let copy = rustix::io::dup(&buffer)?;
        expect_ok(sync(&buffer, SYNC_RW))?;
        expect_ok(sync(&copy, SYNC_RW | SYNC_END))
    });
}
