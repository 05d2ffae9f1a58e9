//! Pages that are handed out to look at: they show what happens, and nobody can write them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails fails the test"
)]

mod common;

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, OwnedFd};

use common::Broker;
use rustix::fs::{OFlags, fcntl_getfl};
use wharf_memory::{Access, Mapping};
use wharf_protocol::{BrokerError, EndReason, EndStream, WatchStream};
use wharf_stream::{CONSUMER_PAGE_BYTES, RING_PAGE_BYTES, STATUS_PAGE_BYTES};

/// Tries every way in which a descriptor could become a writable mapping.
fn assert_read_only(fd: &OwnedFd, len_bytes: usize) {
    assert_eq!(fcntl_getfl(fd).unwrap() & OFlags::RWMODE, OFlags::RDONLY);
    assert!(Mapping::map(fd, len_bytes, Access::ReadWrite).is_err());
    assert!(rustix::io::pwrite(fd, &[1], 0).is_err());
    assert!(rustix::fs::ftruncate(fd, 0).is_err());
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    if let Ok(reopened) = OpenOptions::new().read(true).write(true).open(path) {
        assert!(Mapping::map(&reopened, len_bytes, Access::ReadWrite).is_err());
        assert!(rustix::io::pwrite(&reopened, &[1], 0).is_err());
        assert!(rustix::fs::ftruncate(&reopened, 0).is_err());
    }
    Mapping::map(fd, len_bytes, Access::ReadOnly).unwrap();
}

#[test]
fn pages_are_read_only_however_they_are_opened() {
    let broker = Broker::start();
    let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
    let produced = camera.stream(4, 2);
    let stream = produced.stream;
    let token = camera.stream_token(stream, 2);
    viewer.join(&token, 1).unwrap();
    viewer.join(&token, 1).unwrap();
    let (reply, fds) = broker.connect().call(WatchStream { stream }).unwrap();
    assert_eq!((reply.members.len(), fds.len()), (2, 4));
    let sizes = [
        RING_PAGE_BYTES,
        STATUS_PAGE_BYTES,
        CONSUMER_PAGE_BYTES,
        CONSUMER_PAGE_BYTES,
    ];
    for (fd, size) in fds.iter().zip(sizes) {
        assert_read_only(fd, size);
    }
}

#[test]
fn who_looks_keeps_nothing_alive_but_what_it_has() {
    let broker = Broker::start();
    let mut camera = broker.client("camera");
    let stream = camera.stream(4, 2).stream;
    let (_, fds) = broker.connect().call(WatchStream { stream }).unwrap();
    let reason = EndReason::Ended;
    camera.call(EndStream { stream, reason }).unwrap();
    let gone = broker.connect().call(WatchStream { stream }).map(|_| ());
    assert_eq!(gone, Err(BrokerError::NoSuchStream { id: stream }));
    drop(camera);
    broker.wait_until_empty();
    Mapping::map(&fds[0], RING_PAGE_BYTES, Access::ReadOnly).unwrap();
}
