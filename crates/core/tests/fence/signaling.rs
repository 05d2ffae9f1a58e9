//! The owner's side.

use std::time::Instant;

use crate::tools::{Log, Scripted, context, lone};
use wharf_core::{Errno, Fence, FenceContext, FenceStatus, SeqnoError, SignalError};

#[test]
fn an_owner_that_is_dropped_signals_with_edeadlk() {
    let (owner, log) = (lone(), Log::default());
    let fence = owner.fence();
    log.follow(&fence, "told");
    drop(owner);
    assert_eq!(fence.status(), FenceStatus::Failed(Errno::EDEADLK));
    assert_eq!(log.entries(), ["told"]);
}

#[test]
fn an_owner_whose_thread_panics_leaves_no_one_waiting() {
    let owner = lone();
    let fence = owner.fence();
    let died = std::thread::spawn(move || {
        let _owner = owner;
        panic!("this panic is part of the test");
    });
    assert!(died.join().is_err());
    assert_eq!(fence.status(), FenceStatus::Failed(Errno::EDEADLK));
}

#[test]
fn a_number_that_is_no_error_gives_the_owners_side_back() {
    for number in [0, -5, 4096, i32::MIN, i32::MAX] {
        let owner = lone();
        let fence = owner.fence();
        let refused = owner.signal_error(Errno::new(number)).unwrap_err();
        assert_eq!(refused.errno(), Errno::EINVAL);
        assert!(refused.to_string().contains("1 to 4095"), "{refused}");
        assert!(!fence.is_signaled());
        let SignalError::NotAnError { errno, fence: owner } = refused else {
            panic!("{refused}");
        };
        assert_eq!(errno.raw(), number);
        owner.signal();
        assert_eq!(fence.status(), FenceStatus::Signaled);
    }
}

#[test]
fn every_error_number_is_seen_as_it_was_given() {
    for number in [1, 2, 255, 256, 4095] {
        let owner = lone();
        let fence = owner.fence();
        owner.signal_error(Errno::new(number)).unwrap();
        assert_eq!(fence.status(), FenceStatus::Failed(Errno::new(number)));
        assert_eq!(fence.status().error(), Some(Errno::new(number)));
    }
}

#[test]
fn an_error_after_the_ops_have_reported_success_comes_too_late() {
    let log = Log::default();
    let owner = context().fence_with(
        1,
        Box::new(Scripted {
            poll: || true,
            ..Scripted::new(&log)
        }),
    );
    let fence = owner.fence();
    assert!(fence.is_signaled());
    let late = owner.signal_error(Errno::EIO).unwrap_err();
    assert!(
        matches!(&late, SignalError::AlreadySignaled { errno: Errno::EIO, fence: same } if *same == fence)
    );
    assert_eq!(late.errno(), Errno::EINVAL);
    assert_eq!(fence.status(), FenceStatus::Signaled);
}

#[test]
fn times_are_recorded_only_where_asked_for() {
    let plain = lone();
    let timed = context().with_timestamps().fence(1);
    let (plain_fence, timed_fence) = (plain.fence(), timed.fence());
    let before = Instant::now();
    assert_eq!(timed_fence.signaled_at(), None);
    plain.signal();
    timed.signal();
    assert_eq!(plain_fence.signaled_at(), None);
    let moment = timed_fence.signaled_at().unwrap();
    assert!(before <= moment && moment <= Instant::now());
}

#[test]
fn stubs_are_one_fence_and_private_stubs_are_not() {
    assert_eq!(Fence::stub(), Fence::stub());
    let moment = Instant::now();
    let private = Fence::private_stub(Some(moment));
    assert_ne!(private, Fence::stub());
    assert_eq!(private.signaled_at(), Some(moment));
    assert_eq!(Fence::private_stub(None).signaled_at(), None);
    assert_eq!(private.context().raw(), 0);
    assert!(!private.is_container());
}

#[test]
fn fences_know_where_they_come_from() {
    let context = FenceContext::new("soft-isp", "scaler");
    assert_ne!(context.id(), FenceContext::new("soft-isp", "scaler").id());
    assert_eq!(context.clone().id(), context.id());
    let fence = context.fence(u64::MAX).fence();
    assert_eq!((fence.driver(), fence.timeline()), ("soft-isp", "scaler"));
    assert_eq!((fence.context(), fence.seqno()), (context.id(), u64::MAX));
    assert_eq!(
        fence.to_string(),
        format!("soft-isp-scaler {}:{}", context.id(), u64::MAX)
    );
}

#[test]
fn order_exists_within_a_context_only() {
    let context = context();
    let (first, last) = (context.fence(1).fence(), context.fence(u64::MAX).fence());
    assert_eq!(last.is_later_than(&first), Ok(true));
    assert_eq!(first.is_later_than(&last), Ok(false));
    assert_eq!(first.is_later_than(&first), Ok(false));
    let stranger = lone().fence();
    let refused = first.is_later_than(&stranger).unwrap_err();
    assert_eq!(refused.errno(), Errno::EINVAL);
    assert_eq!(
        refused,
        SeqnoError::DifferentContexts {
            context: context.id(),
            other: stranger.context()
        }
    );
}

#[test]
fn looking_at_a_fence_in_debug_output_does_not_signal_it() {
    let log = Log::default();
    let owner = context().fence_with(
        1,
        Box::new(Scripted {
            poll: || panic!("asked"),
            ..Scripted::new(&log)
        }),
    );
    assert!(format!("{owner:?}").contains("Unsignaled"));
    owner.signal();
}
