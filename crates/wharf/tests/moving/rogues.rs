//! Producers that say of their frames what they like.

use rustix::io::Errno;
use std::time::Duration;
use wharf::{Consumer, FrameInfo, JoinOptions, Role};

use crate::common::{Fixture, PATIENCE};

/// A producer that says of its frames what it likes.
struct Rogue {
    client: wharf_protocol::transport::BlockingClient,
    set: wharf_protocol::SetId,
    ring: wharf_stream::Producer<wharf_memory::OwnedWords, wharf_memory::ReadOnlyWords>,
    _buffers: Vec<std::os::fd::OwnedFd>,
}

/// A stream of two buffers by a rogue, and a consumer of every frame in it.
fn rogue(fixture: &Fixture) -> (Rogue, Consumer) {
    use std::os::fd::AsFd as _;
    use wharf_memory::{Access, Mapping, OwnedWords, ReadOnlyWords};
    use wharf_protocol::{AllocateBuffers, CreateStream, IssueToken, ObjectKind, Register, TakeChanges};
    use wharf_stream as s;
    let patience = Duration::from_secs(10);
    let broker = fixture.broker.socket_path();
    let mut client = wharf_protocol::transport::BlockingClient::connect(broker, patience).unwrap();
    let label = "rogue".to_owned();
    client.call(Register { label }, &[], patience).unwrap();
    let allocate = AllocateBuffers {
        name: String::new(),
        size_bytes: 4096,
        count: 2,
    };
    let (set, buffers) = client.call(allocate, &[], patience).unwrap();
    let memfd = wharf_linux::Memfd::create("ring", s::RING_PAGE_BYTES as u64).unwrap();
    let mapping = Mapping::map(&memfd, s::RING_PAGE_BYTES, Access::ReadWrite).unwrap();
    memfd.seal_future_writes().unwrap();
    let create = CreateStream {
        set: set.set,
        name: String::new(),
        max_consumers: 1,
        room_ms: None,
        polled: None,
        rotation: None,
    };
    let (stream, fds) = client.call(create, &[memfd.as_fd()], patience).unwrap();
    let read = |fd, bytes, cells| {
        ReadOnlyWords::new(Mapping::map(fd, bytes, Access::ReadOnly).unwrap(), cells).unwrap()
    };
    let status = read(&fds[0], s::STATUS_PAGE_BYTES, s::STATUS_PAGE_CELLS);
    let words = OwnedWords::new(mapping, s::RING_PAGE_CELLS).unwrap();
    let mut ring = wharf_stream::Producer::new(words, status, 64);
    let issue = IssueToken {
        kind: ObjectKind::Stream,
        id: stream.stream.0,
        uses: 1,
    };
    let token = client.call(issue, &[], patience).unwrap().0.token;
    let consumer = fixture
        .session("viewer")
        .join(&token, JoinOptions::every_frame(1))
        .unwrap();
    let take = TakeChanges {
        stream: stream.stream,
        after: wharf_protocol::Incarnation(0),
    };
    let (changes, fds) = client.call(take, &[], patience).unwrap();
    let page = read(&fds[0], s::CONSUMER_PAGE_BYTES, s::CONSUMER_PAGE_CELLS);
    let incarnation = changes.joined[0].incarnation.0;
    // It believes the consumer to have more depth than it has, and so does not wait for it.
    ring.admit(wharf_stream::Member::new(
        0,
        incarnation,
        64,
        wharf_stream::Policy::Block,
        page,
    ));
    let rogue = Rogue {
        client,
        set: set.set,
        ring,
        _buffers: buffers,
    };
    (rogue, consumer)
}

#[test]
fn frame_in_a_generation_that_cannot_be_is_corrupt_and_the_next_one_is_received() {
    let fixture = Fixture::new();
    let (mut rogue, mut consumer) = rogue(&fixture);
    for (index, generation) in [0, 2, u64::MAX, 7, 2].into_iter().enumerate() {
        rogue.ring.switch(generation, 2);
        let buffer = rogue.ring.try_acquire().unwrap();
        rogue.ring.publish(buffer, &FrameInfo::default()).unwrap();
        let error = consumer.receive(PATIENCE).unwrap_err();
        let seq = 2 * index as u64 + 1;
        let expected = format!("frame {seq} lies in generation {generation} of the buffers");
        assert!(error.to_string().contains(&expected), "{error}");
        assert_eq!(error.errno(), Errno::BADMSG);
        // However it lies about what is over.
        rogue.ring.switch(1, 2);
        let buffer = rogue.ring.try_acquire().unwrap();
        rogue.ring.publish(buffer, &FrameInfo::default()).unwrap();
        assert_eq!(consumer.receive(PATIENCE).unwrap().seq(), seq + 1);
    }
}

#[test]
fn generation_that_comes_into_use_just_before_its_first_frame_is_known() {
    let fixture = Fixture::new();
    let (mut rogue, mut consumer) = rogue(&fixture);
    let patience = Duration::from_secs(10);
    let (set, role) = (rogue.set, Role::Owner);
    let moving = wharf_protocol::MoveBuffers {
        set,
        size_bytes: 8192,
        count: 2,
        deadline_ms: 10_000,
        plan: String::new(),
    };
    let generation = rogue.client.call(moving, &[], patience).unwrap().0.generation;
    let ready = wharf_protocol::ReadyGeneration {
        set,
        generation,
        role,
        seat: None,
        error: None,
    };
    rogue.client.call(ready, &[], patience).unwrap();
    // The next answer comes when the buffers are sealed.
    let ask = wharf_protocol::GetMove { set, generation };
    assert!(!rogue.client.call(ask, &[], patience).unwrap().0.committed);
    // The frame is there before the consumer, the last to be ready, has said so.
    rogue.ring.switch(generation, 2);
    let buffer = rogue.ring.try_acquire().unwrap();
    rogue.ring.publish(buffer, &FrameInfo::default()).unwrap();
    let frame = consumer.receive(PATIENCE).unwrap();
    assert_eq!((frame.generation(), frame.buffer().size_bytes()), (2, 8192));
    assert_eq!((consumer.generation(), consumer.stats().moves.moves), (2, 1));
}

#[test]
fn frame_in_a_buffer_that_its_generation_does_not_have_is_corrupt() {
    let fixture = Fixture::new();
    let (mut rogue, mut consumer) = rogue(&fixture);
    rogue.ring.switch(1, 64);
    let mut indices: Vec<_> = (0..64).map_while(|_| rogue.ring.try_acquire().ok()).collect();
    indices.sort_unstable();
    let last = indices.pop().unwrap();
    assert!(last >= 2);
    rogue.ring.publish(last, &FrameInfo::default()).unwrap();
    let error = consumer.receive(PATIENCE).unwrap_err();
    assert!(
        error.to_string().contains(&format!("buffer {last} of 2")),
        "{error}"
    );
    rogue.ring.publish(1, &FrameInfo::default()).unwrap();
    assert_eq!(consumer.receive(PATIENCE).unwrap().seq(), 2);
}
