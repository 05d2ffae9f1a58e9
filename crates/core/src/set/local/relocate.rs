//! Moving all buffers of a set to new ones.

use super::{Generation, LocalSet, blockers, copy};
use crate::moves;
use crate::set::{Contents, MoveFailure};
use crate::{
    AcquireCtx, DataDirection, Deadline, DmaBuf, Errno, ExporterControl, RESERVATION_CLASS, Refusal,
    Reservation, ReservationSet, Usage, Wait, WwWaitError,
};

impl LocalSet {
    /// Has everybody change from `old` to `new`. `commit` makes it so, when nothing can fail any more, and says whether it did.
    ///
    /// # Errors
    /// What was in the way; nothing has changed then.
    pub(super) fn relocate(
        &self,
        old: &Generation,
        new: &Generation,
        contents: Contents,
        commit: impl FnOnce() -> bool,
    ) -> Result<(), MoveFailure> {
        check_free(old)?;
        let wait = Wait::until(Deadline::after(self.shared.patience));
        for buffer in old.memories() {
            if buffer.reservation().wait(Usage::Bookkeep, &wait).is_err() {
                return Err(MoveFailure::Held(blockers::pending(old)));
            }
        }
        let windows = match contents {
            Contents::Keep => open(old, new, &wait).map_err(failed)?,
            Contents::Discard => Vec::new(),
        };
        let context = AcquireCtx::new(&RESERVATION_CLASS);
        let guards = lock(&context, old, new, &wait).map_err(|error| cannot_lock(&error))?;
        // Again: they could still come until now.
        check_free(old)?;
        check_idle(old)?;
        if contents == Contents::Keep {
            let (old, new) = ((&old.plan, &old.buffers[..]), (&new.plan, &new.buffers[..]));
            copy::copy_all(old, new, &guards).map_err(failed)?;
        }
        let is_moved = commit();
        if is_moved {
            old.memories().for_each(|buffer| tell(buffer, &guards));
        }
        drop(guards);
        drop(windows);
        if is_moved {
            old.memories().for_each(|buffer| take_away(buffer, &wait));
        }
        Ok(())
    }
}

fn open(old: &Generation, new: &Generation, wait: &Wait<'_>) -> Result<Vec<crate::CpuAccess>, Refusal> {
    let mut windows = copy::windows(old.memories(), DataDirection::FromDevice, wait)?;
    windows.extend(copy::windows(new.memories(), DataDirection::ToDevice, wait)?);
    Ok(windows)
}

fn lock<'r>(
    context: &'r AcquireCtx,
    old: &'r Generation,
    new: &'r Generation,
    wait: &Wait<'_>,
) -> Result<ReservationSet<'r>, WwWaitError> {
    let reservations = old
        .memories()
        .chain(new.memories())
        .map(|buffer| &**buffer.reservation());
    let reservations: Vec<&Reservation> = reservations.collect();
    Reservation::lock_all(context, &reservations, wait)
}

fn check_free(old: &Generation) -> Result<(), MoveFailure> {
    match blockers::holders(old) {
        holders if holders.is_empty() => Ok(()),
        holders => Err(MoveFailure::Held(holders)),
    }
}

fn check_idle(old: &Generation) -> Result<(), MoveFailure> {
    match blockers::pending(old) {
        fences if fences.is_empty() => Ok(()),
        fences => Err(MoveFailure::Held(fences)),
    }
}

/// Tells the importers of an old buffer that it is one.
fn tell(buffer: &DmaBuf, guards: &ReservationSet<'_>) {
    if let Some(guard) = guards.guard(buffer.reservation()) {
        moves::finish(buffer, guard);
    }
}

/// Takes an old buffer away from importers that can do without pins. Not while it is locked for the move: then it may still be mapped
/// for the copy.
fn take_away(buffer: &DmaBuf, wait: &Wait<'_>) {
    if !blockers::is_revocable(buffer) {
        return;
    }
    let Ok(guard) = buffer.reservation().lock(wait) else {
        return;
    };
    if let Err(error) = ExporterControl::new(buffer).revoke(&guard) {
        tracing::debug!(target: "wharf_core::set", buffer = buffer.id().get(), %error, "an old buffer stays");
    }
}

fn failed(refusal: Refusal) -> MoveFailure {
    MoveFailure::Failed {
        who: None,
        errno: refusal.errno,
        reason: refusal.reason.into(),
    }
}

fn cannot_lock(error: &WwWaitError) -> MoveFailure {
    MoveFailure::Failed {
        who: None,
        errno: error.errno(),
        reason: format!("the buffers could not be locked: {error}").into(),
    }
}

/// Says that memory the set orders a move to is not there.
pub(super) fn no_memory() -> MoveFailure {
    failed(Refusal::new(Errno::EIO, "the memory to move to is gone"))
}
