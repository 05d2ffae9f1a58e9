//! Waiting for fences, and signaling them.

use crate::{caught, passes};
use wharf_core::order::{self, How, LockClass, USER_MAPPINGS, Violation};
use wharf_core::{AcquireCtx, Wait, WwAlgorithm, WwClass, WwMutex};

#[test]
fn waiting_while_holding_what_a_signaler_takes_is_caught() {
    static RING: LockClass = LockClass::new("ring");
    passes(|| {
        let _section = order::signaling_section();
        let _ring = order::acquire(&RING, How::Block);
    });
    let report = caught(|| {
        let _ring = order::acquire(&RING, How::Block);
        order::might_wait();
    });
    assert_eq!(report.violation(), Violation::Inversion);
    assert!(
        report.to_string().contains("about to wait for a fence"),
        "{report}"
    );
}

#[test]
fn signaling_that_takes_what_is_held_while_waiting_is_caught() {
    static RING: LockClass = LockClass::new("ring");
    passes(|| {
        let _ring = order::acquire(&RING, How::Block);
        order::might_wait();
    });
    let report = caught(|| {
        let _section = order::signaling_section();
        let _ring = order::acquire(&RING, How::Block);
    });
    assert_eq!(report.violation(), Violation::Inversion);
    assert!(report.to_string().contains("fence signaling"), "{report}");
}

#[test]
fn the_signalers_lock_is_found_through_others() {
    static RING: LockClass = LockClass::new("ring");
    static STATS: LockClass = LockClass::new("stats");
    passes(|| {
        let _section = order::signaling_section();
        let _ring = order::acquire(&RING, How::Block);
        let _stats = order::acquire(&STATS, How::Block);
    });
    let report = caught(|| {
        let _stats = order::acquire(&STATS, How::Block);
        order::might_wait();
    });
    assert_eq!(report.violation(), Violation::Inversion);
}

#[test]
fn a_signaling_section_does_not_wait_for_a_fence() {
    let report = caught(|| {
        let _section = order::signaling_section();
        order::might_wait();
    });
    assert_eq!(report.violation(), Violation::WaitInSignalingSection);
}

#[test]
fn sections_nest_and_end() {
    static RING: LockClass = LockClass::new("ring");
    passes(|| {
        let outer = order::signaling_section();
        drop(order::signaling_section());
        drop(outer);
        order::might_wait();
        let _ring = order::acquire(&RING, How::Block);
        drop(order::signaling_section());
    });
}

#[test]
fn a_signaling_section_locks_no_reservation_and_opens_no_context() {
    static CLASS: WwClass = WwClass::new("reservations", WwAlgorithm::WaitDie);
    let mutex = WwMutex::new(&CLASS);
    let locked = caught(|| {
        let _section = order::signaling_section();
        drop(mutex.lock(&Wait::forever()));
    });
    let opened = caught(|| {
        let _section = order::signaling_section();
        drop(AcquireCtx::new(&CLASS));
    });
    for report in [locked, opened] {
        assert_eq!(report.violation(), Violation::Inversion);
        assert!(report.to_string().contains("(documented)"), "{report}");
    }
    passes(|| {
        let _section = order::signaling_section();
        drop(mutex.try_lock());
    });
}

#[test]
fn the_documented_order_is_known_before_anybody_shows_it() {
    static CLASS: WwClass = WwClass::new("reservations", WwAlgorithm::WaitDie);
    let mutex = WwMutex::new(&CLASS);
    let faulting = caught(|| {
        let _guard = mutex.lock(&Wait::forever());
        let _mappings = order::acquire(&USER_MAPPINGS, How::Block);
    });
    assert_eq!(faulting.violation(), Violation::Inversion);
    assert!(
        faulting.to_string().contains("user mappings -> acquire context"),
        "{faulting}"
    );
    let inside_out = caught(|| {
        let _guard = mutex.lock(&Wait::forever());
        let _ctx = AcquireCtx::new(&CLASS);
    });
    assert_eq!(inside_out.violation(), Violation::Inversion);
    passes(|| {
        let _mappings = order::acquire(&USER_MAPPINGS, How::Block);
        let ctx = AcquireCtx::new(&CLASS);
        let _guard = mutex.lock_in(&ctx, &Wait::forever());
        order::might_wait();
    });
}
