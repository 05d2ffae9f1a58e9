//! What the test programs share: a broker with sessions, streams and their consumers, and frames whose contents tell their number.
#![allow(dead_code, reason = "each test program uses some of it")]

pub(crate) mod player;

use std::time::Duration;
use wharf::{
    BufferSpec, Consumer, Frame, FrameInfo, JoinOptions, PolledConsumer, PolledProducer, Producer,
    Reallocation, Session,
};
use wharf_broker::Embedded;

/// How long anything may take that should happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// The same, for calls that can also wait for ever.
pub(crate) const PATIENCE: Option<Duration> = Some(SOON);
pub(crate) const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

/// Buffers for frames.
pub(crate) fn spec(size_bytes: u64, count: u32) -> BufferSpec<'static> {
    BufferSpec {
        name: "frames",
        size_bytes,
        count,
    }
}

/// A move to other buffers.
pub(crate) fn to(size_bytes: u64, count: u32) -> Reallocation<'static> {
    Reallocation {
        size_bytes,
        count,
        plan: "",
        deadline: SOON,
    }
}

/// What is said of a frame with so many bytes in it.
pub(crate) fn info(used_bytes: u64) -> FrameInfo {
    FrameInfo {
        used_bytes,
        ..FrameInfo::default()
    }
}

/// A broker.
pub(crate) struct Fixture {
    pub(crate) broker: Embedded,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self {
            broker: Embedded::start().unwrap(),
        }
    }

    pub(crate) fn session(&self, label: &str) -> Session {
        Session::connect_to(self.broker.socket_path(), label).unwrap()
    }

    /// A stream of another session in such buffers.
    pub(crate) fn stream_in(&self, buffers: &BufferSpec<'_>) -> Producer {
        let session = self.session("camera");
        let set = session.allocate(buffers).unwrap();
        session.create_stream("preview", set, 8).unwrap()
    }

    /// The same, whose producer can wait with poll.
    pub(crate) fn polled_stream_in(&self, buffers: &BufferSpec<'_>) -> PolledProducer {
        let session = self.session("camera");
        let set = session.allocate(buffers).unwrap();
        session.create_polled_stream("preview", set, 8, None).unwrap()
    }

    /// A consumer in another session, besides those that the producer knows and known to it, too.
    pub(crate) fn join(&self, producer: &mut Producer, options: JoinOptions) -> Consumer {
        let token = producer.token(1).unwrap();
        let consumer = self.session("viewer").join(&token, options).unwrap();
        let present = producer.consumers().count() + 1;
        assert!(producer.wait_for_consumers(present, PATIENCE).unwrap());
        consumer
    }

    /// The same, which can wait with poll.
    pub(crate) fn join_polled(&self, producer: &mut Producer, options: JoinOptions) -> PolledConsumer {
        let token = producer.token(1).unwrap();
        let consumer = self.session("viewer").join_polled(&token, options).unwrap();
        let present = producer.consumers().count() + 1;
        assert!(producer.wait_for_consumers(present, PATIENCE).unwrap());
        consumer
    }
}

/// Publishes a frame that fills its buffer with the low byte of its number; returns number and generation.
pub(crate) fn publish_whole(producer: &mut Producer) -> (u64, u64) {
    let frame = producer.acquire(PATIENCE).unwrap();
    let (generation, size) = (frame.generation(), frame.buffer().size_bytes());
    let seq = producer.stats().published + 1;
    let whole = usize::try_from(size).unwrap();
    frame.view_mut().unwrap().fill(0, whole, seq as u8).unwrap();
    assert_eq!(producer.publish(frame, &info(size)).unwrap(), seq);
    (seq, generation)
}

/// Checks that a frame holds what [`publish_whole`] filled it with.
pub(crate) fn assert_whole(frame: &Frame) {
    let mut bytes = vec![0; usize::try_from(frame.info().used_bytes).unwrap()];
    frame.view().unwrap().copy_to(0, &mut bytes).unwrap();
    assert!(
        bytes.iter().all(|byte| *byte == frame.seq() as u8),
        "frame {} is torn",
        frame.seq()
    );
}
