//! Reservations. Contract: R.

pub mod basic;

use wharf_core::Errno;
pub use wharf_core::Usage;

use crate::fence::FenceSut;

/// A system with reservations.
pub trait ResvSut: FenceSut {
    /// A lock and the fences behind it.
    type Reservation: Send + Sync;
    /// What says that a reservation is locked; unlocks it when dropped.
    type Guard<'r>: LockedResv<Self::Fence>;
    /// The fences of one moment, each with its usage.
    type Fences: Iterator<Item = (Self::Fence, Usage)>;

    /// Makes a reservation without fences.
    fn reservation(&self) -> Self::Reservation;

    /// Locks a reservation that nobody holds.
    fn lock<'r>(&self, reservation: &'r Self::Reservation) -> Self::Guard<'r>;

    /// Begins to go through the unsignaled fences of a usage and stronger ones, without the lock.
    fn fences_unlocked(&self, reservation: &Self::Reservation, usage: Usage) -> Self::Fences;

    /// Says whether nothing of a usage or a stronger one is pending.
    fn is_idle(&self, reservation: &Self::Reservation, usage: Usage) -> bool;
}

/// What can be done with a reservation that is locked.
pub trait LockedResv<F> {
    /// Makes room for some fences.
    fn reserve_fences(&self, count: usize) -> Result<(), Errno>;

    /// Adds a fence.
    fn add_fence(&self, fence: &F, usage: Usage) -> Result<(), Errno>;

    /// Returns the fences of a usage and stronger ones.
    fn fences(&self, usage: Usage) -> Vec<(F, Usage)>;
}
