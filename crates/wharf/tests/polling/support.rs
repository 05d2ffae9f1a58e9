//! A broker, sessions, and a loop that waits with poll.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::time::Duration;
use wharf::{
    BufferSet, BufferSpec, Frame, FrameInfo, JoinOptions, PolledConsumer, PolledProducer, Producer,
    ReceiveError, Session,
};
use wharf_broker::Embedded;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

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

    pub(crate) fn producer(&self, buffers: u32) -> Producer {
        let session = self.session("camera");
        let set = allocate(&session, buffers);
        session.create_stream("preview", set, 8).unwrap()
    }

    pub(crate) fn polled_producer(&self, buffers: u32) -> PolledProducer {
        let session = self.session("camera");
        let set = allocate(&session, buffers);
        session.create_polled_stream("preview", set, 8, None).unwrap()
    }

    pub(crate) fn join(&self, producer: &mut Producer, options: JoinOptions) -> PolledConsumer {
        let token = producer.token(1).unwrap();
        let consumer = self.session("viewer").join_polled(&token, options).unwrap();
        let present = producer.consumers().count() + 1;
        assert!(producer.wait_for_consumers(present, Some(PATIENCE)).unwrap());
        consumer
    }
}

pub(crate) fn allocate(session: &Session, count: u32) -> BufferSet {
    let spec = BufferSpec {
        name: "frames",
        size_bytes: 10_000,
        count,
    };
    session.allocate(&spec).unwrap()
}

pub(crate) fn info() -> FrameInfo {
    FrameInfo {
        used_bytes: 100,
        ..FrameInfo::default()
    }
}

pub(crate) fn publish(producer: &mut Producer) -> u64 {
    let frame = producer.acquire(Some(PATIENCE)).unwrap();
    producer.publish(frame, &info()).unwrap()
}

/// Whether a descriptor becomes ready in time.
pub(crate) fn is_ready(fd: impl AsFd, timeout: Duration) -> bool {
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    let timeout = Timespec::try_from(timeout).unwrap();
    loop {
        match poll(&mut fds, Some(&timeout)) {
            Ok(ready) => return ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => panic!("{errno}"),
        }
    }
}

pub(crate) fn is_ready_now(fd: impl AsFd) -> bool {
    is_ready(fd, Duration::ZERO)
}

/// Tries until nothing is found, so that the descriptor is silent. What is found is dropped.
pub(crate) fn settle(consumer: &mut PolledConsumer) {
    while consumer.try_receive().unwrap().is_some() {}
}

/// The next frame, with one try each time the descriptor is ready.
pub(crate) fn receive(consumer: &mut PolledConsumer) -> Result<Frame, ReceiveError> {
    loop {
        assert!(is_ready(&consumer, PATIENCE), "no frame is rung for");
        if let Some(frame) = consumer.try_receive()? {
            return Ok(frame);
        }
    }
}

pub(crate) fn publish_many(producer: &mut Producer, count: usize) {
    for _ in 0..count {
        publish(producer);
    }
}
