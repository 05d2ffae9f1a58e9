//! What people read.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{caught, passes};
use wharf_core::order::{self, How, LockClass};
use wharf_core::{Wait, WwAlgorithm, WwClass, WwMutex};

#[test]
fn a_report_names_both_chains_with_places_the_documented_order_and_what_to_do() {
    static QUEUE: LockClass = LockClass::new("queue");
    static CACHE: LockClass = LockClass::new("cache");
    passes(|| {
        let _queue = order::acquire(&QUEUE, How::Block);
        let _cache = order::acquire(&CACHE, How::Block);
    });
    let report = caught(|| {
        let _cache = order::acquire(&CACHE, How::Block);
        let _queue = order::acquire(&QUEUE, How::Block);
    });
    let text = report.to_string();
    let expected = [
        "lock order: about to take lock 'queue' at ",
        "while holding lock 'cache'",
        "    lock 'cache' since ",
        "    lock 'queue' (held since ",
        " -> lock 'cache' (taken at ",
        "documented order: user mappings -> acquire context -> ww-mutexes -> waiting for a fence",
        "what to do: take lock 'queue' before lock 'cache', or give lock 'cache' back first",
    ];
    for part in expected {
        assert!(text.contains(part), "no '{part}' in:\n{text}");
    }
    assert_eq!(text.matches("tests/order/reports.rs:").count(), 4, "{text}");
}

#[test]
fn places_are_the_callers_own() {
    static CLASS: WwClass = WwClass::new("frames", WwAlgorithm::WaitDie);
    let (a, b) = (WwMutex::new(&CLASS), WwMutex::new(&CLASS));
    for tried in [false, true] {
        let text = caught(|| {
            let _a = if tried {
                a.try_lock()
            } else {
                a.lock(&Wait::forever()).ok()
            };
            let _b = b.lock(&Wait::forever());
        })
        .to_string();
        assert_eq!(text.matches("tests/order/reports.rs:").count(), 2, "{text}");
    }
}

#[test]
fn outside_tests_the_report_is_the_message_of_a_panic() {
    static A: LockClass = LockClass::new("a");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _first = order::acquire(&A, How::Block);
        let _second = order::acquire(&A, How::Block);
    }));
    let payload = panicked.expect_err("it panics");
    let text = payload.downcast_ref::<String>().expect("a panic with a text");
    assert!(text.starts_with("lock order: about to take lock 'a'"), "{text}");
}

#[test]
fn other_panics_go_through_catch() {
    let panicked = catch_unwind(|| order::catch(|| panic!("something else")));
    assert!(panicked.is_err());
}
