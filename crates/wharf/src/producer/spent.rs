//! Frames that were published, for the next ones in their buffers.

use crate::frame::FrameMut;
use crate::generation::Generation;

/// Frames published, by their index: each is handed out again with the next frame in its buffer. So no references are counted, which
/// would wait for the publication to reach the cache.
///
/// For the same reason nothing is written to a frame on its way in or out: whoever copies what was just stored in pieces waits for all stores before.
#[derive(Debug)]
pub(super) struct Spent(Vec<Option<FrameMut>>);

impl Spent {
    /// Places for the frames in these buffers.
    pub(super) fn places(memory: &Generation) -> Self {
        Self(memory.buffers.iter().map(|_| None).collect())
    }

    #[inline]
    pub(super) fn take(&mut self, index: usize) -> Option<FrameMut> {
        self.0.get_mut(index)?.take()
    }

    /// Keeps a frame of the generation that these places are of.
    #[inline]
    pub(super) fn put(&mut self, frame: FrameMut) {
        let Some(place) = self.0.get_mut(frame.index) else {
            return frame.forget();
        };
        let kept = place.insert(frame);
        if !kept.fences.is_empty() {
            kept.fences.clear();
        }
    }
}

impl Drop for Spent {
    fn drop(&mut self) {
        self.0.drain(..).flatten().for_each(FrameMut::forget);
    }
}
