//! A consumer in async code.

use super::Readiness;
use crate::consumer::PolledConsumer;
use crate::error::ReceiveError;
use crate::frame::Frame;
use futures_core::Stream;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A consumer of a stream whose frames are awaited: a `futures_core::Stream` of them, and [`AsyncConsumer::receive`].
///
/// Dropping a future of it loses no frame, so it can be used in `select!`. A task that never has to wait for a frame keeps its thread:
/// give others a turn where frames come faster than they are used.
#[derive(Debug)]
pub struct AsyncConsumer<R> {
    // Before the consumer: the runtime lets go of the descriptor first.
    readiness: R,
    consumer: PolledConsumer,
    over: bool,
}

impl<R: Readiness> AsyncConsumer<R> {
    /// Lets the runtime watch a consumer.
    ///
    /// # Errors
    ///
    /// Whatever the runtime says; `EMFILE` or `ENOSPC` when the system can watch no more.
    pub fn new(consumer: PolledConsumer) -> io::Result<Self> {
        Ok(Self {
            readiness: R::watch(consumer.shared_fd())?,
            consumer,
            over: false,
        })
    }

    /// Receives the next frame, as [`Consumer::receive`](crate::Consumer::receive).
    ///
    /// # Errors
    ///
    /// As [`PolledConsumer::try_receive`], and [`ReceiveError::Runtime`].
    pub async fn receive(&mut self) -> Result<Frame, ReceiveError> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// As [`AsyncConsumer::receive`], for those who write futures by hand.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, ReceiveError>> {
        loop {
            if let Some(frame) = self.consumer.try_receive()? {
                return Poll::Ready(Ok(frame));
            }
            if let Err(source) = ready!(self.readiness.poll_readable(cx)) {
                let stream = self.consumer.name().to_owned();
                return Poll::Ready(Err(ReceiveError::Runtime { stream, source }));
            }
        }
    }

    /// The consumer it is.
    pub fn get_ref(&self) -> &PolledConsumer {
        &self.consumer
    }

    /// The consumer it is.
    pub fn get_mut(&mut self) -> &mut PolledConsumer {
        &mut self.consumer
    }
}

impl<R: Readiness> Stream for AsyncConsumer<R> {
    type Item = Result<Frame, ReceiveError>;

    /// As [`Frames`](crate::Frames): `None` once the stream has ended in order, or after a final error or one that only the caller can
    /// lift.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let received = ready!(self.poll_receive(cx));
        self.over = received.as_ref().is_err_and(ReceiveError::stops_iteration);
        Poll::Ready(match received {
            Err(ReceiveError::Ended { .. }) => None,
            received => Some(received),
        })
    }
}
