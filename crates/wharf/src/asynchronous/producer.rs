//! A producer in async code.

use super::Readiness;
use crate::error::{AcquireError, PublishError, SessionError};
use crate::frame::FrameMut;
use crate::producer::{PolledProducer, ProducerStats};
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use wharf_core::Fence;
use wharf_stream::FrameInfo;

/// A producer of a stream whose buffers are awaited. Publishing never waits.
///
/// Dropping a future of it loses no buffer, so it can be used in `select!`.
#[derive(Debug)]
pub struct AsyncProducer<R> {
    // Before the producer: the runtime lets go of the descriptor first.
    readiness: R,
    producer: PolledProducer,
}

impl<R: Readiness> AsyncProducer<R> {
    /// Lets the runtime watch a producer.
    ///
    /// # Errors
    ///
    /// Whatever the runtime says; `EMFILE` or `ENOSPC` when the system can watch no more.
    pub fn new(producer: PolledProducer) -> io::Result<Self> {
        Ok(Self {
            readiness: R::watch(producer.shared_fd())?,
            producer,
        })
    }

    /// Takes a buffer to fill, when there is one that no consumer has any more.
    ///
    /// # Errors
    ///
    /// As [`PolledProducer::try_acquire`], and [`AcquireError::Runtime`].
    pub async fn acquire(&mut self) -> Result<FrameMut, AcquireError> {
        poll_fn(|cx| self.poll_acquire(cx)).await
    }

    /// As [`AsyncProducer::acquire`], for those who write futures by hand.
    pub fn poll_acquire(&mut self, cx: &mut Context<'_>) -> Poll<Result<FrameMut, AcquireError>> {
        self.poll_with(cx, PolledProducer::try_acquire)
    }

    /// Takes a buffer to fill for who can wait later: if there is no other, one on which only devices still work, with the fences of that work,
    /// as [`Producer::acquire_async`](crate::Producer::acquire_async) does.
    ///
    /// # Errors
    ///
    /// As [`AsyncProducer::acquire`].
    pub async fn acquire_async(&mut self) -> Result<FrameMut, AcquireError> {
        poll_fn(|cx| self.poll_acquire_async(cx)).await
    }

    /// As [`AsyncProducer::acquire_async`], for those who write futures by hand.
    pub fn poll_acquire_async(&mut self, cx: &mut Context<'_>) -> Poll<Result<FrameMut, AcquireError>> {
        self.poll_with(cx, PolledProducer::try_acquire_async)
    }

    fn poll_with(
        &mut self,
        cx: &mut Context<'_>,
        acquire: fn(&mut PolledProducer) -> Result<Option<FrameMut>, AcquireError>,
    ) -> Poll<Result<FrameMut, AcquireError>> {
        loop {
            if let Some(frame) = acquire(&mut self.producer)? {
                return Poll::Ready(Ok(frame));
            }
            if let Err(source) = ready!(self.readiness.poll_readable(cx)) {
                let stream = self.producer.name().to_owned();
                return Poll::Ready(Err(AcquireError::Runtime { stream, source }));
            }
        }
    }

    /// As [`Producer::publish`](crate::Producer::publish).
    ///
    /// # Errors
    ///
    /// As [`Producer::publish`](crate::Producer::publish).
    pub fn publish(&mut self, frame: FrameMut, info: &FrameInfo) -> Result<u64, PublishError> {
        self.producer.publish(frame, info)
    }

    /// As [`Producer::publish_when`](crate::Producer::publish_when).
    ///
    /// # Errors
    ///
    /// As [`Producer::publish_when`](crate::Producer::publish_when).
    pub fn publish_when(
        &mut self,
        frame: FrameMut,
        info: &FrameInfo,
        fence: &Fence,
    ) -> Result<u64, PublishError> {
        self.producer.publish_when(frame, info, fence)
    }

    /// As [`Producer::finish`](crate::Producer::finish); asks the broker.
    ///
    /// # Errors
    ///
    /// As [`Producer::finish`](crate::Producer::finish).
    pub fn finish(self) -> Result<ProducerStats, SessionError> {
        drop(self.readiness);
        self.producer.finish()
    }

    /// The producer it is.
    pub fn get_ref(&self) -> &PolledProducer {
        &self.producer
    }

    /// The producer it is.
    pub fn get_mut(&mut self) -> &mut PolledProducer {
        &mut self.producer
    }
}
