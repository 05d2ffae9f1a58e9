//! What a consumer knows of the generations of the buffers.

use super::{Claim, Consumer};
use crate::layout::ring as at;
use crate::status::GenerationNews;
use wharf_memory::{Ordering, ReadWords, WriteWords};

impl<O: WriteWords, R: ReadWords> Consumer<O, R> {
    /// What the broker says about the generations of the buffers. Two loads; no system call.
    pub fn news(&self) -> GenerationNews {
        self.status.news_for_consumers()
    }

    /// What the broker says about the generations of the buffers, if that is not what this last returned. Two loads; no system
    /// call. [`Consumer::wait`] does not sleep on news not taken.
    pub fn take_news(&mut self) -> Option<GenerationNews> {
        let news = self.status.news_for_consumers();
        (std::mem::replace(&mut self.news, news) != news).then_some(news)
    }

    /// The oldest generation of the buffers that a frame still to be claimed can lie in, as the producer says. `None` while
    /// older ones may come.
    pub fn oldest_generation(&self) -> Option<u64> {
        // ORDERING: Acquire, and this one first: the first frame it speaks of is there, or that of a later one.
        let oldest = self.ring.load_u64(at::OLDEST, Ordering::Acquire);
        let from = self.ring.load_u64(at::OLDEST_FROM, Ordering::Relaxed);
        self.cursor
            .is_some_and(|cursor| cursor.saturating_add(1) >= from)
            .then_some(oldest)
    }

    /// In which generation of the buffers a frame lies, as the producer says.
    pub fn generation(&self, claim: &Claim) -> u64 {
        claim.common.generation
    }
}
