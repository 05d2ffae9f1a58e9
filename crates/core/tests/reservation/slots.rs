//! Room is made before it is used.

use wharf_core::Usage::{Bookkeep, Kernel, Read, Write};
use wharf_core::{AddFenceError, Errno, FenceArray, FenceChain, Reservation, ReserveError};

use crate::tools::{add, all, context, lock, lone};

#[test]
fn fence_without_slot_is_refused_with_enospc() {
    let (reservation, owner) = (Reservation::new(), lone());
    let guard = lock(&reservation);
    let refused = guard.add_fence(&owner.fence(), Write).unwrap_err();
    assert_eq!(refused.errno(), Errno::ENOSPC);
    let context = owner.fence().context();
    assert_eq!(
        refused,
        AddFenceError::NoSlot {
            context,
            usage: Write
        }
    );
    assert!(all(&guard).is_empty());
}

#[test]
fn each_fence_takes_a_slot() {
    let (reservation, owners) = (Reservation::new(), [lone(), lone(), lone()]);
    let guard = lock(&reservation);
    guard.reserve_fences(2).unwrap();
    guard.add_fence(&owners[0].fence(), Read).unwrap();
    guard.add_fence(&owners[1].fence(), Read).unwrap();
    assert_eq!(
        guard
            .add_fence(&owners[2].fence(), Read)
            .map_err(|error| error.errno()),
        Err(Errno::ENOSPC)
    );
    assert_eq!(all(&guard).len(), 2);
}

#[test]
fn fence_that_takes_anothers_place_takes_a_slot_too() {
    let (reservation, context) = (Reservation::new(), context());
    let (first, second) = (context.fence(1), context.fence(2));
    let guard = lock(&reservation);
    guard.reserve_fences(1).unwrap();
    guard.add_fence(&first.fence(), Read).unwrap();
    assert!(guard.add_fence(&second.fence(), Read).is_err());
}

#[test]
fn slots_do_not_add_up() {
    let (reservation, owners) = (Reservation::new(), [lone(), lone(), lone()]);
    let guard = lock(&reservation);
    guard.reserve_fences(2).unwrap();
    guard.reserve_fences(1).unwrap();
    guard.reserve_fences(2).unwrap();
    guard.add_fence(&owners[0].fence(), Read).unwrap();
    guard.add_fence(&owners[1].fence(), Read).unwrap();
    assert!(guard.add_fence(&owners[2].fence(), Read).is_err());
}

#[test]
fn slots_do_not_survive_the_lock() {
    let (reservation, owner) = (Reservation::new(), lone());
    lock(&reservation).reserve_fences(4).unwrap();
    let refused = lock(&reservation).add_fence(&owner.fence(), Read).unwrap_err();
    assert_eq!(refused.errno(), Errno::ENOSPC);
}

#[test]
fn no_slot_at_all_cannot_be_reserved() {
    let reservation = Reservation::new();
    let guard = lock(&reservation);
    assert_eq!(guard.reserve_fences(0), Err(ReserveError::Nothing));
    assert_eq!(ReserveError::Nothing.errno(), Errno::EINVAL);
}

#[test]
fn more_slots_than_memory_are_refused_and_nothing_changes() {
    let (reservation, owner) = (Reservation::new(), lone());
    let guard = lock(&reservation);
    add(&guard, &owner, Read);
    let refused = guard.reserve_fences(usize::MAX).unwrap_err();
    assert_eq!(refused, ReserveError::NoMemory { count: usize::MAX });
    assert_eq!(refused.errno(), Errno::ENOMEM);
    assert_eq!(all(&guard), [(owner.fence(), Read)]);
    assert!(
        guard.add_fence(&owner.fence(), Read).is_err(),
        "got a slot all the same"
    );
}

#[test]
fn containers_are_refused_with_einval_and_take_no_slot() {
    let (reservation, owner) = (Reservation::new(), lone());
    let array = FenceArray::new([owner.fence()]).unwrap();
    let chain = FenceChain::link(None, owner.fence(), 1).unwrap();
    let guard = lock(&reservation);
    guard.reserve_fences(1).unwrap();
    for container in [array.into(), chain.into()] {
        let refused = guard.add_fence(&container, Kernel).unwrap_err();
        assert_eq!(
            (&refused, refused.errno()),
            (&AddFenceError::Container, Errno::EINVAL)
        );
        let context = owner.fence().context();
        assert_eq!(
            guard.replace_fences(context, &container, Kernel),
            Err(AddFenceError::Container)
        );
    }
    guard.add_fence(&owner.fence(), Read).unwrap();
    assert_eq!(
        guard.replace_fences(owner.fence().context(), &owner.fence(), Bookkeep),
        Ok(())
    );
}

#[test]
fn growing_drops_signaled_fences_and_keeps_the_others_in_order() {
    let reservation = Reservation::new();
    let guard = lock(&reservation);
    let mut owners: Vec<_> = (0..100).map(|_| Some(lone())).collect();
    for owner in owners.iter().flatten() {
        add(&guard, owner, Read);
    }
    let mut kept = Vec::new();
    for (index, owner) in owners.iter_mut().enumerate() {
        if index % 3 == 0 {
            kept.push((owner.as_ref().unwrap().fence(), Read));
        } else {
            owner.take().unwrap().signal();
        }
    }
    guard.reserve_fences(10_000).unwrap();
    assert_eq!(all(&guard), kept);
}

#[test]
fn list_of_signaled_fences_does_not_grow_without_end() {
    let reservation = Reservation::new();
    for _ in 0..1000 {
        let guard = lock(&reservation);
        let owner = lone();
        add(&guard, &owner, Read);
        owner.signal();
        assert!(all(&guard).len() <= 8, "{} fences are kept", all(&guard).len());
    }
}
