//! Behaviour that sysmem2 tests too: what concerns sets. docs/sysmem-tests.md has the whole list.

use crate::fake::participant;
use crate::play::{Play, config, size};
use wharf_core::constraints::Constraints;
use wharf_core::constraints::{Buffers, key};
use wharf_core::negotiation::{Function, Participant, ParticipantId};
use wharf_core::set::{
    Declared, FailureDomain, News, Rights, SetConfig, SetError, SetFailure, SetStatus, TokenSpec,
};
use wharf_core::{AccessMode, BufferName};

// Mirrors sysmem_tests_v2.cc MinBufferCount.
#[test]
fn a_minimum_of_buffers_is_met_without_being_added_to_what_is_counted_on() {
    for (camping, expected) in [(2, 5), (7, 7)] {
        let needs = Constraints::builder()
            .with(key::MIN_BUFFERS, Buffers(5))
            .build()
            .unwrap();
        let least = Participant::new(ParticipantId(0), "least").function(Function::new("use", needs));
        let (play, _) = Play::begun(config(), [least, participant("camper", 4..=9, camping)]);
        assert_eq!(play.set.plan().unwrap().count(), expected);
    }
}

// Mirrors sysmem_tests_v2.cc BufferName.
#[test]
fn a_name_of_a_higher_priority_replaces_one_of_a_lower() {
    let mut play = Play::new(config());
    for (priority, name, shown) in [(1, "a", "a"), (0, "b", "a"), (2, "c", "c"), (2, "d", "c")] {
        play.set
            .set_name(play.root, priority, BufferName::new(name).unwrap())
            .unwrap();
        assert_eq!(play.set.name().unwrap().as_str(), shown);
    }
}

// Mirrors sysmem_tests_v2.cc NoToken: a set that is shared with nobody.
#[test]
fn a_creator_that_shares_with_nobody_gets_its_buffers() {
    let mut play = Play::new(config());
    assert_eq!(
        play.declare(play.root, participant("alone", 4..=9, 3)),
        Ok(Declared::Collected)
    );
    assert_eq!(play.settle(), [(play.root.get(), News::Ready { generation: 1 })]);
    assert_eq!((size(&play), play.set.plan().unwrap().count()), (4, 3));
}

// Mirrors sysmem_tests_v2.cc NoSync: a token that is of no use to the set is refused, and the set is unharmed.
#[test]
fn a_token_that_the_set_does_not_know_is_refused() {
    let mut play = Play::new(config());
    let (mut other, _) = Play::begun(config(), [participant("one", 4..=9, 1)]);
    let foreign = other.expect("elsewhere");
    let refused = play.declare(foreign, participant("stray", 4..=9, 1)).unwrap_err();
    assert_eq!(refused, SetError::NoSuchToken { token: foreign });
    assert_eq!(play.set.status(), SetStatus::Open);
}

// Mirrors sysmem_tests_v2.cc DuplicateSync: rights are attenuated at each step, and never come back.
#[test]
fn rights_are_lost_at_each_step_and_never_come_back() {
    let mut play = Play::new(config());
    let mut token = play.root;
    let mut rights = Rights::ALL;
    for lost in [Rights::MOVE, Rights::SEAL, Rights::WRITE] {
        rights = lost.lacking(rights);
        token = play
            .set
            .issue(token, TokenSpec::new("next").rights(rights))
            .unwrap();
        for too_much in [Rights::ALL, rights | lost] {
            let refused = play
                .set
                .issue(token, TokenSpec::new("more").rights(too_much))
                .unwrap_err();
            assert!(
                matches!(refused, SetError::Denied { lacks, .. } if lacks.has(lost)),
                "{refused}"
            );
        }
    }
    let writes = play.declare(token, participant("writer", 4..=9, 1));
    assert!(matches!(
        writes,
        Err(SetError::Denied {
            lacks: Rights::WRITE,
            ..
        })
    ));
    let reads = participant("reader", 4..=9, 1).access(AccessMode::ReadOnly);
    assert_eq!(play.declare(token, reads), Ok(Declared::Collected));
}

// Mirrors sysmem_tests_v2.cc CloseWithOutstandingWait.
#[test]
fn a_failure_while_somebody_waits_ends_the_wait() {
    let mut play = Play::new(config());
    let (waits, other) = (play.expect("waits"), play.expect("other"));
    play.declare(waits, participant("waits", 4..=9, 1)).unwrap();
    assert!(matches!(
        play.set.want_buffers(waits),
        Err(SetError::Waiting { .. })
    ));
    play.set.fail(other).unwrap();
    let lost = SetFailure::Lost {
        label: "other".into(),
        pid: None,
    };
    assert!(play.settle().contains(&(waits.get(), News::Over(lost.clone()))));
    assert_eq!(play.set.want_buffers(waits), Err(SetError::Over(lost)));
}

// Mirrors sysmem_tests_v2.cc ConstraintsRetainedBeyondRelease: 2 + 2 camping are 4 buffers after the first client has left.
#[test]
fn counts_are_reserved_beyond_a_release() {
    let mut play = Play::new(config());
    let (first, second) = (play.expect("first"), play.expect("second"));
    play.declare(first, participant("first", 4..=9, 2)).unwrap();
    play.set.release(first).unwrap();
    play.set.release(play.root).unwrap();
    assert_eq!(play.set.status(), SetStatus::Open, "the second is still expected");
    play.declare(second, participant("second", 4..=9, 2)).unwrap();
    play.settle();
    assert_eq!(play.set.plan().unwrap().count(), 4);
}

// Mirrors sysmem_tests_v2.cc ReleaseToken.
#[test]
fn a_token_that_is_released_unused_is_waited_for_no_longer() {
    let mut play = Play::new(config());
    let (one, unused) = (play.expect("one"), play.expect("unused"));
    play.declare(one, participant("one", 4..=9, 1)).unwrap();
    play.set.release(play.root).unwrap();
    assert_eq!(play.set.status(), SetStatus::Open);
    play.set.release(unused).unwrap();
    play.settle();
    assert_eq!(play.set.want_buffers(one), Ok(1));
}

/// A parent that takes part, and a child of a domain that has come when memory is there, if it `is_late`, or before.
fn fail_child(domain: FailureDomain, is_allocated: bool) -> SetStatus {
    let mut play = Play::new(config());
    let parent = play.expect("parent");
    play.declare(parent, participant("parent", 4..=9, 1)).unwrap();
    let child = play.issue(TokenSpec::expected("child").domain(domain));
    play.declare(child, participant("child", 4..=9, 1)).unwrap();
    if is_allocated {
        play.set.seal(play.root).unwrap();
        play.settle();
    }
    play.set.fail(child).unwrap();
    play.set.status()
}

// Mirrors sysmem_tests_v2.cc SetDispensable, before allocation.
#[test]
fn a_dispensable_child_that_fails_before_the_allocation_fails_all() {
    assert_eq!(fail_child(FailureDomain::Dispensable, false), SetStatus::Failed);
}

// Mirrors sysmem_tests_v2.cc SetDispensable, after allocation.
#[test]
fn a_dispensable_child_that_fails_after_the_allocation_fails_alone() {
    assert_eq!(
        fail_child(FailureDomain::Dispensable, true),
        SetStatus::Allocated { generation: 1 }
    );
    assert_eq!(fail_child(FailureDomain::Normal, true), SetStatus::Failed);
}

// Mirrors sysmem_tests_v2.cc Weak, zero strong nodes.
#[test]
fn a_set_that_only_weak_ones_hold_ends() {
    for is_allocated in [false, true] {
        let mut play = Play::new(config());
        let weak = play.issue(TokenSpec::expected("weak").weak());
        play.declare(weak, participant("weak", 4..=9, 1)).unwrap();
        if is_allocated {
            play.set.seal(play.root).unwrap();
            play.settle();
        }
        play.set.release(play.root).unwrap();
        assert_eq!(play.set.status(), SetStatus::Dead);
        let news = play.settle();
        assert!(
            news.contains(&(weak.get(), News::Over(SetFailure::Ended))),
            "{news:?}"
        );
    }
}

// Mirrors sysmem_tests_v2.cc Weak, sent: weak ones get buffers as long as somebody strong is there.
#[test]
fn weak_ones_have_buffers_as_long_as_somebody_strong_is_there() {
    let mut play = Play::new(config());
    let strong = play.expect("strong");
    let weak = play.issue(TokenSpec::expected("weak").weak());
    play.declare(strong, participant("strong", 4..=9, 1)).unwrap();
    play.declare(weak, participant("weak", 4..=9, 1)).unwrap();
    play.set.release(play.root).unwrap();
    play.settle();
    assert_eq!(play.set.want_buffers(weak), Ok(1));
    play.set.release(weak).unwrap();
    assert_eq!(play.set.want_buffers(strong), Ok(1));
}

// Mirrors sysmem_tests_v2.cc SetVerboseLogging: reports need no switch here.
#[test]
fn a_failure_is_reported_without_having_been_asked_to() {
    let mut play = Play::new(SetConfig {
        heaps: Vec::new(),
        ..config()
    });
    play.declare(play.root, participant("alone", 4..=9, 3)).unwrap();
    assert!(play.set.last_report().is_some());
}
