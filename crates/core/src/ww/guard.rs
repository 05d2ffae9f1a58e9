//! A held mutex.

use std::fmt;
use std::marker::PhantomData;

use super::owner::Token;
use super::{AcquireCtx, WwMutex};
use crate::order::Held;

/// A mutex that is held; dropping it unlocks.
///
/// It stays in its thread, and borrows mutex and context: neither can end while it is held. Guards may be dropped in any order.
///
/// # Blocking
/// Dropping does not block.
///
/// # References
/// `ww_mutex_unlock` (kernel/locking/mutex.c, v6.12). Contract: L7.
#[must_use = "the mutex is unlocked when the guard is dropped"]
pub struct WwGuard<'a> {
    mutex: &'a WwMutex,
    ctx: Option<&'a AcquireCtx>,
    token: Token,
    /// False once it is unlocked.
    is_held: bool,
    order: Held,
    /// A token names a thread or what is its own.
    not_send: PhantomData<*const ()>,
}

impl<'a> WwGuard<'a> {
    /// Wraps a mutex that has been taken.
    #[inline]
    pub(super) fn new(mutex: &'a WwMutex, ctx: Option<&'a AcquireCtx>, token: Token, order: Held) -> Self {
        if let Some(ctx) = ctx {
            ctx.took();
        }
        Self {
            mutex,
            ctx,
            token,
            is_held: true,
            order,
            not_send: PhantomData,
        }
    }

    /// Returns the mutex.
    pub fn mutex(&self) -> &'a WwMutex {
        self.mutex
    }

    /// Returns the context in which it was locked.
    pub fn context(&self) -> Option<&'a AcquireCtx> {
        self.ctx
    }

    /// Returns the lock as the lock-order checker sees it.
    pub(crate) fn order(&self) -> &Held {
        &self.order
    }

    /// Says whether this is the lock of `mutex`.
    pub fn guards(&self, mutex: &WwMutex) -> bool {
        std::ptr::eq(self.mutex, mutex)
    }
}

impl WwGuard<'_> {
    /// Says whether it has not been unlocked yet.
    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Unlocks before the drop; says whether somebody asked for a look meanwhile, see [`WwMutex::try_lock_or_ask`].
    // In place: moving a guard that has just been made costs more than locking.
    #[inline]
    pub(crate) fn unlock(&mut self) -> bool {
        if !std::mem::replace(&mut self.is_held, false) {
            return false;
        }
        let asked = self.mutex.release(self.token);
        if let Some(ctx) = self.ctx {
            ctx.gave_back();
        }
        asked
    }
}

impl Drop for WwGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.unlock();
    }
}

impl fmt::Debug for WwGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WwGuard")
            .field("class", &self.mutex.class().name())
            .field("in_context", &self.ctx.is_some())
            .finish_non_exhaustive()
    }
}
