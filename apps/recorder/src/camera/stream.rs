//! The camera's stream, as its two ways of capturing use it.

use std::time::{Duration, Instant};

use wharf::layout::FrameLayout;
use wharf::{AcquireError, BlockingConsumer, FrameInfo, FrameMut, Producer, UserData};

use super::tally::Tally;
use crate::control::{CameraOutcome, Control, OpenOrder, Stop, Word};
use crate::rate::FrameRate;
use crate::report::{ProcessUse, Role};

/// How long to wait for a buffer without looking whether to stop.
const SLICE: Duration = Duration::from_millis(50);

/// The stream, with what is to be told and counted.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    pub(super) rate: FrameRate,
    pub(super) layout: FrameLayout,
    pub(super) tally: Tally,
    control: &'a Control,
    producer: Producer,
    time_limit: Option<Duration>,
    /// When to say that recording is due, until that has been said.
    record_at: Option<Duration>,
}

/// Why there is no buffer.
#[derive(Debug)]
pub(super) enum NoBuffer {
    /// The camera is to stop.
    Stopped,
    /// Consumers had them all for the whole time.
    Blocked(Vec<BlockingConsumer>),
    /// The stream is of no use any more.
    Broken(AcquireError),
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        control: &'a Control,
        order: &OpenOrder,
        rate: FrameRate,
        layout: FrameLayout,
        producer: Producer,
    ) -> Self {
        Self {
            rate,
            layout,
            tally: Tally::default(),
            control,
            producer,
            time_limit: order.time_limit,
            record_at: order.record_at,
        }
    }

    pub(super) fn stop(&self) -> &Stop {
        self.control.stop()
    }

    /// The end that was asked for, if a frame lies behind it.
    pub(super) fn end_before(&self, frame: u64) -> Option<Duration> {
        self.time_limit.filter(|limit| self.rate.due(frame) >= *limit)
    }

    /// Takes a free buffer, waiting for one up to `patience`; `None` is for ever.
    pub(super) fn acquire(&mut self, patience: Option<Duration>) -> Result<FrameMut, NoBuffer> {
        let started = Instant::now();
        loop {
            let left = patience.map_or(SLICE, |patience| patience.saturating_sub(started.elapsed()));
            match self.producer.acquire(Some(left.min(SLICE))) {
                Ok(buffer) => return Ok(buffer),
                Err(_) if self.control.stop().is_raised() => return Err(NoBuffer::Stopped),
                Err(AcquireError::TimedOut { consumers, .. }) if left <= SLICE && patience.is_some() => {
                    return Err(NoBuffer::Blocked(consumers));
                }
                Err(AcquireError::TimedOut { .. }) => {}
                Err(error) => return Err(NoBuffer::Broken(error)),
            }
        }
    }

    /// Hands a frame over that was captured at `timestamp_ns`.
    pub(super) fn publish(&mut self, buffer: FrameMut, frame: u64, timestamp_ns: u64) {
        if self.record_at.is_some_and(|at| self.rate.due(frame) >= at) {
            self.record_at = None;
            self.control.say(&Word::RecordDue);
        }
        let info = FrameInfo {
            timestamp_ns,
            used_bytes: self.layout.size_bytes(),
            layout: Some(self.layout),
            // Eight bytes fit.
            user: UserData::new(&frame.to_le_bytes()).unwrap_or_default(),
            ..FrameInfo::default()
        };
        match self.producer.publish(buffer, &info) {
            Ok(_) => self.tally.captured += 1,
            Err(error) => {
                self.tally.unpublished += 1;
                self.tally.note_problem(format_args!("the camera: {error}"));
            }
        }
        let end = self.rate.due(frame.saturating_add(1));
        self.tally.duration = self.time_limit.map_or(end, |limit| end.min(limit));
        // Somebody could not be let in. That is their loss only.
        if let Some(trouble) = self.producer.take_trouble() {
            self.tally.note_problem(format_args!("the camera: {trouble}"));
        }
    }

    /// Ends the stream and says what was done.
    pub(super) fn finish(mut self) -> CameraOutcome {
        let copied_bytes = self.producer.stats().bytes_copied;
        let usage = ProcessUse::of_this_process(Role::Camera, copied_bytes, 0).ok();
        if let Err(error) = self.producer.finish() {
            self.tally.note_problem(format_args!("the camera: {error}"));
        }
        self.tally.into_outcome(usage)
    }
}
