//! Adding fences to reservations, and looking at them.

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};

use wharf_core::{Fence, FenceContext, Reservation, UniqueFence, Usage, Wait};

use crate::{CROWDS, Case, Outcome};

/// A reservation with pending fences, each of another context.
struct Crowd {
    reservation: Arc<Reservation>,
    owners: Vec<UniqueFence>,
}

impl Crowd {
    fn new(count: usize) -> Outcome<Self> {
        let owners: Vec<UniqueFence> = (0..count)
            .map(|_| FenceContext::new("bench", "queue").fence(1))
            .collect();
        let reservation = Reservation::new();
        let guard = reservation.lock(&Wait::forever())?;
        guard.reserve_fences(count)?;
        for owner in &owners {
            guard.add_fence(&owner.fence(), Usage::Read)?;
        }
        drop(guard);
        Ok(Self { reservation, owners })
    }

    /// Adds the last of the fences again, which takes its own place.
    fn add_again(&self, fence: &Fence) {
        if let Ok(guard) = self.reservation.lock(&Wait::forever()) {
            let _ = black_box(guard.reserve_fences(1));
            let _ = black_box(guard.add_fence(fence, Usage::Read));
        }
    }

    fn adding(self, name: String, batch: u32) -> Option<Case> {
        let fence = self.owners.last()?.fence();
        Some(Case::new(name, batch, move || self.add_again(&fence)))
    }

    /// Asks about readers: all but the last fence are signaled, but still there.
    fn asking(mut self, name: String, batch: u32) -> Option<Case> {
        let last = self.owners.pop()?;
        self.owners.drain(..).for_each(UniqueFence::signal);
        Some(Case::new(name, batch, move || {
            let _pending = &last;
            black_box(self.reservation.is_signaled(Usage::Read));
        }))
    }
}

/// A vector with as many entries behind a lock.
fn plain(count: usize) -> Mutex<Vec<Arc<u64>>> {
    Mutex::new((0..count as u64).map(Arc::new).collect())
}

fn batch(count: usize) -> u32 {
    if count < 1000 { 100 } else { 1 }
}

pub(crate) fn adding() -> Outcome<Vec<Case>> {
    let (list, own) = (plain(1), Arc::new(1));
    let std = Case::new("Mutex<Vec<Arc>>, replace", 1000, move || {
        let mut list = black_box(&list).lock().unwrap_or_else(PoisonError::into_inner);
        list[0] = Arc::clone(&own);
    });
    let ours = Crowd::new(1)?.adding("reservation".into(), 1000);
    Ok(std::iter::once(std).chain(ours).collect())
}

pub(crate) fn adding_beside() -> Outcome<Vec<Case>> {
    let mut cases = Vec::new();
    for count in CROWDS {
        cases.extend(Crowd::new(count)?.adding(format!("{count}"), batch(count)));
    }
    Ok(cases)
}

pub(crate) fn asking() -> Outcome<Vec<Case>> {
    let mut cases = Vec::new();
    for count in CROWDS {
        let list = plain(count);
        cases.push(Case::new(
            format!("Mutex<Vec<Arc>>, find, {count}"),
            batch(count),
            move || {
                let list = black_box(&list).lock().unwrap_or_else(PoisonError::into_inner);
                black_box(list.iter().find(|entry| ***entry == u64::MAX));
            },
        ));
        cases.extend(Crowd::new(count)?.asking(format!("reservation, {count}"), batch(count)));
    }
    Ok(cases)
}
