//! A producer and a consumer, and work that is done when a test says so.

use std::time::Duration;
use wharf::core::{Fence, FenceContext, UniqueFence, Usage};
use wharf::{Consumer, DmaBuf, JoinOptions, Producer};

use crate::common::{Fixture, PATIENCE, info, spec};

pub(crate) const SHORT: Option<Duration> = Some(Duration::from_millis(20));
pub(crate) const SIZE: usize = 4096;

impl Fixture {
    pub(crate) fn producer(&self, count: u32) -> Producer {
        self.stream_in(&spec(SIZE as u64, count))
    }
}

pub(crate) struct Pair {
    pub(crate) fixture: Fixture,
    pub(crate) producer: Producer,
    pub(crate) consumer: Consumer,
}

impl Pair {
    pub(crate) fn new(buffers: u32, options: JoinOptions) -> Self {
        let fixture = Fixture::new();
        let mut producer = fixture.producer(buffers);
        let consumer = fixture.join(&mut producer, options);
        Self {
            fixture,
            producer,
            consumer,
        }
    }

    /// A pair whose consumer has got a frame and lent it to a device, which reads until the fence is signaled.
    pub(crate) fn lent(buffers: u32, options: JoinOptions) -> (Self, UniqueFence) {
        let mut pair = Self::new(buffers, options);
        let read = work(1);
        pair.publish();
        let frame = pair.consumer.receive(PATIENCE).unwrap();
        frame.release_after(&read.fence());
        (pair, read)
    }

    pub(crate) fn publish_when(&mut self, fence: &Fence) -> u64 {
        let frame = self.producer.acquire(PATIENCE).unwrap();
        self.producer
            .publish_when(frame, &info(SIZE as u64), fence)
            .unwrap()
    }

    pub(crate) fn publish(&mut self) -> u64 {
        let frame = self.producer.acquire(PATIENCE).unwrap();
        self.producer.publish(frame, &info(SIZE as u64)).unwrap()
    }
}

pub(crate) fn work(number: u64) -> UniqueFence {
    FenceContext::new("soft-device", "queue").fence(number)
}

pub(crate) fn noted(buffer: &DmaBuf, usage: Usage) -> usize {
    buffer.reservation().fences(usage).count()
}
