use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, SealFlags, fcntl_getfl};
use rustix::io::Errno;
use wharf_linux::Memfd;
use wharf_protocol::codec::decode_reply;
use wharf_protocol::transport::Socket;
use wharf_protocol::{
    BrokerError, BrokerState, GetStateReply, Reply, SessionId, SessionState, SetId, StreamId,
};
use wharf_stream::status::SlotState;

use super::descriptors::{Descriptor, Descriptors};
use super::disposal::{Disposal, ForeignFd, MAX_CLOSERS, MAX_WAITING};
use super::effects::encode_shortened;
use super::heaps_of_this_machine;
use super::input::{close, inspect, look, take_out, take_out_elsewhere};
use super::output::Output;
use super::sealing::{Job, Sealing};
use super::status_pages::StreamPages;
use super::{Driver, system_error};
use crate::config::Config;
use crate::state::{FdHandle, Inspection, OperationId, PeerId};

/// Something whose end waits for somebody, and says when that is over.
struct Clingy {
    until: Receiver<()>,
    gone: Sender<()>,
}

impl Drop for Clingy {
    fn drop(&mut self) {
        let _ = self.until.recv();
        let _ = self.gone.send(());
    }
}

/// Something clingy, what makes it let go, and what tells that it has.
fn clingy() -> (Clingy, Sender<()>, Receiver<()>) {
    let ((let_go, until), (gone, is_gone)) = (channel(), channel());
    (Clingy { until, gone }, let_go, is_gone)
}

/// Keeps everybody busy who closes things for user `uid`, until what is returned is dropped.
fn jam(disposal: &Disposal, uid: u32) -> Vec<Sender<()>> {
    let stuck = (0..MAX_CLOSERS).map(|_| clingy());
    let jam = stuck.map(|(stuck, let_go, _)| {
        disposal.dispose(uid, stuck);
        let_go
    });
    jam.collect()
}

#[test]
fn disposal_waits_for_nobody_until_it_is_to_finish() {
    let disposal = Disposal::new("test");
    let ((one, let_go, gone), (two, let_go_too, gone_too)) = (clingy(), clingy());
    disposal.dispose(1, one);
    disposal.dispose(1, two);
    drop((let_go, let_go_too));
    disposal.finish();
    assert_eq!((gone.try_recv(), gone_too.try_recv()), (Ok(()), Ok(())));
}

#[test]
fn disposal_that_was_never_used_has_nothing_to_finish() {
    Disposal::new("test").finish();
}

#[test]
fn user_whose_things_do_not_close_is_full_and_others_are_not() {
    let disposal = Disposal::new("test");
    let mut let_go = jam(&disposal, 1);
    let (behind, released, is_closed) = clingy();
    drop(released);
    disposal.dispose(1, behind);
    while !disposal.is_full(1) {
        disposal.dispose(1, ());
    }
    let (of_another, released, gone) = clingy();
    drop(released);
    disposal.dispose(2, of_another);
    gone.recv().unwrap();
    assert!(!disposal.is_full(2));
    assert!(is_closed.try_recv().is_err(), "it waits for those before it");
    let_go.pop();
    is_closed.recv().unwrap();
    drop(let_go);
    disposal.finish();
    assert!(!disposal.is_full(1));
}

#[test]
fn one_thing_that_does_not_close_does_not_keep_the_next_from_closing() {
    let disposal = Disposal::new("test");
    let (stuck, _let_go, _) = clingy();
    disposal.dispose(1, stuck);
    let (next, released, gone) = clingy();
    drop(released);
    disposal.dispose(1, next);
    gone.recv().unwrap();
}

#[test]
fn foreign_descriptor_is_closed_in_the_end() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    drop(ForeignFd::new(ours.into(), 1, &Disposal::new("test")));
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
}

#[test]
fn looking_returns_bytes_with_their_descriptors_and_takes_nothing_out() {
    let disposal = Disposal::new("test");
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = Socket::from(theirs);
    let mut buffer = [0; 64];
    let mut see = || look(&ours, &mut buffer, 1, &disposal);
    assert_eq!(see().unwrap_err(), Errno::AGAIN);
    let page = Memfd::create("page", 4096).unwrap();
    theirs.send(b"hel", &[]).unwrap();
    theirs.send(b"lo", &[page.as_fd(), page.as_fd()]).unwrap();
    theirs.send(b"later", &[]).unwrap();
    drop(theirs);
    for _ in 0..2 {
        let input = see().unwrap();
        assert_eq!((input.bytes, input.fds.len(), input.fds_lost), (5, 2, false));
    }
    take_out(&ours, &mut buffer[..5]).unwrap();
    assert_eq!(&buffer[..5], b"hello");
    let input = look(&ours, &mut buffer, 1, &disposal).unwrap();
    assert_eq!((input.bytes, input.fds.len()), (5, 0));
    assert_eq!(take_out(&ours, &mut buffer[..6]), Err(Errno::PROTO));
    assert_eq!(look(&ours, &mut buffer, 1, &disposal).unwrap().bytes, 0);
}

#[test]
fn descriptors_of_a_user_that_brought_too_many_are_left_where_they_are() {
    let disposal = Disposal::new("test");
    let let_go = jam(&disposal, 1);
    // As much again as may wait: a closer that only now takes its first thing must not make room.
    for _ in 0..MAX_WAITING {
        disposal.dispose(1, ());
    }
    assert!(disposal.is_full(1));
    let (ours, theirs) = UnixStream::pair().unwrap();
    let page = Memfd::create("page", 4096).unwrap();
    Socket::from(theirs.try_clone().unwrap())
        .send(b"x", &[page.as_fd()])
        .unwrap();
    let ours = Arc::new(Socket::from(ours));
    let input = look(&*ours, &mut [0; 64], 1, &disposal).unwrap();
    assert_eq!((input.bytes, input.fds.len(), input.fds_lost), (1, 0, true));
    let input = look(&*ours, &mut [0; 64], 2, &disposal).unwrap();
    assert_eq!(
        (input.fds.len(), input.fds_lost),
        (1, false),
        "another user may bring them"
    );
    let done = take_out_elsewhere(&ours, 1, 1, &disposal);
    assert!(!done.load(Ordering::Acquire));
    drop(let_go);
    disposal.finish();
    assert!(done.load(Ordering::Acquire));
    let nothing = look(&*ours, &mut [0; 64], 1, &disposal).unwrap_err();
    assert_eq!(nothing, Errno::AGAIN);
}

#[test]
fn socket_with_unread_descriptors_hangs_up_at_once_and_is_closed_elsewhere() {
    let disposal = Disposal::new("test");
    let let_go = jam(&disposal, 1);
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (sent, mut rest) = UnixStream::pair().unwrap();
    Socket::from(theirs.try_clone().unwrap())
        .send(b"x", &[sent.as_fd()])
        .unwrap();
    drop(sent);
    close(Arc::new(Socket::from(ours)), 1, &disposal);
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "it has hung up");
    rest.set_nonblocking(true).unwrap();
    let error = rest.read(&mut [0]).unwrap_err();
    assert_eq!(
        error.kind(),
        std::io::ErrorKind::WouldBlock,
        "what it sent is not closed"
    );
    drop(let_go);
    rest.set_nonblocking(false).unwrap();
    assert_eq!(rest.read(&mut [0]).unwrap(), 0, "now it is");
}

#[test]
fn socket_without_unread_descriptors_is_closed_here() {
    let disposal = Disposal::new("test");
    let (ours, theirs) = UnixStream::pair().unwrap();
    Socket::from(theirs.try_clone().unwrap())
        .send(&[1; 20_000], &[])
        .unwrap();
    let weak = Arc::new(Socket::from(ours));
    let watched = Arc::downgrade(&weak);
    close(weak, 1, &disposal);
    assert!(watched.upgrade().is_none());
}

#[test]
fn memory_is_freed_elsewhere_whoever_has_it_last() {
    let released = Disposal::new("test");
    let mut descriptors = Descriptors::new(&released);
    let memory = Memfd::create("freed-elsewhere", 4096).unwrap();
    let handle = descriptors.add(Descriptor::Memory(memory));
    let mut output = Output::default();
    output.put(b"{}".to_vec(), vec![Arc::clone(descriptors.get(handle).unwrap())]);
    let let_go = jam(&released, 0);
    descriptors.remove(handle);
    let others = || std::fs::read_dir("/proc/self/fd").unwrap();
    let is_open = || {
        others().any(|fd| {
            std::fs::read_link(fd.unwrap().path())
                .is_ok_and(|to| to.to_string_lossy().contains("memfd:freed-elsewhere"))
        })
    };
    drop(output);
    assert!(is_open(), "it waits to be closed");
    drop(let_go);
    released.finish();
}

fn look_at(fd: OwnedFd) -> (Descriptor, Inspection) {
    inspect(ForeignFd::new(fd, 1, &Disposal::new("test")))
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
            uid: 1,
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
    let (mut sealing, mut descriptors) = (Sealing::new().unwrap(), Descriptors::new(&Disposal::new("test")));
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
    let (mut sealing, mut descriptors) = (Sealing::new().unwrap(), Descriptors::new(&Disposal::new("test")));
    let memory = Memfd::create("buffer", 4096).unwrap();
    memory.seal_future_writes().unwrap();
    let (handle, first) = job(&mut descriptors, Descriptor::Memory(memory));
    let mut read_only = sealing.begin(first).unwrap().outcome.unwrap();
    let (_, descriptor) = read_only.remove(0);
    descriptors.replace(handle, descriptor);
    assert!(matches!(
        descriptors.get(handle).unwrap().descriptor(),
        Descriptor::ReadOnly(_)
    ));
    let buffers = vec![(handle, Arc::clone(descriptors.get(handle).unwrap()))];
    let again = Job {
        peer: PeerId(1),
        uid: 1,
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
fn seals_under_way_are_bounded_for_each_user() {
    let disposal = Disposal::new("test");
    let (mut sealing, mut descriptors) = (Sealing::new().unwrap(), Descriptors::new(&disposal));
    let mut begin = |sealing: &mut Sealing, uid| {
        let memory = Memfd::create("buffer", 4096).unwrap();
        let (_, job) = job(&mut descriptors, Descriptor::Memory(memory));
        sealing.begin(Job { uid, ..job })
    };
    assert!((0..2).all(|_| begin(&mut sealing, 1).is_none()));
    let refused = begin(&mut sealing, 1).unwrap().outcome.unwrap_err();
    assert_eq!(refused.errno(), Errno::AGAIN);
    assert!((0..2).all(|_| begin(&mut sealing, 2).is_none()));
    let mut finished = 0;
    while finished < 4 {
        wait_for_bell(&sealing);
        finished += sealing.finished().len();
    }
    assert!(begin(&mut sealing, 1).is_none());
}

#[test]
fn buffer_whose_owner_forbids_further_seals_cannot_be_sealed() {
    let (mut sealing, mut descriptors) = (Sealing::new().unwrap(), Descriptors::new(&Disposal::new("test")));
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
    let mut pages = StreamPages::default();
    let page = pages.create(StreamId(1)).unwrap();
    let fd = page.fd().unwrap();
    assert!(
        rustix::fs::fcntl_get_seals(fd)
            .unwrap()
            .contains(Memfd::WRITE_SEALED)
    );
    assert_eq!(fcntl_getfl(fd).unwrap() & OFlags::ACCMODE, OFlags::RDONLY);
    let mut written = false;
    pages.write(StreamId(1), |page| {
        page.set_slot(0, 1, SlotState::Live);
        written = true;
    });
    assert!(written);
    pages.remove(StreamId(1));
    pages.write(StreamId(1), |_| panic!("there is no page to write to"));
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

#[test]
fn listing_that_is_too_long_is_shortened_and_says_so() {
    let session = |id| SessionState {
        session: SessionId(id),
        label: "x".repeat(63),
        pid: 1,
        uid: 1,
        sets_owned: (0..100).map(SetId).collect(),
        sets_imported: Vec::new(),
        streams_produced: Vec::new(),
        streams_joined: Vec::new(),
        bytes: 0,
        fds: 0,
    };
    let listing = |sessions: u64| {
        Reply::GetState(GetStateReply {
            broker: BrokerState {
                pid: 1,
                uid: 1,
                version: String::new(),
            },
            sessions: (1..=sessions).map(session).collect(),
            sets: Vec::new(),
            streams: Vec::new(),
            timelines: Vec::new(),
            users: Vec::new(),
            truncated: false,
        })
    };
    let read = |listing| -> GetStateReply {
        let message = encode_shortened(&listing).unwrap();
        decode_reply(&message[..message.len() - 1]).unwrap()
    };
    let whole = read(listing(100));
    assert_eq!((whole.sessions.len(), whole.truncated), (100, false));
    let part = read(listing(10_000));
    assert!(part.truncated);
    assert!((1000..10_000).contains(&part.sessions.len()));
    assert_eq!(part.sessions[0], session(1));
}

#[test]
fn entrance_that_was_shut_is_not_opened_again_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
    let mut driver = Driver::new(listener, Config::default(), heaps_of_this_machine()).unwrap();
    driver.shut_entrance();
    driver.try_again();
    assert!(driver.entrance.is_shut, "at once it would be shut again");
    driver.retry_at = Some(Instant::now());
    driver.try_again();
    assert!(!driver.entrance.is_shut);
    assert_eq!(driver.retry_at, None);
}
