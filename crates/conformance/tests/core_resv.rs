//! The reservation suite against `wharf-core`.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod core_sut;

use std::sync::Arc;

use wharf_conformance::resv::{LockedResv, ResvSut};
use wharf_core::{Errno, Fence, Fences, Reservation, ReservationGuard, Usage, Wait};

use core_sut::Core;

struct Locked<'r>(ReservationGuard<'r>);

impl LockedResv<Fence> for Locked<'_> {
    fn reserve_fences(&self, count: usize) -> Result<(), Errno> {
        self.0.reserve_fences(count).map_err(|error| error.errno())
    }

    fn add_fence(&self, fence: &Fence, usage: Usage) -> Result<(), Errno> {
        self.0.add_fence(fence, usage).map_err(|error| error.errno())
    }

    fn fences(&self, usage: Usage) -> Vec<(Fence, Usage)> {
        self.0.fences(usage).collect()
    }
}

impl ResvSut for Core {
    type Reservation = Arc<Reservation>;
    type Guard<'r> = Locked<'r>;
    type Fences = Fences;

    fn reservation(&self) -> Arc<Reservation> {
        Reservation::new()
    }

    fn lock<'r>(&self, reservation: &'r Arc<Reservation>) -> Locked<'r> {
        Locked(reservation.lock(&Wait::not()).unwrap())
    }

    fn fences_unlocked(&self, reservation: &Arc<Reservation>, usage: Usage) -> Fences {
        reservation.fences(usage)
    }

    fn is_idle(&self, reservation: &Arc<Reservation>, usage: Usage) -> bool {
        reservation.is_signaled(usage)
    }
}

mod resv_basic {
    wharf_conformance::resv_basic_cases!(super::Core);
}
