//! Those who wait for a mutex, and the rules by which contexts back off.
//!
//! Contexts stand in the order of their stamps, oldest first; threads without one stand where they came. The first in the queue gets
//! the mutex from the hand of who unlocks it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::owner::Token;
use super::wound::{self, Wounds};
use super::{AcquireCtx, WwAlgorithm};
use crate::wait::Waiter;

/// Where a thread waits for its verdict.
pub(super) type WaitPlace = Arc<Waiter<Verdict>>;

/// How a wait ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The mutex is the waiter's.
    Granted,
    /// The waiter's context has to give back what it holds.
    BackOff,
}

/// Who wants a mutex.
pub(super) struct Request<'c> {
    token: Token,
    /// The context, if it can be told to back off: one that holds nothing cannot be part of a deadlock.
    killable: Option<&'c AcquireCtx>,
}

impl<'c> Request<'c> {
    pub(super) fn without_context(token: Token) -> Self {
        Self {
            token,
            killable: None,
        }
    }

    pub(super) fn in_context(ctx: &'c AcquireCtx) -> Self {
        Self {
            token: ctx.token(),
            killable: (ctx.held() > 0).then_some(ctx),
        }
    }

    pub(super) fn token(&self) -> Token {
        self.token
    }

    pub(super) fn wounds(&self) -> Option<&Arc<Wounds>> {
        self.killable.and_then(AcquireCtx::wounds)
    }
}

struct Entry {
    token: Token,
    killable: bool,
    place: WaitPlace,
}

/// # Invariants
/// Stamps of entries with a context ascend. In a wait-die class no killable entry stands behind an older context or waits for one.
#[derive(Default)]
pub(super) struct WaitQueue(VecDeque<Entry>);

impl WaitQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Queues a request for the mutex that `holder` holds; `None` if its context has to back off instead.
    pub(super) fn admit(
        &mut self,
        algorithm: WwAlgorithm,
        request: &Request<'_>,
        holder: Token,
    ) -> Option<WaitPlace> {
        let place = Waiter::new();
        let position = self.position(request.token);
        match algorithm {
            WwAlgorithm::WaitDie => {
                if request.killable.is_some() && self.waits_for_older(request.token, position, holder) {
                    return None;
                }
                self.kill_behind(position);
            }
            WwAlgorithm::WoundWait => {
                if request.wounds().is_some_and(|wounds| !wounds.fall_asleep(&place)) {
                    return None;
                }
                if holder.is_younger_than(request.token) {
                    holder.stamp().into_iter().for_each(wound::wound);
                }
            }
        }
        self.0.insert(
            position,
            Entry {
                token: request.token,
                killable: request.killable.is_some(),
                place: Arc::clone(&place),
            },
        );
        Some(place)
    }

    /// Returns where a request stands: before the first younger context, else at the end.
    fn position(&self, token: Token) -> usize {
        self.0
            .iter()
            .position(|entry| entry.token.is_younger_than(token))
            .unwrap_or(self.0.len())
    }

    fn waits_for_older(&self, token: Token, position: usize, holder: Token) -> bool {
        token.is_younger_than(holder)
            || self
                .0
                .range(..position)
                .any(|entry| token.is_younger_than(entry.token))
    }

    /// Has those who would stand behind an older context back off.
    fn kill_behind(&mut self, position: usize) {
        let behind = self.0.split_off(position);
        for entry in behind {
            match entry.killable {
                true => drop(entry.place.deliver(Verdict::BackOff)),
                false => self.0.push_back(entry),
            }
        }
    }

    /// Takes the next one out: its token, and where to deliver the mutex.
    pub(super) fn pop(&mut self) -> Option<(Token, WaitPlace)> {
        self.0.pop_front().map(|entry| (entry.token, entry.place))
    }

    /// Takes a waiter out that gave up; `false` if it was out already.
    pub(super) fn remove(&mut self, place: &WaitPlace) -> bool {
        let before = self.0.len();
        self.0.retain(|entry| !Arc::ptr_eq(&entry.place, place));
        self.0.len() < before
    }
}
