//! How one participant follows the moves of a buffer set to other memory. Contract: N5.

use crate::connection::SHORT_PATIENCE;
use crate::error::SessionError;
use crate::generation::{Generation, Share};
use rustix::io::Errno;
use std::fmt;
use std::time::{Duration, Instant};
use wharf_protocol::BrokerError;
use wharf_protocol::transport::CallError;
use wharf_stream::status::GenerationNews;

/// How long a broker that did not answer is left alone.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// How often somebody who is ready looks whether there is still a broker to finish the move.
const LOOK_AFTER: Duration = Duration::from_millis(100);
/// Longest reason the broker accepts for a refusal, in bytes.
const MAX_REASON_BYTES: usize = wharf_protocol::limits::MAX_REASON_BYTES;

/// A step of a move, as one participant goes through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveStep {
    /// It is this participant's turn.
    Offered,
    /// It has mapped the new buffers.
    Taken,
    /// It has told the broker so.
    Ready,
    /// The new buffers are in use.
    Committed,
    /// The first frame in them was acquired or received here.
    FirstFrame,
    /// The move came to nothing.
    Failed,
}

/// How long the last move took, as this process saw it, counted from the moment it learned of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MoveTimes {
    /// Until it had mapped the new buffers and had told the broker so.
    pub ready_after: Duration,
    /// Until it saw them in use.
    pub committed_after: Duration,
    /// Until it acquired or received the first frame in them.
    pub first_frame_after: Option<Duration>,
}

/// The moves a producer or consumer went along with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MoveStats {
    /// How many there were.
    pub moves: u64,
    /// Moves that came to nothing.
    pub failed: u64,
    /// The last of them.
    pub last: Option<MoveTimes>,
}

/// Who is told of each step.
#[derive(Default)]
pub(crate) struct Observer(Option<Box<dyn FnMut(MoveStep, u64) + Send>>);

impl Observer {
    pub(crate) fn new(observer: impl FnMut(MoveStep, u64) + Send + 'static) -> Self {
        Self(Some(Box::new(observer)))
    }

    fn tell(&mut self, step: MoveStep, generation: u64) {
        if let Some(observer) = &mut self.0 {
            observer(step, generation);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}

/// Buffers that are not in use yet.
#[derive(Debug)]
struct Prepared {
    generation: Generation,
    /// The broker knows that they are ready.
    announced: bool,
    ready_after: Duration,
    look_at: Instant,
}

/// One participant's part in moves.
#[derive(Debug)]
pub(crate) struct Mover {
    share: Share,
    prepared: Option<Prepared>,
    /// When this participant learned of the move.
    since: Instant,
    /// The newest generation it will not have.
    declined: u64,
    retry_at: Option<Instant>,
    /// The generation whose first frame is still to come.
    awaits_frame_in: Option<u64>,
    stats: MoveStats,
    pub(crate) observer: Observer,
}

impl Mover {
    pub(crate) fn new(share: Share) -> Self {
        Self {
            share,
            prepared: None,
            since: Instant::now(),
            declined: 0,
            retry_at: None,
            awaits_frame_in: None,
            stats: MoveStats::default(),
            observer: Observer::default(),
        }
    }

    pub(crate) fn share(&self) -> &Share {
        &self.share
    }

    pub(crate) fn stats(&self) -> MoveStats {
        self.stats
    }

    /// Whether there is something to do although there is no news.
    pub(crate) fn is_under_way(&self) -> bool {
        self.prepared.is_some() || self.retry_at.is_some_and(|at| Instant::now() >= at)
    }

    /// Whether there is something to do now or later that no news tells of.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.prepared.is_some() || self.retry_at.is_some()
    }

    /// Does what is this participant's turn to do. Returns the buffers that came into use by that.
    ///
    /// # Blocking
    ///
    /// Once a move, for the broker's answer to two calls: some hundred microseconds, at most two tenths of a second.
    pub(crate) fn follow(&mut self, news: GenerationNews) -> Option<Generation> {
        let committed = self.settle(news);
        if news.offered.is_none() {
            self.retry_at = None;
        }
        if let Some(number) = news.offered
            && number > news.current
            && number > self.declined
        {
            self.prepare(number);
        }
        committed
    }

    /// Looks what became of the buffers made ready.
    fn settle(&mut self, news: GenerationNews) -> Option<Generation> {
        let prepared = self.prepared.as_mut()?;
        let number = prepared.generation.number;
        if news.current >= number {
            let times = MoveTimes {
                ready_after: prepared.ready_after,
                committed_after: self.since.elapsed(),
                first_frame_after: None,
            };
            self.stats.moves += 1;
            self.stats.last = Some(times);
            self.awaits_frame_in = Some(number);
            self.retry_at = None;
            self.observer.tell(MoveStep::Committed, number);
            return self.prepared.take().map(|prepared| prepared.generation);
        }
        if news.offered != Some(number) {
            self.drop_prepared();
        }
        None
    }

    /// Gives up the buffers made ready if nobody is left to put them into use. `news` is asked for after the broker is found gone: what
    /// it says is final.
    pub(crate) fn give_up_without_broker(&mut self, news: impl FnOnce() -> GenerationNews) {
        let Some(prepared) = &mut self.prepared else {
            return;
        };
        let now = Instant::now();
        if now < prepared.look_at {
            return;
        }
        prepared.look_at = now + LOOK_AFTER;
        let number = prepared.generation.number;
        if self.share.connection.is_hung_up() && news().current < number {
            self.declined = number;
            self.drop_prepared();
        }
    }

    fn drop_prepared(&mut self) {
        if let Some(prepared) = self.prepared.take() {
            self.retry_at = None;
            self.stats.failed += 1;
            self.observer.tell(MoveStep::Failed, prepared.generation.number);
        }
    }

    fn prepare(&mut self, number: u64) {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.retry_at = None;
        if self.prepared.is_none() {
            self.take(number);
        }
        if self.prepared.as_ref().is_some_and(|prepared| !prepared.announced) {
            self.announce(number);
        }
    }

    fn take(&mut self, number: u64) {
        self.since = Instant::now();
        self.observer.tell(MoveStep::Offered, number);
        match self.share.take(number, SHORT_PATIENCE) {
            Ok(generation) => {
                self.prepared = Some(Prepared {
                    generation,
                    announced: false,
                    ready_after: Duration::ZERO,
                    look_at: Instant::now() + LOOK_AFTER,
                });
                self.observer.tell(MoveStep::Taken, number);
            }
            Err(SessionError::Call(CallError::Timeout { .. })) => self.retry_later(),
            // The move is over already, or there is nobody to go on with it.
            Err(SessionError::Call(CallError::Broker(_) | CallError::BrokerGone { .. })) => {
                self.declined = number;
            }
            Err(trouble) => {
                self.declined = number;
                let reason = shortened(trouble.to_string());
                let _ = self.share.ready(number, Some(reason), SHORT_PATIENCE);
            }
        }
    }

    fn announce(&mut self, number: u64) {
        match self.share.ready(number, None, SHORT_PATIENCE) {
            Err(CallError::Timeout { .. }) => return self.retry_later(),
            Err(CallError::Broker(BrokerError::StaleGeneration { .. })) | Ok(()) => {}
            Err(_) => self.declined = number,
        }
        if let Some(prepared) = &mut self.prepared {
            prepared.announced = true;
            prepared.ready_after = self.since.elapsed();
        }
        self.observer.tell(MoveStep::Ready, number);
    }

    fn retry_later(&mut self) {
        self.retry_at = Some(Instant::now() + RETRY_AFTER);
    }

    /// Notes that a frame in this generation was acquired or received.
    pub(crate) fn saw_frame(&mut self, generation: u64) {
        if self.awaits_frame_in.is_none_or(|awaited| generation < awaited) {
            return;
        }
        self.awaits_frame_in = None;
        if let Some(last) = &mut self.stats.last {
            last.first_frame_after = Some(self.since.elapsed());
        }
        self.observer.tell(MoveStep::FirstFrame, generation);
    }
}

/// As much of a text as the broker accepts.
pub(crate) fn shortened(text: String) -> String {
    let mut text = text.replace(char::is_control, " ");
    let end = (0..=MAX_REASON_BYTES.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}

/// Whether a call failed because its generation is gone.
pub(crate) fn is_stale(error: &SessionError) -> bool {
    error.errno() == Errno::STALE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_reasons_are_cut_between_characters() {
        assert_eq!(shortened("short\nand\tshown".to_owned()), "short and shown");
        let cut = shortened("é".repeat(200));
        assert_eq!((cut.len(), cut.chars().count()), (254, 127));
    }
}
