use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, SealFlags, fcntl_getfl};
use rustix::io::Errno;
use wharf_linux::Memfd;
use wharf_protocol::transport::Socket;
use wharf_protocol::{BrokerError, Incarnation, SetId, Slot, StreamId};
use wharf_stream::status::{SlotState, StreamState};

use super::descriptors::{Descriptor, Descriptors};
use super::disposal::{Disposal, ForeignFd};
use super::input::{inspect, receive};
use super::sealing::{Job, Sealing};
use super::status_pages::StatusPages;
use super::system_error;
use crate::state::{FdHandle, Inspection, OperationId, PeerId};

/// Something whose end waits for somebody.
struct Clingy(Receiver<()>);

impl Drop for Clingy {
    fn drop(&mut self) {
        let _ = self.0.recv();
    }
}

#[test]
fn disposal_waits_for_nobody_until_it_is_to_finish() {
    let disposal = Disposal::new("test");
    let (let_go, clinging) = channel();
    disposal.dispose(Clingy(clinging));
    let (let_go_too, clinging) = channel();
    disposal.dispose(Clingy(clinging));
    assert_eq!(disposal.waiting(), 2);
    drop((let_go, let_go_too));
    disposal.finish();
}

#[test]
fn disposal_that_was_never_used_has_no_thread_to_finish() {
    Disposal::<OwnedFd>::new("test").finish();
}

#[test]
fn foreign_descriptor_is_closed_in_the_end() {
    let disposal = Arc::new(Disposal::new("test"));
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    drop(ForeignFd::new(ours.into(), &disposal));
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
}

#[test]
fn reading_returns_bytes_with_their_descriptors_and_then_the_end() {
    let disposal = Arc::new(Disposal::new("test"));
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = Socket::from(theirs);
    let mut buffer = [0; 64];
    assert_eq!(receive(&ours, &mut buffer, &disposal).unwrap_err(), Errno::AGAIN);
    let page = Memfd::create("page", 4096).unwrap();
    theirs.send(b"hello", &[page.as_fd(), page.as_fd()]).unwrap();
    drop(theirs);
    let input = receive(&ours, &mut buffer, &disposal).unwrap();
    assert_eq!(
        (&buffer[..input.bytes], input.fds.len(), input.fds_lost),
        (&b"hello"[..], 2, false)
    );
    assert_eq!(receive(&ours, &mut buffer, &disposal).unwrap().bytes, 0);
}

fn look_at(fd: OwnedFd) -> (Descriptor, Inspection) {
    inspect(ForeignFd::new(fd, &Arc::new(Disposal::new("test"))))
}

#[test]
fn sealed_memory_is_opened_again_for_reading_only() {
    let memory = Memfd::create("page", 8192).unwrap();
    memory.seal_future_writes().unwrap();
    let (descriptor, inspection) = look_at(memory.into());
    let Inspection::Memfd {
        size_bytes: 8192,
        seals,
    } = inspection
    else {
        panic!("{inspection:?}")
    };
    assert!(seals.contains(Memfd::WRITE_SEALED));
    let fd = descriptor.fd().unwrap();
    assert_eq!(fcntl_getfl(fd).unwrap() & OFlags::ACCMODE, OFlags::RDONLY);
}

#[test]
fn unsealed_memory_and_what_is_no_memory_is_not_kept() {
    let memory = Memfd::create("page", 8192).unwrap();
    let (descriptor, inspection) = look_at(memory.into());
    assert!(descriptor.fd().is_none());
    assert!(matches!(inspection, Inspection::Memfd { seals, .. } if !seals.contains(SealFlags::SEAL)));
    let (pipe, _writer) = rustix::pipe::pipe().unwrap();
    let (descriptor, inspection) = look_at(pipe);
    assert!(descriptor.fd().is_none());
    assert!(matches!(inspection, Inspection::Unusable { .. }));
    let path_only = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, rustix::fs::Mode::empty()).unwrap();
    assert!(matches!(look_at(path_only).1, Inspection::Unusable { .. }));
}

fn job(descriptors: &mut Descriptors, buffer: Descriptor) -> (FdHandle, Job) {
    let handle = descriptors.add(buffer);
    let buffers = vec![(handle, Arc::clone(descriptors.get(handle).unwrap()))];
    (
        handle,
        Job {
            peer: PeerId(1),
            operation: OperationId(1),
            set: SetId(1),
            buffers,
        },
    )
}

fn wait_for_bell(sealing: &Sealing) {
    let mut fds = [PollFd::new(sealing, PollFlags::IN)];
    assert_eq!(poll(&mut fds, None).unwrap(), 1);
}

#[test]
fn buffers_are_sealed_by_another_thread() {
    let (mut sealing, mut descriptors) = (Sealing::new().unwrap(), Descriptors::default());
    let memory = Memfd::create("buffer", 4096).unwrap();
    let (handle, job) = job(&mut descriptors, Descriptor::Memory(memory));
    assert!(sealing.begin(job).is_none());
    wait_for_bell(&sealing);
    let mut finished = sealing.finished();
    let read_only = finished.remove(0).outcome.unwrap();
    let [(sealed, Descriptor::ReadOnly(fd))] = &read_only[..] else {
        panic!("{read_only:?}")
    };
    assert_eq!(*sealed, handle);
    assert!(
        rustix::fs::fcntl_get_seals(fd)
            .unwrap()
            .contains(Memfd::WRITE_SEALED)
    );
    assert!(sealing.finished().is_empty());
}

#[test]
fn buffers_that_are_sealed_need_no_thread() {
    let (mut sealing, mut descriptors) = (Sealing::new().unwrap(), Descriptors::default());
    let memory = Memfd::create("buffer", 4096).unwrap();
    memory.seal_future_writes().unwrap();
    let (handle, first) = job(&mut descriptors, Descriptor::Memory(memory));
    let mut read_only = sealing.begin(first).unwrap().outcome.unwrap();
    let (_, descriptor) = read_only.remove(0);
    descriptors.replace(handle, descriptor);
    assert!(matches!(
        **descriptors.get(handle).unwrap(),
        Descriptor::ReadOnly(_)
    ));
    let buffers = vec![(handle, Arc::clone(descriptors.get(handle).unwrap()))];
    let again = Job {
        peer: PeerId(1),
        operation: OperationId(2),
        set: SetId(1),
        buffers,
    };
    assert!(
        sealing.begin(again).unwrap().outcome.unwrap().is_empty(),
        "nothing to replace"
    );
}

#[test]
fn seals_that_do_not_come_off_are_bounded() {
    let (mut sealing, mut descriptors) = (Sealing::new().unwrap(), Descriptors::default());
    let mut begin = |sealing: &mut Sealing| {
        let memory = Memfd::create("buffer", 4096).unwrap();
        sealing.begin(job(&mut descriptors, Descriptor::Memory(memory)).1)
    };
    assert!((0..8).all(|_| begin(&mut sealing).is_none()));
    let refused = begin(&mut sealing).unwrap().outcome.unwrap_err();
    assert_eq!(refused.errno(), Errno::AGAIN);
    let mut finished = 0;
    while finished < 8 {
        wait_for_bell(&sealing);
        finished += sealing.finished().len();
    }
    assert!(begin(&mut sealing).is_none());
}

#[test]
fn buffer_whose_owner_forbids_further_seals_cannot_be_sealed() {
    let (mut sealing, mut descriptors) = (Sealing::new().unwrap(), Descriptors::default());
    let memory = Memfd::create("buffer", 4096).unwrap();
    rustix::fs::fcntl_add_seals(&memory, SealFlags::SEAL).unwrap();
    assert!(
        sealing
            .begin(job(&mut descriptors, Descriptor::Memory(memory)).1)
            .is_none()
    );
    wait_for_bell(&sealing);
    let error = sealing.finished().remove(0).outcome.unwrap_err();
    assert_eq!(error.errno(), Errno::PERM);
    let error = sealing
        .begin(job(&mut descriptors, Descriptor::Refused).1)
        .unwrap()
        .outcome
        .unwrap_err();
    assert_eq!(error.errno(), Errno::BADFD);
}

#[test]
fn status_page_is_unwritable_for_everybody_else() {
    let mut pages = StatusPages::default();
    let page = pages.create(StreamId(1)).unwrap();
    let fd = page.fd().unwrap();
    assert!(
        rustix::fs::fcntl_get_seals(fd)
            .unwrap()
            .contains(Memfd::WRITE_SEALED)
    );
    assert_eq!(fcntl_getfl(fd).unwrap() & OFlags::ACCMODE, OFlags::RDONLY);
    pages.set_slot(StreamId(1), Slot(0), Incarnation(1), SlotState::Live);
    pages.remove(StreamId(1));
    pages.set_slot(StreamId(1), Slot(0), Incarnation(1), SlotState::Gone);
    pages.set_stream_state(StreamId(1), StreamState::Ended);
}

#[test]
fn shortage_of_descriptors_is_told_from_other_failures() {
    assert_eq!(system_error(Errno::MFILE, "x"), BrokerError::OutOfDescriptors);
    assert_eq!(system_error(Errno::NFILE, "x"), BrokerError::OutOfDescriptors);
    let error = system_error(Errno::NOMEM, "allocating buffers");
    assert_eq!(error.errno(), Errno::NOMEM);
    assert!(error.to_string().contains("allocating buffers failed"), "{error}");
}

#[test]
fn keys_of_events_are_told_apart() {
    use super::Key;
    use rustix::event::epoll::EventData;
    let peers = [PeerId(1), PeerId(2), PeerId(u64::MAX >> 3)];
    let keys = [Key::Stop, Key::Listener, Key::Sealing].into_iter();
    let keys: Vec<Key> = keys
        .chain(
            peers
                .into_iter()
                .flat_map(|peer| [Key::Socket(peer), Key::Process(peer)]),
        )
        .collect();
    for key in keys {
        let data = EventData::from(key);
        let event = rustix::event::epoll::Event {
            flags: rustix::event::epoll::EventFlags::IN,
            data,
        };
        assert_eq!(Key::of(&event), key);
    }
}
