//! Moving a set that has no stream to other memory. Contract: N5.

use super::{BufferSet, mapping};
use crate::connection::PATIENCE;
use crate::error::SessionError;
use crate::generation::{Generation, Share, stale};
use crate::moving::{is_stale, shortened};
use std::time::{Duration, Instant};
use wharf_memory::{Mapping, View, ViewMut};
use wharf_protocol::transport::CallError;
use wharf_protocol::{GetGeneration, GetGenerationReply, GetMove, Method, MoveBuffers, Role};

/// How often somebody who waits for the end of a move asks.
const ASK_AFTER: Duration = Duration::from_millis(1);
/// How much is copied at once, in bytes.
const COPY_BYTES: usize = 64 << 10;

/// What becomes of what is in the buffers when they move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Contents {
    /// The owner copies it: as many buffers, and as many bytes of each, as there are before and after.
    #[default]
    Keep,
    /// It is lost; the new buffers are zeroed.
    Discard,
}

/// What a set is to be moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reallocation<'a> {
    /// Size of each buffer in bytes, at least 1; rounded up to whole pages.
    pub size_bytes: u64,
    /// How many: 1..=64.
    pub count: u32,
    /// What everybody who has the set is told about the new buffers, such as their layout: at most 16384 bytes.
    pub plan: &'a str,
    /// How long all of it may take: 1 ms to 60 s. Who is not ready by then is named by the error, `EBUSY`.
    pub deadline: Duration,
}

impl Reallocation<'_> {
    pub(crate) fn request(&self, set: wharf_protocol::SetId) -> MoveBuffers {
        MoveBuffers {
            set,
            size_bytes: self.size_bytes,
            count: self.count,
            deadline_ms: u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX),
            plan: self.plan.to_owned(),
        }
    }
}

impl BufferSet {
    /// Moves the set to other memory, all or nothing: afterwards everybody who has it has the new buffers ready, and this one
    /// uses them. Sessions that imported the set must call [`BufferSet::refresh`] meanwhile; one that does not holds the move up until
    /// the deadline, and is then named. Buffers taken from the set before stay as they are as long as they are held.
    ///
    /// # Blocking
    ///
    /// Until everybody is ready, at most `to.deadline`; and for copying the contents, if they are kept.
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`], the set being as it was: `EBUSY` names who is pinned or silent, `EALREADY` when it is being moved,
    /// `EDQUOT`, `ENOMEM` and `EINVAL` as for [`Session::allocate`](crate::Session::allocate), `EIO` when somebody could not use the new
    /// buffers, `ENOENT` when the set was imported. [`SessionError::Buffer`] when this process cannot map them. After `ETIMEDOUT` the broker
    /// may still go on with the move: [`BufferSet::refresh`] tells.
    pub fn reallocate(&mut self, to: &Reallocation<'_>, contents: Contents) -> Result<(), SessionError> {
        if self.next.is_some() {
            // It is not known yet what became of the move before.
            self.refresh()?;
        }
        let share = self.share.clone();
        let number = share.connection.ask(to.request(share.set))?.generation;
        self.prepare(number, contents)?;
        wait_for_commit(&share, number, Instant::now() + to.deadline + PATIENCE)
            .inspect_err(|error| self.give_up(error))?;
        self.switch();
        Ok(())
    }

    /// Goes along with a move of the set, as far as it is this session's turn: takes the new buffers and tells the broker, or uses
    /// them when everybody is ready. Returns the generation in use. Call it now and then for an imported set: who makes no call holds a
    /// move up until its deadline, and is then named.
    ///
    /// # Blocking
    ///
    /// For the broker's answers, at most [`PATIENCE`](crate::PATIENCE) each.
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`]: `ENOENT` when the set is gone or this session was cut off from it. [`SessionError::Buffer`] when this
    /// process cannot map the buffers; the move fails then.
    pub fn refresh(&mut self) -> Result<u64, SessionError> {
        let news = self.news()?;
        let made_ready = self.next.as_ref().map(|next| next.number);
        if news.current > self.memory.number {
            if made_ready != Some(news.current) {
                self.next = Some(self.share.take(news.current, PATIENCE)?);
            }
            self.switch();
        } else if news.offered != made_ready {
            self.next = None;
            if let Some(number) = news.offered {
                match self.prepare(number, Contents::Keep) {
                    Err(error) if is_stale(&error) => {}
                    outcome => outcome?,
                }
            }
        }
        Ok(self.memory.number)
    }

    /// Asks the broker whether these are still the buffers of the set.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`](crate::PATIENCE).
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`]: `ESTALE` when the set was moved to others, which [`BufferSet::refresh`] takes; `ENOENT` when it
    /// is gone.
    pub fn check_current(&self) -> Result<(), SessionError> {
        let current = self.news()?.current;
        if current == self.memory.number {
            return Ok(());
        }
        Err(stale(self.memory.number, current))
    }

    fn news(&self) -> Result<GetGenerationReply, SessionError> {
        let share = &self.share;
        share.connection.ask(GetGeneration {
            set: share.set,
            role: share.role,
            seat: share.seat,
        })
    }

    /// Makes buffers ready and tells the broker.
    fn prepare(&mut self, number: u64, contents: Contents) -> Result<(), SessionError> {
        let taken = self.share.take(number, PATIENCE);
        let next = match taken {
            Ok(next) => next,
            Err(error) => {
                if !is_stale(&error) {
                    let reason = shortened(error.to_string());
                    let _ = self.share.ready(number, Some(reason), PATIENCE);
                }
                return Err(error);
            }
        };
        if self.share.role == Role::Owner && contents == Contents::Keep {
            copy(&self.memory, &next);
        }
        self.next = Some(next);
        match self.share.ready(number, None, PATIENCE) {
            // The broker may have heard it, and nobody but the owner who mapped the buffers before can write them.
            Err(CallError::Timeout { .. }) if self.share.role == Role::Owner => Ok(()),
            outcome => outcome
                .map_err(SessionError::from)
                .inspect_err(|_| self.next = None),
        }
    }

    /// Lets go of what was made ready for a move that has failed. If only the answer of the broker is missing, it may yet come into use.
    fn give_up(&mut self, error: &SessionError) {
        if matches!(error, SessionError::Call(CallError::Broker(_))) {
            self.next = None;
        }
    }

    fn switch(&mut self) {
        if let Some(next) = self.next.take() {
            std::mem::replace(&mut self.memory, next).replaced();
        }
    }
}

fn wait_for_commit(share: &Share, generation: u64, until: Instant) -> Result<(), SessionError> {
    let set = share.set;
    while !share.connection.ask(GetMove { set, generation })?.committed {
        if Instant::now() >= until {
            return Err(CallError::Timeout {
                method: GetMove::NAME,
                deadline: PATIENCE,
            }
            .into());
        }
        std::thread::sleep(ASK_AFTER);
    }
    Ok(())
}

/// Copies what is in `from` as far as there is room in `to`.
fn copy(from: &Generation, to: &Generation) {
    let mut bytes = vec![0; COPY_BYTES];
    for (from, to) in from.buffers.iter().zip(&to.buffers) {
        if let (Some(from), Some(Ok(to))) = (mapping(from), mapping(to).map(Mapping::view_mut)) {
            copy_buffer(from.view(), to, &mut bytes);
        }
    }
}

fn copy_buffer(from: View<'_>, to: ViewMut<'_>, bytes: &mut [u8]) {
    let len = from.len_bytes().min(to.len_bytes());
    for start in (0..len).step_by(bytes.len()) {
        let chunk = bytes.len().min(len - start);
        // Both ranges lie inside: neither can fail.
        if from.copy_to(start, &mut bytes[..chunk]).is_ok() {
            let _ = to.copy_from(start, &bytes[..chunk]);
        }
    }
}
