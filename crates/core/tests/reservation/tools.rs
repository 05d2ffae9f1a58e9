//! What several of these tests need.

use std::time::Duration;

use wharf_core::{Deadline, Fence, FenceContext, Reservation, ReservationGuard, UniqueFence, Usage, Wait};

/// Long enough for every machine; reached only by a test that fails.
pub(crate) fn patience() -> Wait<'static> {
    Wait::until(Deadline::after(Duration::from_secs(30)))
}

pub(crate) fn context() -> FenceContext {
    FenceContext::new("test", "queue")
}

/// An unsignaled fence of a context of its own.
pub(crate) fn lone() -> UniqueFence {
    context().fence(1)
}

/// Locks a reservation that nobody holds.
pub(crate) fn lock(reservation: &Reservation) -> ReservationGuard<'_> {
    reservation.lock(&Wait::not()).unwrap()
}

/// Adds a fence, with a slot for it.
pub(crate) fn add(guard: &ReservationGuard<'_>, owner: &UniqueFence, usage: Usage) {
    guard.reserve_fences(1).unwrap();
    guard.add_fence(&owner.fence(), usage).unwrap();
}

/// All fences, signaled ones too.
pub(crate) fn all(guard: &ReservationGuard<'_>) -> Vec<(Fence, Usage)> {
    guard.fences(Usage::Bookkeep).collect()
}
