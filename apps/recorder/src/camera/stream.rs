//! The camera's stream, as its two ways of capturing use it.

use std::time::{Duration, Instant};

use wharf::layout::FrameLayout;
use wharf::{AcquireError, BlockingConsumer, FrameInfo, FrameMut, Producer, UserData, now_ns};

use super::memory::{Memory, NoLayout};
use super::moves::Moves;
use super::pace::Pace;
use super::tally::Tally;
use crate::control::{CameraOutcome, Control, OpenOrder, Order, Stop, Word};
use crate::rate::FrameRate;
use crate::report::{ProcessUse, Role};

/// How long to wait for a buffer without looking whether to stop.
const SLICE: Duration = Duration::from_millis(50);

/// The same before the first frame, for which others wait.
const START_SLICE: Duration = Duration::from_millis(1);

/// The stream, with what is to be told and counted.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    pub(super) rate: FrameRate,
    pub(super) tally: Tally,
    control: &'a Control,
    producer: Producer,
    /// Where the frame lies that is being made.
    memory: Memory,
    moves: Moves,
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
    Broken(Broken),
}

/// Why a stream is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The camera has the buffers itself.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    /// The stream moved to memory in which pictures have no place.
    #[error(transparent)]
    Layout(#[from] NoLayout),
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        control: &'a Control,
        order: &OpenOrder,
        rate: FrameRate,
        memory: Memory,
        mut producer: Producer,
    ) -> Self {
        let moves = Moves::observe(&mut producer, memory.report.clone());
        Self {
            rate,
            tally: Tally::default(),
            control,
            producer,
            memory,
            moves,
            time_limit: order.time_limit,
            record_at: order.record_at,
        }
    }

    pub(super) fn stop(&self) -> &Stop {
        self.control.stop()
    }

    /// Waits until everybody is there who is to see the first frame; tells whether to begin.
    pub(super) fn wait_to_begin(&mut self) -> bool {
        while !self.control.stop().is_raised() {
            if let Some(order) = self.control.try_order() {
                return order == Order::Begin;
            }
            self.control.stop().wait(START_SLICE);
            follow(&mut self.producer);
        }
        false
    }

    /// Waits until so much time has passed since the first frame was due; tells whether to stop instead. Whoever wants to join
    /// meanwhile, and needs other memory, does not have to wait for the next frame.
    pub(super) fn wait_until(&mut self, pace: &Pace, time: Duration) -> bool {
        let producer = &mut self.producer;
        pace.wait_until(time, self.control.stop(), || follow(producer))
    }

    /// The end that was asked for, if a frame lies behind it.
    pub(super) fn end_before(&self, frame: u64) -> Option<Duration> {
        self.time_limit.filter(|limit| self.rate.due(frame) >= *limit)
    }

    /// How a picture lies in the buffer that was acquired last.
    pub(super) fn layout(&self) -> FrameLayout {
        self.memory.layout
    }

    /// Takes a free buffer, waiting for one up to `patience`; `None` is for ever.
    pub(super) fn acquire(&mut self, patience: Option<Duration>) -> Result<FrameMut, NoBuffer> {
        let started = Instant::now();
        loop {
            let left = patience.map_or(SLICE, |patience| patience.saturating_sub(started.elapsed()));
            match self.producer.acquire(Some(left.min(SLICE))) {
                Ok(buffer) => return self.look_where(buffer),
                Err(_) if self.control.stop().is_raised() => return Err(NoBuffer::Stopped),
                Err(AcquireError::TimedOut { consumers, .. }) if left <= SLICE && patience.is_some() => {
                    return Err(NoBuffer::Blocked(consumers));
                }
                Err(AcquireError::TimedOut { .. }) => {}
                Err(error) => return Err(NoBuffer::Broken(error.into())),
            }
        }
    }

    /// Learns how pictures lie in a buffer of memory that is new here.
    fn look_where(&mut self, buffer: FrameMut) -> Result<FrameMut, NoBuffer> {
        if buffer.generation() != self.memory.report.generation {
            let memory = Memory::of(&self.producer, self.memory.size);
            self.memory = memory.map_err(|error| NoBuffer::Broken(error.into()))?;
        }
        Ok(buffer)
    }

    /// Hands a frame over that was captured at `timestamp_ns`.
    pub(super) fn publish(&mut self, buffer: FrameMut, frame: u64, timestamp_ns: u64) {
        if self.record_at.is_some_and(|at| self.rate.due(frame) >= at) {
            self.record_at = None;
            self.control.say(&Word::RecordDue);
        }
        let info = FrameInfo {
            timestamp_ns,
            used_bytes: self.memory.layout.size_bytes(),
            layout: Some(self.memory.layout),
            // Eight bytes fit.
            user: UserData::new(&frame.to_le_bytes()).unwrap_or_default(),
            ..FrameInfo::default()
        };
        match self.producer.publish(buffer, &info) {
            Ok(_) => {
                self.tally.captured += 1;
                self.tell_of_moves();
            }
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

    /// Says so if the frame handed over just now is the first in other memory.
    fn tell_of_moves(&mut self) {
        let dropped = self.tally.dropped();
        if let Some(moved) = self.moves.handed_over(&self.memory.report, now_ns(), dropped) {
            self.control.say(&Word::Moved(moved));
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

/// Does the camera's part when the stream moves to other memory.
fn follow(producer: &mut Producer) {
    // Nobody is waited for: this only looks who is there. Whether there still is a broker the next frame will tell.
    let _ = producer.wait_for_consumers(0, Some(Duration::ZERO));
}
