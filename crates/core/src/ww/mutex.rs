//! The mutex: who may take it, and what happens when it is taken already.

use std::fmt;

use super::owner::{OwnerWord, Token};
use super::queue::{Request, Verdict, WaitPlace, WaitQueue};
use super::{AcquireCtx, Deadlock, WwClass, WwGuard, WwLockError, WwMisuse, WwWaitError, thread};
use crate::order::How;
use crate::sync::{Mutex, lock};
use crate::{Deadline, Wait, WaitError};

/// A mutex that can be locked together with others of its class in any order.
///
/// It protects no data: reservations and their like put theirs beside it.
///
/// ```
/// use wharf_core::{AcquireCtx, Wait, WwAlgorithm, WwClass, WwMutex};
///
/// static BUFFERS: WwClass = WwClass::new("buffers", WwAlgorithm::WaitDie);
/// let (camera, encoder) = (WwMutex::new(&BUFFERS), WwMutex::new(&BUFFERS));
///
/// let ctx = AcquireCtx::new(&BUFFERS);
/// let first = camera.lock_in(&ctx, &Wait::forever()).expect("nobody else is here");
/// let second = encoder.lock_in(&ctx, &Wait::forever()).expect("nobody else is here");
/// assert_eq!(ctx.held(), 2);
/// ```
///
/// # References
/// `struct ww_mutex`, `ww_mutex_init` (include/linux/ww_mutex.h, v6.12). Contract: L7.
pub struct WwMutex {
    class: &'static WwClass,
    owner: OwnerWord,
    attention: Mutex<Attention>,
}

/// What a holder has to see to when it unlocks.
#[derive(Default)]
struct Attention {
    queue: WaitQueue,
    /// Whether somebody who did without the mutex asks for a look.
    asked: bool,
}

impl Attention {
    fn is_needed(&self) -> bool {
        self.asked || !self.queue.is_empty()
    }
}

/// Why a mutex was not taken.
pub(super) enum Refusal {
    /// The context has to back off.
    BackOff,
    Wait(WaitError),
    Misuse(WwMisuse),
}

impl WwMutex {
    /// Makes a free mutex.
    pub fn new(class: &'static WwClass) -> Self {
        Self {
            class,
            owner: OwnerWord::free_word(),
            attention: Mutex::default(),
        }
    }

    /// Returns the class.
    pub fn class(&self) -> &'static WwClass {
        self.class
    }

    /// Says whether somebody holds the mutex. Out of date at once, unless that is the caller. Does not block.
    pub fn is_locked(&self) -> bool {
        self.owner.holder().is_some()
    }

    /// Says whether this thread holds the mutex, in whatever context. Does not block.
    pub(crate) fn is_held_here(&self) -> bool {
        self.owner.holder().is_some_and(thread::is_mine)
    }

    /// Locks this one mutex, without a context.
    ///
    /// # Blocking
    /// While others hold the mutex, within the bounds of `wait`.
    ///
    /// # Locking
    /// No other mutex of the class may be held by this thread.
    ///
    /// # Errors
    /// * [`WwWaitError::Wait`]: the wait ended first → ETIMEDOUT, EINTR.
    /// * [`WwWaitError::Misuse`]: this thread holds the mutex already → EDEADLK.
    ///
    /// # References
    /// `ww_mutex_lock` with a NULL context (kernel/locking/mutex.c, v6.12).
    #[inline]
    #[track_caller]
    pub fn lock(&self, wait: &Wait<'_>) -> Result<WwGuard<'_>, WwWaitError> {
        let token = thread::token();
        self.check_recursion()?;
        let order = self.class.order_mutex(How::Block, None);
        if !self.owner.try_acquire(token) {
            self.lock_contended(&Request::without_context(token), wait)
                .map_err(|refusal| match refusal {
                    Refusal::Wait(error) => WwWaitError::Wait(error),
                    Refusal::Misuse(misuse) => WwWaitError::Misuse(misuse),
                    // Nobody tells those without a context to back off; it would be the end of the wait.
                    Refusal::BackOff => WwWaitError::Wait(WaitError::Interrupted),
                })?;
        }
        Ok(WwGuard::new(self, None, token, order))
    }

    /// Locks the mutex as one of several.
    ///
    /// # Blocking
    /// While others hold the mutex, within the bounds of `wait`; a context that would wait in a circle backs off instead. With
    /// [`Deadline::Now`](crate::Deadline::Now) a mutex that is held is a timeout and never a deadlock.
    ///
    /// # Locking
    /// Mutexes of the class may be held by this thread only in the same context.
    ///
    /// # Errors
    /// * [`WwLockError::Deadlock`]: drop every guard of the context, then [`Deadlock::lock_slow`] → EDEADLK.
    /// * [`WwLockError::AlreadyLocked`]: the context holds it already → EALREADY.
    /// * [`WwLockError::Wait`]: the wait ended first → ETIMEDOUT, EINTR.
    /// * [`WwLockError::Misuse`]: see [`WwMisuse`].
    ///
    /// # References
    /// `ww_mutex_lock`, `ww_mutex_lock_interruptible` (kernel/locking/mutex.c, v6.12).
    #[track_caller]
    pub fn lock_in<'a>(
        &'a self,
        ctx: &'a AcquireCtx,
        wait: &Wait<'_>,
    ) -> Result<WwGuard<'a>, WwLockError<'a>> {
        ctx.check(self)?;
        if self.owner.holder() == Some(ctx.token()) {
            return Err(WwLockError::AlreadyLocked {
                class: self.class.name(),
            });
        }
        if ctx.injects() {
            return Err(WwLockError::Deadlock(Deadlock::new(self, ctx)));
        }
        self.acquire_in(ctx, wait).map_err(|error| match error {
            Refusal::BackOff => WwLockError::Deadlock(Deadlock::new(self, ctx)),
            Refusal::Wait(error) => WwLockError::Wait(error),
            Refusal::Misuse(misuse) => WwLockError::Misuse(misuse),
        })
    }

    /// Locks the mutex if it is free, without a context. Does not block.
    ///
    /// # Locking
    /// Any locks may be held.
    ///
    /// # References
    /// `ww_mutex_trylock` with a NULL context (kernel/locking/mutex.c, v6.12).
    #[inline]
    #[track_caller]
    pub fn try_lock(&self) -> Option<WwGuard<'_>> {
        let token = thread::token();
        if !self.owner.try_acquire(token) {
            return None;
        }
        let order = self.class.order_mutex(How::Try, None);
        Some(WwGuard::new(self, None, token, order))
    }

    /// Locks the mutex in a context if it is free. Does not block, and never meets a deadlock.
    ///
    /// # Locking
    /// Any locks may be held.
    ///
    /// # Errors
    /// See [`WwMisuse`].
    ///
    /// # References
    /// `ww_mutex_trylock` (kernel/locking/mutex.c, v6.12).
    #[track_caller]
    pub fn try_lock_in<'a>(&'a self, ctx: &'a AcquireCtx) -> Result<Option<WwGuard<'a>>, WwMisuse> {
        ctx.check(self)?;
        let token = ctx.token();
        if !self.owner.try_acquire(token) {
            return Ok(None);
        }
        let order = self.class.order_mutex(How::Try, Some(ctx.stamp()));
        Ok(Some(WwGuard::new(self, Some(ctx), token, order)))
    }

    /// Locks in a context that has been checked.
    #[track_caller]
    pub(super) fn acquire_in<'a>(
        &'a self,
        ctx: &'a AcquireCtx,
        wait: &Wait<'_>,
    ) -> Result<WwGuard<'a>, Refusal> {
        let token = ctx.token();
        self.check_recursion().map_err(Refusal::Misuse)?;
        let order = self.class.order_mutex(How::Block, Some(ctx.stamp()));
        if !self.owner.try_acquire(token) {
            self.lock_contended(&Request::in_context(ctx), wait)?;
        }
        Ok(WwGuard::new(self, Some(ctx), token, order))
    }

    #[inline]
    fn check_recursion(&self) -> Result<(), WwMisuse> {
        match self.owner.holder() {
            Some(holder) if thread::is_mine(holder) => Err(WwMisuse::Recursion {
                class: self.class.name(),
            }),
            _ => Ok(()),
        }
    }

    /// Queues, sleeps, and says how that ended. On success the mutex is the request's.
    #[cold]
    fn lock_contended(&self, request: &Request<'_>, wait: &Wait<'_>) -> Result<(), Refusal> {
        if wait.deadline() == Deadline::Now {
            return Err(Refusal::Wait(WaitError::TimedOut));
        }
        let Some(place) = self.enqueue(request)? else {
            return Ok(());
        };
        let outcome = place.wait(wait);
        if let Some(wounds) = request.wounds() {
            wounds.wake_up();
        }
        self.settle(&place, outcome)
    }

    /// Returns where to wait, or `None` if the mutex was given back meanwhile and is now the request's.
    fn enqueue(&self, request: &Request<'_>) -> Result<Option<WaitPlace>, Refusal> {
        let mut attention = lock(&self.attention);
        let Some(holder) = self.owner.announce_waiter(request.token()) else {
            return Ok(None);
        };
        let place = attention.queue.admit(self.class.algorithm(), request, holder);
        if !attention.is_needed() {
            self.owner.no_more_waiters();
        }
        place.map(Some).ok_or(Refusal::BackOff)
    }

    /// Ends a wait. A mutex that was granted while the wait ended otherwise is kept: a grant is never lost.
    fn settle(&self, place: &WaitPlace, outcome: Result<Verdict, WaitError>) -> Result<(), Refusal> {
        if outcome == Ok(Verdict::Granted) {
            return Ok(());
        }
        self.leave(place);
        // Out of the queue, nothing more is granted. What came between the end of the wait and now counts.
        match place.take().map_or(outcome, Ok) {
            Ok(Verdict::Granted) => Ok(()),
            Ok(Verdict::BackOff) => Err(Refusal::BackOff),
            Err(error) => Err(Refusal::Wait(error)),
        }
    }

    fn leave(&self, place: &WaitPlace) {
        let mut attention = lock(&self.attention);
        if attention.queue.remove(place) && !attention.is_needed() {
            self.owner.no_more_waiters();
        }
    }

    /// Locks the mutex if it is free, without a context; else asks whoever holds it for a look: then their [`WwGuard::unlock`] says so.
    /// Does not block on the mutex.
    #[track_caller]
    pub(crate) fn try_lock_or_ask(&self) -> Option<WwGuard<'_>> {
        let token = thread::token();
        if !self.owner.try_acquire(token) {
            let mut attention = lock(&self.attention);
            if self.owner.announce_waiter(token).is_some() {
                attention.asked = true;
                return None;
            }
        }
        let order = self.class.order_mutex(How::Try, None);
        Some(WwGuard::new(self, None, token, order))
    }

    /// Unlocks; says whether somebody asked for a look. The caller holds the mutex by `token`.
    #[inline]
    pub(super) fn release(&self, token: Token) -> bool {
        !self.owner.try_release(token) && self.release_contended()
    }

    /// Hands the mutex to the first waiter that still wants it.
    #[cold]
    fn release_contended(&self) -> bool {
        let mut attention = lock(&self.attention);
        let asked = std::mem::take(&mut attention.asked);
        while let Some((token, place)) = attention.queue.pop() {
            // The word first: who is granted the mutex may unlock it at once.
            self.owner.hand_over(token, !attention.queue.is_empty());
            if place.deliver(Verdict::Granted) {
                return asked;
            }
        }
        self.owner.free();
        asked
    }
}

impl fmt::Debug for WwMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WwMutex")
            .field("class", &self.class.name())
            .field("is_locked", &self.is_locked())
            .finish_non_exhaustive()
    }
}
