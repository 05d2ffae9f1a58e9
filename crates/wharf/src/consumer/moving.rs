//! How a consumer follows its stream to other buffers. Contract: N5.

use super::Consumer;
use crate::buffers::mapping;
use crate::connection::PATIENCE;
use crate::frame::Reading;
use crate::generation::{Generation, Share};
use crate::membership::Membership;
use crate::moving::{MoveStats, MoveStep, Mover, Observer};
use std::sync::Arc;
use wharf_core::layout::FrameLayout;
use wharf_stream::status::GenerationNews;
use wharf_stream::{Claim, Corrupt, FrameInfo};

/// A generation of the buffers, and what the frames in it share.
#[derive(Debug)]
pub(super) struct Known {
    // Before the buffers: the producer hears that the place is left before the broker does.
    reading: Vec<Arc<Reading>>,
    pub(super) memory: Generation,
}

impl Known {
    fn new(memory: Generation, membership: &Arc<Membership>) -> Self {
        Self {
            reading: Reading::all_of(&memory, membership),
            memory,
        }
    }
}

/// The generations of the buffers that frames can lie in.
#[derive(Debug)]
pub(super) struct Memory {
    membership: Arc<Membership>,
    /// The newest one in use.
    newest: Known,
    /// Those before it that frames still come in.
    older: Vec<Known>,
    /// Before this one, the producer has said, nothing comes any more.
    oldest: u64,
    /// The newest generation that a frame named and the broker would not give.
    refused: u64,
    mover: Mover,
}

impl Memory {
    pub(super) fn new(first: Generation, membership: Arc<Membership>, share: Share) -> Self {
        Self {
            newest: Known::new(first, &membership),
            membership,
            older: Vec::new(),
            oldest: 0,
            refused: 0,
            mover: Mover::new(share),
        }
    }

    pub(super) fn newest(&self) -> &Known {
        &self.newest
    }

    /// What frames in this buffer of the newest generation share. Has its beginning fetched into the cache.
    #[inline]
    pub(super) fn fetched(&self, buffer: usize) -> Option<&Arc<Reading>> {
        let reading = self.newest.reading.get(buffer)?;
        if let Some(mapping) = mapping(&reading.buffer) {
            mapping.prefetch();
        }
        Some(reading)
    }

    pub(super) fn stats(&self) -> MoveStats {
        self.mover.stats()
    }

    /// Whether there is something left to do in a move.
    pub(super) fn is_moving(&self) -> bool {
        self.mover.is_unfinished()
    }

    pub(super) fn saw_frame(&mut self, generation: u64) {
        self.mover.saw_frame(generation);
    }

    /// Goes along with a move.
    fn follow(&mut self, news: GenerationNews) {
        if let Some(next) = self.mover.follow(news) {
            self.put_newest(next);
        }
    }

    fn put_newest(&mut self, next: Generation) {
        let next = Known::new(next, &self.membership);
        self.older.push(std::mem::replace(&mut self.newest, next));
    }

    /// Lets go of generations that nothing comes in any more, as the producer says. The newest one stays whatever it says.
    fn retire(&mut self, oldest: u64) {
        self.oldest = self.oldest.max(oldest.min(self.newest.memory.number));
        let is_over = |known: &mut Known| known.memory.number < self.oldest;
        for over in self.older.extract_if(.., is_over) {
            drop(over.reading);
            over.memory.replaced();
        }
    }

    /// The generation with this number, if frames can lie in it.
    fn find(&self, number: u64) -> Option<&Known> {
        let mut known = [&self.newest].into_iter().chain(&self.older);
        known.find(|known| known.memory.number == number)
    }

    /// Asks the broker for a generation that a frame lies in, once: one that came out of use just before this consumer joined, or into
    /// use. `newest` is the one in use by the broker's word.
    fn fetch(&mut self, number: u64, newest: u64) {
        let is_possible = (self.oldest.max(1)..=newest).contains(&number) && number > self.refused;
        if !is_possible || self.find(number).is_some() {
            return;
        }
        // A frame that has been claimed lies there: without the answer it is lost.
        match self.mover.share().take(number, PATIENCE) {
            Ok(generation) if number > self.newest.memory.number => self.put_newest(generation),
            Ok(generation) => self.older.push(Known::new(generation, &self.membership)),
            Err(_) => {
                self.refused = number;
                // The broker may have granted it, and would keep it for this consumer.
                if number < newest {
                    self.mover.share().give_back(number);
                }
            }
        }
    }
}

impl Consumer {
    /// The newest generation of the buffers in use, as far as this consumer knows.
    pub fn generation(&self) -> u64 {
        self.memory.newest.memory.number
    }

    /// What the producer says about that generation, such as the layout of pictures; empty for the first.
    pub fn plan(&self) -> &str {
        &self.memory.newest.memory.plan
    }

    /// Where the samples of a picture are in the buffers of that generation, as negotiated; `None` for buffers that were not negotiated
    /// or hold no picture.
    pub fn layout(&self) -> Option<FrameLayout> {
        self.memory.newest.memory.layout()
    }

    /// Calls `observer` at each step of each move from now on, with the generation moved to, from within [`Consumer::receive`].
    pub fn observe_moves(&mut self, observer: impl FnMut(MoveStep, u64) + Send + 'static) {
        self.memory.mover.observer = Observer::new(observer);
    }

    /// Does this process's part in a move, if there is one. Two loads when there is nothing new.
    pub(super) fn follow_moves(&mut self) {
        let news = self.port.take_news();
        if let Some(news) = news {
            self.memory.follow(news);
        } else if self.memory.mover.is_under_way() {
            self.memory.follow(self.port.news());
            self.memory.mover.give_up_without_broker(|| self.port.news());
        }
        if !self.memory.older.is_empty()
            && let Some(oldest) = self.port.oldest_generation()
        {
            self.memory.retire(oldest);
        }
    }

    /// Has the beginning of the frame after the last one claimed fetched into the cache, if that is there already.
    #[inline]
    pub(super) fn fetch_next(&self) {
        if let Some(buffer) = self.port.glimpse_next() {
            self.memory.fetched(buffer);
        }
    }

    /// Finds the buffer a claimed frame lies in, and reads what the frame is. What the producer wrote is believed only where it makes
    /// sense.
    #[inline]
    pub(super) fn look_up(
        &mut self,
        claim: &Claim,
        expected: Option<Arc<Reading>>,
    ) -> Result<(Arc<Reading>, FrameInfo, u64), Corrupt> {
        let (seq, generation) = (claim.seq, self.port.generation(claim));
        let unknown = Corrupt::Generation { seq, generation };
        if self.memory.find(generation).is_none() {
            // It may have come into use this moment.
            let news = self.port.news();
            self.memory.follow(news);
            self.memory.fetch(generation, news.current);
        }
        let known = self.memory.find(generation).ok_or_else(|| unknown.clone())?;
        let reading = known.reading.get(claim.buffer).ok_or(Corrupt::Buffer {
            seq,
            buffer: claim.buffer,
            count: known.reading.len(),
        })?;
        let (info, published_ns) = self.port.describe(claim, reading.buffer.size_bytes())?;
        if info.generation != generation {
            return Err(unknown);
        }
        let expected = expected.filter(|expected| Arc::ptr_eq(expected, reading));
        Ok((
            expected.unwrap_or_else(|| Arc::clone(reading)),
            info,
            published_ns,
        ))
    }
}
