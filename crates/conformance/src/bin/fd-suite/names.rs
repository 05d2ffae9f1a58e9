//! Names of buffers: `DMA_BUF_SET_NAME`.

use std::os::fd::AsFd;

use rustix::io::Errno;
use wharf_uapi::dma_buf::{NAME_LEN, SET_NAME_A, SET_NAME_B};

use crate::case::{Suite, expect_errno, expect_ok};
use crate::sys::{PAGE, Pages, Place};
use crate::things::{buffer, call_at};

/// Names a buffer; the name ends where the pages do.
pub(crate) fn name(buffer: impl AsFd, text: &[u8]) -> Result<(), Errno> {
    let page = Pages::new(1)?;
    page.put(PAGE - text.len(), text);
    call_at(buffer, SET_NAME_B, page.last(text.len())).map(drop)
}

/// Adds the cases of this area.
pub(crate) fn add(suite: &mut Suite) {
    for (case, text) in [
        ("short", b"frame\0".to_vec()),
        ("empty", b"\0".to_vec()),
        ("longest", [vec![b'x'; NAME_LEN - 1], vec![0]].concat()),
        ("of-any-bytes", b"\xff\x01 /\n\0".to_vec()),
    ] {
        suite.add(format!("names/{case}"), move || expect_ok(name(buffer()?, &text)));
    }
    suite.add("names/too-long-by-one", || {
        let long = [vec![b'x'; NAME_LEN], vec![0]].concat();
        expect_errno(Errno::INVAL, name(buffer()?, &long))
    });
    suite.add("names/endless", || {
        expect_errno(Errno::INVAL, name(buffer()?, &[b'x'; PAGE]))
    });
    suite.add("names/that-runs-into-a-hole", || {
        expect_errno(Errno::FAULT, name(buffer()?, b"frame"))
    });
    for (case, place) in [("null", Place::NULL), ("of-the-kernel", Place::OF_KERNEL)] {
        suite.add(format!("names/address-{case}"), move || {
            expect_errno(Errno::FAULT, call_at(buffer()?, SET_NAME_B, place))
        });
    }
    suite.add("names/by-the-number-of-32-bits", || {
        let page = Pages::new(1)?;
        expect_ok(call_at(buffer()?, SET_NAME_A, page.place(0))).map(drop)
    });
    suite.add("names/can-be-changed", || {
        let buffer = buffer()?;
        expect_ok(name(&buffer, b"one\0"))?;
        expect_ok(name(&buffer, b"two\0"))
    });
    suite.add("names/through-a-copy", || {
        let buffer = buffer()?;
        expect_ok(name(rustix::io::dup(&buffer)?, b"frame\0"))
    });
}
