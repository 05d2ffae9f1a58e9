//! Buffers and streams as clients see them, over a real socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails fails the test"
)]

mod common;

use std::os::fd::{AsFd, OwnedFd};

use common::{Broker, page};
use rustix::fs::{OFlags, SealFlags, fcntl_get_seals, fcntl_getfl, fstat};
use rustix::io::Errno;
use wharf_linux::{Memfd, PidFd};
use wharf_memory::{Access, Mapping};
use wharf_protocol::{
    EndReason, EndStream, FreeBuffers, GetInfo, GetInterfaceDescription, ImportBuffers, Incarnation,
    LeaveStream, ObjectKind, TakeChanges,
};
use wharf_stream::CONSUMER_PAGE_BYTES;

const SIZE: usize = 8192;

fn map(fd: &OwnedFd, access: Access) -> Mapping {
    Mapping::map(fd, SIZE, access).unwrap()
}

fn fill(mapping: &Mapping, byte: u8) {
    mapping.view_mut().unwrap().fill(0, SIZE, byte).unwrap();
}

fn first_byte(mapping: &Mapping) -> u8 {
    let mut byte = [0];
    mapping.view().copy_to(0, &mut byte).unwrap();
    byte[0]
}

#[test]
fn buffers_are_zeroed_writable_and_of_fixed_size() {
    let broker = Broker::start();
    let (reply, buffers) = broker.client("camera").allocate(5000, 3);
    assert_eq!((reply.size_bytes, buffers.len()), (SIZE as u64, 3));
    for buffer in &buffers {
        assert_eq!(first_byte(&map(buffer, Access::ReadWrite)), 0);
        assert_eq!(fcntl_getfl(buffer).unwrap() & OFlags::ACCMODE, OFlags::RDWR);
        let seals = fcntl_get_seals(buffer).unwrap();
        assert!(seals.contains(Memfd::FIXED_SIZE) && !seals.contains(SealFlags::FUTURE_WRITE));
        assert_eq!(rustix::fs::ftruncate(buffer, 0), Err(Errno::PERM));
    }
}

#[test]
fn importer_sees_what_the_owner_writes_and_cannot_write() {
    let broker = Broker::start();
    let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
    let (set, written) = camera.allocate(SIZE as u64, 2);
    let mappings: Vec<_> = written.iter().map(|fd| map(fd, Access::ReadWrite)).collect();
    let token = camera.token(ObjectKind::Set, set.set.0, 1);
    let (reply, imported) = viewer
        .call(ImportBuffers {
            token,
            contract: None,
        })
        .unwrap();
    assert_eq!(
        (reply.count, imported.len(), reply.name.as_str()),
        (2, 2, "frames")
    );
    for (index, (mapping, fd)) in mappings.iter().zip(&imported).enumerate() {
        let byte = u8::try_from(index).unwrap() + 1;
        fill(mapping, byte);
        assert_eq!(first_byte(&map(fd, Access::ReadOnly)), byte);
        assert_unwritable(fd);
    }
    assert!(
        Mapping::map(&written[0], SIZE, Access::ReadWrite).is_err(),
        "not even the owner maps anew"
    );
}

/// Tries what linux-mechanisms section D lists, as far as it needs no unsafe code.
fn assert_unwritable(fd: &OwnedFd) {
    use std::os::fd::AsRawFd;
    assert_eq!(fcntl_getfl(fd).unwrap() & OFlags::ACCMODE, OFlags::RDONLY);
    assert!(Mapping::map(fd, SIZE, Access::ReadWrite).is_err());
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let reopened = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, rustix::fs::Mode::empty()).unwrap();
    assert!(Mapping::map(&reopened, SIZE, Access::ReadWrite).is_err());
    assert_eq!(rustix::io::pwrite(&reopened, b"x", 0), Err(Errno::PERM));
    let hole = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    assert_eq!(rustix::fs::fallocate(&reopened, hole, 0, 4096), Err(Errno::PERM));
    assert_eq!(rustix::fs::ftruncate(&reopened, 0), Err(Errno::PERM));
    assert_eq!(
        rustix::fs::fcntl_add_seals(&reopened, SealFlags::WRITE),
        Err(Errno::PERM)
    );
}

#[test]
fn consumer_gets_pages_producer_and_buffers_that_it_cannot_write() {
    let broker = Broker::start();
    let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
    let produced = camera.stream(4, 2);
    let token = camera.stream_token(produced.stream, 1);
    let (reply, fds) = viewer.join(&token, 2).unwrap();
    assert_eq!(fds.len(), 3 + 4);
    assert_eq!(
        (reply.producer_label.as_str(), reply.producer_pid),
        ("camera", std::process::id())
    );
    let same = |left: &dyn AsFd, right: &dyn AsFd| {
        let (left, right) = (fstat(left.as_fd()).unwrap(), fstat(right.as_fd()).unwrap());
        (left.st_dev, left.st_ino) == (right.st_dev, right.st_ino)
    };
    assert!(same(&fds[0], &produced.ring));
    assert!(same(&fds[1], &produced.status.fd));
    for index in [0, 1, 3, 4, 5, 6] {
        assert_eq!(
            fcntl_getfl(&fds[index]).unwrap() & OFlags::ACCMODE,
            OFlags::RDONLY,
            "descriptor {index}"
        );
        assert!(
            fcntl_get_seals(&fds[index])
                .unwrap()
                .contains(Memfd::WRITE_SEALED),
            "descriptor {index}"
        );
    }
    let producer = PidFd::from_fd(fds.into_iter().nth(2).unwrap()).unwrap();
    assert!(!producer.is_dead().unwrap());
}

#[test]
fn participants_do_not_share_the_flags_of_the_producers_descriptor() {
    let broker = Broker::start();
    let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
    let produced = camera.stream(4, 2);
    let token = camera.stream_token(produced.stream, 1);
    let (_, fds) = viewer.join(&token, 1).unwrap();
    rustix::fs::seek(&produced.ring, rustix::fs::SeekFrom::Start(100)).unwrap();
    assert_eq!(rustix::fs::tell(&fds[0]).unwrap(), 0);
}

#[test]
fn joining_and_leaving_show_in_the_status_page() {
    let broker = Broker::start();
    let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
    let produced = camera.stream(8, 2);
    let status = &produced.status;
    assert_eq!((status.stream_state(), status.slot(0)), (0, (0, 0)));
    let token = camera.stream_token(produced.stream, 2);

    let before = status.version();
    let (first, _) = viewer.join(&token, 1).unwrap();
    assert_ne!(status.version(), before);
    assert_eq!(status.slot(first.slot.0), (first.incarnation.0, 1));

    let leave = LeaveStream {
        stream: first.stream,
        slot: first.slot,
        incarnation: first.incarnation,
    };
    viewer.call(leave).unwrap();
    assert_eq!(status.slot(first.slot.0), (first.incarnation.0, 2));

    let (second, _) = viewer.join(&token, 1).unwrap();
    assert_eq!(second.slot, first.slot);
    assert_eq!(status.slot(second.slot.0), (second.incarnation.0, 1));

    camera
        .call(EndStream {
            stream: produced.stream,
            reason: EndReason::Ended,
        })
        .unwrap();
    assert_eq!(status.stream_state(), 1);
}

#[test]
fn producer_gets_the_very_page_and_process_of_a_newcomer() {
    let broker = Broker::start();
    let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
    let produced = camera.stream(8, 2);
    let token = camera.stream_token(produced.stream, 1);
    let consumer_page = page(CONSUMER_PAGE_BYTES);
    let call = wharf_protocol::JoinStream {
        stream: Some(produced.stream),
        ..wharf_protocol::JoinStream::new(token, 3, wharf_protocol::Policy::Latest)
    };
    viewer.call_with(call, &[&consumer_page]).unwrap();
    let (changes, fds) = camera
        .call(TakeChanges {
            stream: produced.stream,
            after: Incarnation(0),
        })
        .unwrap();
    assert_eq!((changes.joined.len(), fds.len()), (1, 2));
    assert_eq!(
        (changes.joined[0].label.as_str(), changes.joined[0].depth),
        ("viewer", 3)
    );
    assert_eq!(
        fstat(&fds[0]).unwrap().st_ino,
        fstat(&consumer_page).unwrap().st_ino
    );
    assert_eq!(fcntl_getfl(&fds[0]).unwrap() & OFlags::ACCMODE, OFlags::RDONLY);
    PidFd::from_fd(fds.into_iter().nth(1).unwrap()).unwrap();
    let mut take = |after| {
        let stream = produced.stream;
        camera.call(TakeChanges { stream, after }).unwrap()
    };
    let (again, fds) = take(Incarnation(0));
    assert_eq!(
        (again.joined.len(), fds.len()),
        (1, 2),
        "a lost reply costs nothing"
    );
    let (later, fds) = take(again.joined[0].incarnation);
    assert!(later.joined.is_empty() && fds.is_empty());
}

#[test]
fn largest_stream_works() {
    let broker = Broker::start();
    let mut camera = broker.client("camera");
    let produced = camera.stream(64, 64);
    let token = camera.stream_token(produced.stream, 64);
    let mut viewers: Vec<_> = (0..63).map(|_| broker.client("viewer")).collect();
    for viewer in &mut viewers {
        let (_, fds) = viewer.join(&token, 1).unwrap();
        assert_eq!(fds.len(), 67);
    }
    let (changes, fds) = camera
        .call(TakeChanges {
            stream: produced.stream,
            after: Incarnation(0),
        })
        .unwrap();
    assert_eq!((changes.joined.len(), fds.len()), (63, 126));
}

#[test]
fn mappings_outlive_free_session_and_broker() {
    let broker = Broker::start();
    let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
    let (set, fds) = camera.allocate(SIZE as u64, 1);
    let written = map(&fds[0], Access::ReadWrite);
    let token = camera.token(ObjectKind::Set, set.set.0, 1);
    let (_, imported) = viewer
        .call(ImportBuffers {
            token,
            contract: None,
        })
        .unwrap();
    let read = map(&imported[0], Access::ReadOnly);
    camera.call(FreeBuffers { set: set.set }).unwrap();
    let produced = camera.stream(4, 1);
    let status = produced.status;
    drop(broker);
    assert_eq!(status.stream_state(), 0, "a stream survives its broker");
    drop((camera, viewer, fds, imported));
    fill(&written, 9);
    assert_eq!(first_byte(&read), 9);
}

#[test]
fn late_token_says_that_the_stream_has_ended() {
    let broker = Broker::start();
    let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
    let produced = camera.stream(4, 1);
    let token = camera.stream_token(produced.stream, 1);
    camera
        .call(EndStream {
            stream: produced.stream,
            reason: EndReason::Ended,
        })
        .unwrap();
    let error = viewer.join(&token, 1).unwrap_err();
    assert_eq!(
        error,
        wharf_protocol::BrokerError::StreamEnded {
            reason: EndReason::Ended
        }
    );
}

#[test]
fn service_describes_itself() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let info = client.call(GetInfo {}).unwrap().0;
    assert_eq!(
        info.interfaces,
        [wharf_protocol::INTERFACE, wharf_protocol::SERVICE_INTERFACE]
    );
    for interface in info.interfaces {
        let (reply, _) = client
            .call(GetInterfaceDescription {
                interface: interface.clone(),
            })
            .unwrap();
        assert_eq!(
            Some(reply.description.as_str()),
            wharf_protocol::interface_description(&interface)
        );
    }
}
