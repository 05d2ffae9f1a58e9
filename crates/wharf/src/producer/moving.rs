//! How a producer moves to other buffers while frames flow. Contract: N5.

use super::Producer;
use super::creating::looks_every;
use super::spent::Spent;
use crate::buffers::Reallocation;
use crate::error::SessionError;
use crate::generation::Generation;
use crate::moving::{MoveStep, Observer};
use wharf_core::layout::FrameLayout;
use wharf_protocol::GetMove;

impl Producer {
    /// The generation of the buffers in use: frames acquired from now on lie in it.
    pub fn generation(&self) -> u64 {
        self.memory.number
    }

    /// What was said about this generation when the stream was moved to it, such as the layout of pictures; empty for the first.
    pub fn plan(&self) -> &str {
        &self.memory.plan
    }

    /// Where the samples of a picture are in the buffers of that generation, as negotiated; `None` for buffers that were not negotiated
    /// or hold no picture. After a move, frames acquired lie in buffers of another layout: look again when
    /// [`FrameMut::generation`](crate::FrameMut::generation) has changed.
    pub fn layout(&self) -> Option<FrameLayout> {
        self.memory.layout()
    }

    /// Begins to move the stream to other buffers, and returns their generation. Frames go on meanwhile: calls of
    /// [`Producer::acquire`] and [`Producer::publish`] do this process's part, and frames acquired after everybody has the new buffers lie
    /// in them ([`FrameMut::generation`](crate::FrameMut::generation)). How it ended [`Producer::is_moved`] tells.
    ///
    /// A consumer takes part in its calls of [`Consumer::receive`](crate::Consumer::receive). One that makes none holds the move up until the
    /// deadline, and is then named; nothing has changed then.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`](crate::PATIENCE).
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`], the stream going on as it was: `EBUSY` names who is pinned or still has generations long replaced, or says
    /// that the new buffers are too few for the consumers; `EALREADY` when it is being moved; `EDQUOT`, `ENOMEM` and
    /// `EINVAL` as for [`Session::allocate`](crate::Session::allocate).
    pub fn begin_move(&mut self, to: &Reallocation<'_>) -> Result<u64, SessionError> {
        let request = to.request(self.mover.share().set);
        Ok(self.connection.ask(request)?.generation)
    }

    /// Whether the move to `generation` is over, as the broker sees it; `false` while it is under way.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`](crate::PATIENCE).
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`] when it came to nothing: `EBUSY` names who did not answer in time, `EIO` who could not use the buffers;
    /// `ESTALE` when there was no such move, another one failed since, or the buffers were replaced and given back since.
    pub fn is_moved(&self, generation: u64) -> Result<bool, SessionError> {
        let set = self.mover.share().set;
        Ok(self.connection.ask(GetMove { set, generation })?.committed)
    }

    /// Calls `observer` at each step of each move from now on, with the generation moved to, from within the calls that do it.
    pub fn observe_moves(&mut self, observer: impl FnMut(MoveStep, u64) + Send + 'static) {
        self.mover.observer = Observer::new(observer);
    }

    /// Does this process's part in a move, if there is one.
    pub(super) fn follow_moves(&mut self) {
        if let Some(next) = self.mover.follow(self.ring.news()) {
            self.ring.switch(next.number, next.buffers.len());
            self.ring.look_every(looks_every(&next));
            self.spent = Spent::places(&next);
            self.older.push(std::mem::replace(&mut self.memory, next));
        }
        self.mover.give_up_without_broker(|| self.ring.news());
    }

    /// Lets go of buffers in which no frame lies any more. Until then the broker keeps them for consumers that have just joined.
    pub(super) fn drop_older(&mut self) {
        let oldest = self.ring.oldest_in_use();
        let is_over = |generation: &mut Generation| generation.number < oldest;
        self.older.extract_if(.., is_over).for_each(Generation::replaced);
    }
}
