//! Locking a list of mutexes.

use std::vec;

use super::{AcquireCtx, Deadlock, WwGuard, WwLockError, WwMisuse, WwMutex, WwWaitError};
use crate::Wait;

/// Mutexes that were locked together; dropping it unlocks all.
#[derive(Debug, Default)]
#[must_use = "the mutexes are unlocked when the set is dropped"]
pub struct WwLockSet<'a> {
    guards: Vec<WwGuard<'a>>,
}

/// Locks all mutexes of a list, backing off as often as it takes.
///
/// The list may be in any order and name a mutex twice; it is locked once.
///
/// ```
/// use wharf_core::{AcquireCtx, Wait, WwAlgorithm, WwClass, WwMutex, ww};
///
/// static BUFFERS: WwClass = WwClass::new("buffers", WwAlgorithm::WaitDie);
/// let (camera, encoder) = (WwMutex::new(&BUFFERS), WwMutex::new(&BUFFERS));
///
/// let ctx = AcquireCtx::new(&BUFFERS);
/// let locked = ww::lock_all(&ctx, &[&encoder, &camera, &encoder], &Wait::forever())?;
/// assert_eq!(locked.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Blocking
/// While others hold one of them, within the bounds of `wait`, which are those of the whole.
///
/// # Locking
/// The context may hold nothing.
///
/// # Errors
/// Nothing stays locked.
/// * [`WwWaitError::Wait`]: the wait ended first → ETIMEDOUT, EINTR.
/// * [`WwWaitError::Misuse`]: see [`WwMisuse`].
///
/// # References
/// `drm_exec_lock_obj`, `drm_exec_until_all_locked` (drivers/gpu/drm/drm_exec.c, v6.12) solve the same. Contract: L7.
#[track_caller]
pub fn lock_all<'a>(
    ctx: &'a AcquireCtx,
    mutexes: &[&'a WwMutex],
    wait: &Wait<'_>,
) -> Result<WwLockSet<'a>, WwWaitError> {
    if ctx.held() > 0 {
        return Err(WwWaitError::Misuse(WwMisuse::HoldsOthers {
            class: ctx.class().name(),
            held: ctx.held(),
        }));
    }
    let mut guards = Vec::with_capacity(mutexes.len());
    while let Some(deadlock) = attempt(ctx, mutexes, wait, &mut guards)? {
        guards.clear();
        guards.push(deadlock.lock_slow(wait).map_err(|error| *error.cause())?);
    }
    Ok(WwLockSet { guards })
}

/// Locks what is not locked yet, up to the first deadlock.
#[track_caller]
fn attempt<'a>(
    ctx: &'a AcquireCtx,
    mutexes: &[&'a WwMutex],
    wait: &Wait<'_>,
    guards: &mut Vec<WwGuard<'a>>,
) -> Result<Option<Deadlock<'a>>, WwWaitError> {
    for mutex in mutexes {
        match mutex.lock_in(ctx, wait) {
            Ok(guard) => guards.push(guard),
            Err(WwLockError::AlreadyLocked { .. }) => (),
            Err(WwLockError::Deadlock(deadlock)) => return Ok(Some(deadlock)),
            Err(WwLockError::Wait(error)) => return Err(WwWaitError::Wait(error)),
            Err(WwLockError::Misuse(misuse)) => return Err(WwWaitError::Misuse(misuse)),
        }
    }
    Ok(None)
}

impl<'a> WwLockSet<'a> {
    /// Returns how many mutexes are locked.
    pub fn len(&self) -> usize {
        self.guards.len()
    }

    /// Says whether the list was empty.
    pub fn is_empty(&self) -> bool {
        self.guards.is_empty()
    }

    /// Returns the guard of a mutex of the list.
    pub fn guard(&self, mutex: &WwMutex) -> Option<&WwGuard<'a>> {
        self.guards.iter().find(|guard| guard.guards(mutex))
    }
}

/// Splits the set into its guards, in no particular order.
impl<'a> IntoIterator for WwLockSet<'a> {
    type Item = WwGuard<'a>;
    type IntoIter = vec::IntoIter<WwGuard<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.guards.into_iter()
    }
}
