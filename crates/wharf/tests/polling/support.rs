//! Streams whose consumers poll, and a loop that waits with poll.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::time::Duration;
use wharf::{Frame, PolledConsumer, PolledProducer, Producer, ReceiveError};

use crate::common::{Fixture, PATIENCE, SOON, info, spec};

/// The size of the buffers, in bytes.
pub(crate) const SIZE_BYTES: u64 = 10_000;

impl Fixture {
    pub(crate) fn producer(&self, buffers: u32) -> Producer {
        self.stream_in(&spec(SIZE_BYTES, buffers))
    }

    pub(crate) fn polled_producer(&self, buffers: u32) -> PolledProducer {
        self.polled_stream_in(&spec(SIZE_BYTES, buffers))
    }
}

pub(crate) fn publish(producer: &mut Producer) -> u64 {
    let frame = producer.acquire(PATIENCE).unwrap();
    producer.publish(frame, &info(100)).unwrap()
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
        assert!(is_ready(&consumer, SOON), "no frame is rung for");
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
