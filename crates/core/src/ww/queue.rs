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

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::WwAlgorithm::{WaitDie, WoundWait};
    use super::*;
    use crate::WwClass;

    static CLASS: WwClass = WwClass::new("queue", WaitDie);

    fn context(stamp: u64) -> Token {
        Token::of_context(stamp)
    }

    fn thread(number: u64) -> Token {
        Token::of_thread(number)
    }

    /// Somebody who holds nothing.
    fn modest(token: Token) -> Request<'static> {
        Request::without_context(token)
    }

    fn order(mut queue: WaitQueue) -> Vec<Token> {
        std::iter::from_fn(|| queue.pop())
            .map(|(token, _)| token)
            .collect()
    }

    #[test]
    fn contexts_stand_by_age_and_threads_where_they_came() {
        for algorithm in [WaitDie, WoundWait] {
            let mut queue = WaitQueue::default();
            for token in [
                thread(1),
                context(9),
                thread(2),
                context(5),
                context(7),
                thread(3),
                context(10),
            ] {
                assert!(queue.admit(algorithm, &modest(token), thread(4)).is_some());
            }
            let expected = [
                thread(1),
                context(5),
                context(7),
                context(9),
                thread(2),
                thread(3),
                context(10),
            ];
            assert_eq!(order(queue), expected);
        }
    }

    #[test]
    fn in_wait_die_those_who_hold_something_wait_for_younger_ones_only() {
        let ctx = AcquireCtx::new(&CLASS);
        let holding = |stamp| Request {
            token: context(stamp),
            killable: Some(&ctx),
        };
        let mut queue = WaitQueue::default();
        assert!(
            queue.admit(WaitDie, &holding(6), context(5)).is_none(),
            "the holder is older"
        );
        assert!(
            queue.admit(WaitDie, &holding(4), context(5)).is_some(),
            "the holder is younger"
        );
        let mut queue = WaitQueue::default();
        assert!(queue.admit(WaitDie, &modest(context(6)), thread(1)).is_some());
        assert!(
            queue.admit(WaitDie, &holding(7), thread(1)).is_none(),
            "one who waits is older"
        );
        assert!(
            queue.admit(WaitDie, &holding(5), thread(1)).is_some(),
            "the oldest waits"
        );
        assert_eq!(order(queue), [context(5), context(6)]);
    }

    #[test]
    fn in_wait_die_an_older_one_drives_away_those_who_hold_something() {
        let ctx = AcquireCtx::new(&CLASS);
        let holding = Request {
            token: context(5),
            killable: Some(&ctx),
        };
        let mut queue = WaitQueue::default();
        let driven = queue
            .admit(WaitDie, &holding, thread(1))
            .expect("nobody older is there");
        let modest_place = queue
            .admit(WaitDie, &modest(context(6)), thread(1))
            .expect("it holds nothing");
        let plain = queue
            .admit(WaitDie, &modest(thread(2)), thread(1))
            .expect("no context");
        let older = queue
            .admit(WaitDie, &modest(context(4)), thread(1))
            .expect("it is the oldest");
        assert_eq!(driven.take(), Some(Verdict::BackOff));
        for place in [modest_place, plain, older] {
            assert_eq!(place.take(), None);
        }
        assert_eq!(order(queue), [context(4), context(6), thread(2)]);
    }

    #[test]
    fn who_gives_up_is_gone() {
        let mut queue = WaitQueue::default();
        let place = queue
            .admit(WoundWait, &modest(thread(1)), thread(3))
            .expect("admitted");
        assert!(queue.admit(WoundWait, &modest(thread(2)), thread(3)).is_some());
        assert!(queue.remove(&place));
        assert!(!queue.remove(&place));
        assert_eq!(order(queue), [thread(2)]);
    }
}
