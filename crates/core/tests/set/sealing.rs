//! When memory is allocated, and who is named when it is not.

use crate::fake::participant;
use crate::play::{Play, config};
use wharf_core::Errno;
use wharf_core::negotiation::ReportKind;
use wharf_core::set::{
    FailureDomain, FirstMap, News, Order, SetConfig, SetError, SetFailure, SetStatus, TokenSpec,
};

fn is_sealed(play: &Play) -> bool {
    play.set.status() == SetStatus::Sealed { generation: 1 }
}

#[test]
fn the_last_expected_token_seals() {
    let mut play = Play::new(config());
    let (one, other) = (play.expect("one"), play.expect("other"));
    let stranger = play.issue(TokenSpec::new("stranger"));
    play.declare(one, participant("one", 4..=9, 1)).unwrap();
    play.set.release(play.root).unwrap();
    assert_eq!(play.set.missing(), ["other".into()]);
    assert_eq!(play.set.status(), SetStatus::Open);
    play.declare(other, participant("other", 5..=9, 2)).unwrap();
    assert!(is_sealed(&play), "nobody waits for a token that is not expected");
    assert_eq!(
        play.settle(),
        [
            (one.get(), News::Ready { generation: 1 }),
            (other.get(), News::Ready { generation: 1 })
        ]
    );
    assert_eq!(play.set.plan().unwrap().count(), 3);
    assert!(
        play.declare(stranger, participant("stranger", 4..=9, 0)).is_ok(),
        "it comes late"
    );
}

#[test]
fn an_expected_token_that_is_given_up_or_lost_seals_too() {
    for is_lost in [false, true] {
        let mut play = Play::new(config());
        let one = play.expect("one");
        let spec = TokenSpec::expected("other").domain(FailureDomain::Attached);
        let other = play.issue(spec);
        play.declare(one, participant("one", 4..=9, 1)).unwrap();
        play.set.release(play.root).unwrap();
        if is_lost {
            play.set.fail(other).unwrap()
        } else {
            play.set.release(other).unwrap()
        }
        assert!(is_sealed(&play));
    }
}

#[test]
fn nothing_is_sealed_before_anybody_has_declared_anything() {
    let mut play = Play::new(config());
    let one = play.issue(TokenSpec::new("one"));
    assert_eq!(
        play.set.seal(play.root),
        Err(SetError::Waiting {
            missing: vec!["creator".into()]
        })
    );
    play.set.release(play.root).unwrap();
    assert_eq!(play.set.status(), SetStatus::Open);
    play.declare(one, participant("one", 4..=9, 1)).unwrap();
    assert!(is_sealed(&play));
}

#[test]
fn who_wants_buffers_waits_for_those_expected_and_is_told_for_whom() {
    let mut play = Play::new(config());
    let (one, other) = (play.expect("one"), play.expect("other"));
    play.declare(one, participant("one", 4..=9, 1)).unwrap();
    let waiting = play.set.want_buffers(one).unwrap_err();
    assert_eq!(
        waiting,
        SetError::Waiting {
            missing: vec!["creator".into(), "other".into()]
        }
    );
    assert_eq!(waiting.errno(), Errno::EAGAIN);
    assert_eq!(waiting.to_string(), "waiting for creator, other");
    play.set.release(play.root).unwrap();
    play.declare(other, participant("other", 4..=9, 1)).unwrap();
    let settling = play.set.want_buffers(one).unwrap_err();
    assert_eq!((settling.errno(), is_sealed(&play)), (Errno::EAGAIN, true));
    play.settle();
    assert_eq!(play.set.want_buffers(one), Ok(1));
}

/// A set that expects nobody, but `expected` if it is given, with a participant.
fn unexpected(first_map: FirstMap, expected: Option<&str>) -> (Play, wharf_core::set::TokenId) {
    let mut config = SetConfig {
        first_map,
        ..config()
    };
    config.root.is_expected = false;
    let mut play = Play::new(config);
    if let Some(label) = expected {
        play.expect(label);
    }
    let one = play.issue(TokenSpec::new("one"));
    play.declare(one, participant("one", 4..=9, 1)).unwrap();
    assert_eq!(play.set.status(), SetStatus::Open);
    (play, one)
}

#[test]
fn the_first_who_wants_buffers_seals_if_nobody_is_expected() {
    let (mut play, one) = unexpected(FirstMap::Waits, None);
    assert!(matches!(
        play.set.want_buffers(one),
        Err(SetError::Settling { .. })
    ));
    assert!(is_sealed(&play));
}

#[test]
fn the_first_who_wants_buffers_seals_at_once_where_it_may() {
    let (mut play, one) = unexpected(FirstMap::Seals, Some("other"));
    assert!(matches!(
        play.set.want_buffers(one),
        Err(SetError::Settling { .. })
    ));
    assert!(is_sealed(&play));
}

#[test]
fn the_first_who_wants_buffers_never_seals_where_it_must_not() {
    let (mut play, one) = unexpected(FirstMap::Forbidden, None);
    let waiting = play.set.want_buffers(one).unwrap_err();
    assert_eq!(waiting, SetError::Waiting { missing: Vec::new() });
    assert!(waiting.to_string().contains("to seal the set"), "{waiting}");
    play.set.seal(play.root).unwrap();
    assert!(is_sealed(&play));
}

#[test]
fn sealing_goes_ahead_without_those_expected_and_they_come_late() {
    let mut play = Play::new(config());
    let (one, other) = (play.expect("one"), play.expect("other"));
    play.declare(one, participant("one", 4..=9, 1)).unwrap();
    play.set.seal(play.root).unwrap();
    assert_eq!(play.set.seal(play.root), Err(SetError::Sealed));
    let early = play.declare(other, participant("other", 4..=9, 0)).unwrap_err();
    assert_eq!(early, SetError::Settling { doing: "allocated" });
    play.settle();
    assert_eq!(
        play.declare(other, participant("other", 4..=9, 0)),
        Ok(wharf_core::set::Declared::Fits { generation: 1 })
    );
}

#[test]
fn a_deadline_names_who_is_missing() {
    let mut play = Play::new(config());
    let one = play.expect("one");
    play.expect("camera");
    play.expect("encoder");
    play.declare(one, participant("one", 4..=9, 1)).unwrap();
    play.set.release(play.root).unwrap();
    let kind = ReportKind::Stalled {
        missing: vec!["camera".into(), "encoder".into()],
    };
    assert_eq!(play.set.stall_report().unwrap().kind, kind);
    assert_eq!(play.set.status(), SetStatus::Open, "a warning changes nothing");
    let over = play.set.deadline_passed().unwrap_err();
    assert_eq!(over.report().unwrap().kind, kind);
    assert_eq!(over.errno(), Errno::ETIMEDOUT);
    assert_eq!(play.set.status(), SetStatus::Failed);
    assert!(matches!(play.settle()[0], (_, News::Over(SetFailure::Report(_)))));
    assert_eq!(play.set.stall_report(), None);
}

#[test]
fn a_deadline_lets_those_go_whose_failure_harms_nobody() {
    let mut play = Play::new(config());
    let one = play.expect("one");
    let slow = play.issue(TokenSpec::expected("slow").domain(FailureDomain::Attached));
    play.declare(one, participant("one", 4..=9, 1)).unwrap();
    play.set.release(play.root).unwrap();
    assert_eq!(play.set.deadline_passed(), Ok(()));
    assert!(is_sealed(&play));
    play.settle();
    assert_eq!(
        play.set.deadline_passed(),
        Ok(()),
        "there is nothing to wait for any more"
    );
    assert!(play.declare(slow, participant("slow", 4..=9, 0)).is_ok());
}

#[test]
fn needs_that_cannot_be_had_together_fail_the_set_with_a_report() {
    let mut play = Play::new(config());
    let (one, other) = (play.expect("one"), play.expect("other"));
    play.set.release(play.root).unwrap();
    play.declare(one, participant("one", 4..=9, 1)).unwrap();
    play.declare(other, participant("other", 10..=19, 1)).unwrap();
    assert_eq!(play.set.status(), SetStatus::Failed);
    assert!(matches!(
        play.set.last_report().unwrap().kind,
        ReportKind::Conflict { .. }
    ));
    assert_eq!(play.set.want_buffers(one).unwrap_err().errno(), Errno::EOPNOTSUPP);
    assert!(play.orders().is_empty(), "nothing was allocated");
    assert_eq!(play.settle().len(), 0);
}

#[test]
fn participants_without_needs_to_speak_of_are_told_why_they_wait() {
    let mut play = Play::new(config());
    let one = play.expect("one");
    assert!(
        play.set
            .want_buffers(one)
            .unwrap_err()
            .to_string()
            .contains("has declared nothing")
    );
}

#[test]
fn a_seal_orders_memory_once() {
    let mut play = Play::new(config());
    let one = play.expect("one");
    play.declare(one, participant("one", 4..=9, 2)).unwrap();
    play.set.seal(play.root).unwrap();
    let orders = play.orders();
    let [
        Order::Allocate {
            generation: 1,
            plan,
            heaps,
        },
    ] = &orders[..]
    else {
        panic!("{orders:?}")
    };
    assert_eq!(
        (plan.count(), plan.size_bytes(), &heaps[..]),
        (2, 4 * 4096, &["near".into()][..])
    );
    assert!(play.orders().is_empty());
}
