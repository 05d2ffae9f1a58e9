//! What a fence that is added does to those that are there.

use wharf_core::Usage::{Bookkeep, Kernel, Read, Write};
use wharf_core::{Reservation, Usage};

use crate::tools::{add, all, context, lock, lone};

#[test]
fn usage_is_promoted_and_never_demoted() {
    let (reservation, owner) = (Reservation::new(), lone());
    let guard = lock(&reservation);
    let fence = owner.fence();
    for (usage, expected) in [
        (Bookkeep, vec![(fence.clone(), Bookkeep)]),
        (Read, vec![(fence.clone(), Read)]),
        (Kernel, vec![(fence.clone(), Kernel)]),
        // Not taken back: the stronger one stays beside it.
        (Write, vec![(fence.clone(), Kernel), (fence.clone(), Write)]),
    ] {
        add(&guard, &owner, usage);
        assert_eq!(all(&guard), expected, "{usage:?}");
    }
    assert_eq!(guard.fences(Kernel).count(), 1);
}

#[test]
fn later_fence_takes_the_place_of_an_earlier_one_of_its_context() {
    let (reservation, context, other) = (Reservation::new(), context(), lone());
    let row: Vec<_> = (1..=3).map(|seqno| context.fence(seqno)).collect();
    let guard = lock(&reservation);
    add(&guard, &row[0], Read);
    add(&guard, &other, Read);
    add(&guard, &row[1], Read);
    assert_eq!(all(&guard), [(row[1].fence(), Read), (other.fence(), Read)]);
    add(&guard, &row[2], Write);
    assert_eq!(all(&guard), [(row[2].fence(), Write), (other.fence(), Read)]);
}

#[test]
fn fence_takes_the_place_of_all_that_it_stands_for() {
    let (reservation, context, other) = (Reservation::new(), context(), lone());
    let row: Vec<_> = (0..4).map(|seqno| context.fence(seqno)).collect();
    let guard = lock(&reservation);
    add(&guard, &row[1], Write);
    add(&guard, &other, Read);
    add(&guard, &row[2], Read);
    add(&guard, &row[0], Read);
    assert_eq!(all(&guard).len(), 4);
    add(&guard, &row[3], Write);
    assert_eq!(all(&guard), [(row[3].fence(), Write), (other.fence(), Read)]);
}

#[test]
fn weaker_fence_does_not_take_the_place_of_a_stronger_one() {
    for (strong, weak) in [
        (Kernel, Write),
        (Write, Read),
        (Read, Bookkeep),
        (Kernel, Bookkeep),
    ] {
        let (reservation, context) = (Reservation::new(), context());
        let (first, second) = (context.fence(1), context.fence(2));
        let guard = lock(&reservation);
        add(&guard, &first, strong);
        add(&guard, &second, weak);
        assert_eq!(all(&guard), [(first.fence(), strong), (second.fence(), weak)]);
        assert_eq!(
            guard.fences(strong).collect::<Vec<_>>(),
            [(first.fence(), strong)]
        );
    }
}

#[test]
fn earlier_fence_does_not_take_the_place_of_a_later_one() {
    let (reservation, context) = (Reservation::new(), context());
    let (first, second) = (context.fence(1), context.fence(2));
    let guard = lock(&reservation);
    add(&guard, &second, Read);
    add(&guard, &first, Read);
    add(&guard, &first, Kernel);
    assert_eq!(all(&guard), [(second.fence(), Read), (first.fence(), Kernel)]);
}

#[test]
fn equal_numbers_of_two_contexts_have_nothing_to_do_with_each_other() {
    let (reservation, owners) = (Reservation::new(), [lone(), lone()]);
    let guard = lock(&reservation);
    add(&guard, &owners[0], Read);
    add(&guard, &owners[1], Read);
    assert_eq!(all(&guard).len(), 2);
}

#[test]
fn replacing_puts_a_fence_in_the_place_of_all_of_a_context() {
    let (reservation, context, other) = (Reservation::new(), context(), lone());
    let (first, second) = (context.fence(1), context.fence(2));
    let preempted = lone();
    let guard = lock(&reservation);
    add(&guard, &first, Write);
    add(&guard, &other, Read);
    add(&guard, &second, Bookkeep);
    guard
        .replace_fences(context.id(), &preempted.fence(), Bookkeep)
        .unwrap();
    assert_eq!(
        all(&guard),
        [
            (preempted.fence(), Bookkeep),
            (other.fence(), Read),
            (preempted.fence(), Bookkeep)
        ]
    );
    guard
        .replace_fences(context.id(), &first.fence(), Kernel)
        .unwrap();
    assert_eq!(
        guard.fences(Kernel).count(),
        0,
        "nothing of that context was left"
    );
}

#[test]
fn replacing_leaves_finished_work_finished() {
    let (reservation, context) = (Reservation::new(), context());
    let (done, replacement) = (context.fence(1), lone());
    let guard = lock(&reservation);
    add(&guard, &done, Write);
    done.signal();
    guard
        .replace_fences(context.id(), &replacement.fence(), Write)
        .unwrap();
    assert!(reservation.is_signaled(Bookkeep));
}

#[test]
fn copying_replaces_everything_by_what_is_pending_elsewhere() {
    let (target, source) = (Reservation::new(), Reservation::new());
    let (old, done, pending) = (lone(), lone(), lone());
    {
        let guard = lock(&source);
        add(&guard, &done, Write);
        add(&guard, &pending, Read);
    }
    done.signal();
    let guard = lock(&target);
    add(&guard, &old, Kernel);
    guard.copy_fences_from(&source).unwrap();
    assert_eq!(all(&guard), [(pending.fence(), Read)]);
    assert_eq!(source.fences(Bookkeep).count(), 1, "the source changed");
}

#[test]
fn copying_keeps_slots_and_works_from_itself() {
    let (reservation, owners) = (Reservation::new(), [lone(), lone(), lone()]);
    let guard = lock(&reservation);
    add(&guard, &owners[0], Read);
    guard.reserve_fences(2).unwrap();
    guard.copy_fences_from(&reservation).unwrap();
    guard.add_fence(&owners[1].fence(), Read).unwrap();
    guard.add_fence(&owners[2].fence(), Read).unwrap();
    assert!(guard.add_fence(&owners[2].fence(), Read).is_err());
    assert_eq!(all(&guard).len(), 3);
}

#[test]
fn question_is_answered_with_the_usage_and_all_stronger_ones() {
    let (reservation, owners) = (Reservation::new(), [(); 4].map(|()| lone()));
    let guard = lock(&reservation);
    for (owner, usage) in owners.iter().zip(Usage::ALL) {
        add(&guard, owner, usage);
    }
    for (index, usage) in Usage::ALL.into_iter().enumerate() {
        let expected: Vec<_> = owners
            .iter()
            .map(|owner| owner.fence())
            .zip(Usage::ALL)
            .take(index + 1)
            .collect();
        assert_eq!(guard.fences(usage).collect::<Vec<_>>(), expected);
        assert_eq!(reservation.fences(usage).collect::<Vec<_>>(), expected);
    }
}
