//! Coming late: {fits, movable, pinned, impossible} × {refuse, reallocate}, and a failure at every step of a move.
//! Origin: acceptance test (g) of reference section 5.

mod mishaps;
mod phantoms;

use crate::fake::{blame, participant};
use crate::play::{Play, config, size};
use wharf_core::Errno;
use wharf_core::attachment::Contract;
use wharf_core::negotiation::{Blocker, Participant, ParticipantId, ReportKind};
use wharf_core::set::{
    Contents, Declared, FailureDomain, LatePolicy, News, Order, Rights, SetConfig, SetError, SetStatus,
    TokenId, TokenSpec,
};

const NEW: &str = "new";

struct Scene {
    play: Play,
    camera: TokenId,
    new: TokenId,
}

/// A camera of 2 and a display of 1 buffer of 4 pages each, and a token for a newcomer.
fn scene(late: LatePolicy, contract: Contract) -> Scene {
    let config = SetConfig { late, ..config() };
    let old = [
        participant("camera", 4..=9, 2),
        participant("display", 1..=9, 1).contract(contract),
    ];
    let (mut play, tokens) = Play::begun(config, old);
    let spec = TokenSpec::new(NEW).domain(FailureDomain::Dispensable);
    let new = play.issue(spec);
    Scene {
        play,
        camera: tokens[0],
        new,
    }
}

fn fits() -> Participant {
    participant(NEW, 3..=5, 0)
}

fn stricter() -> Participant {
    participant(NEW, 6..=8, 1)
}

fn impossible() -> Participant {
    participant(NEW, 10..=19, 1)
}

fn kind(error: &SetError) -> &ReportKind {
    &error.report().unwrap().kind
}

#[test]
fn who_fits_comes_whatever_the_policy_and_the_contracts() {
    for late in [LatePolicy::Refuse, LatePolicy::Reallocate] {
        for contract in [Contract::Static, Contract::Dynamic, Contract::Revocable] {
            let mut it = scene(late, contract);
            assert_eq!(
                it.play.declare(it.new, fits()),
                Ok(Declared::Fits { generation: 1 })
            );
            assert_eq!(it.play.settle(), [(it.new.get(), News::Ready { generation: 1 })]);
            assert_eq!(it.play.set.want_buffers(it.new), Ok(1));
        }
    }
}

#[test]
fn buffers_move_for_a_stricter_newcomer_if_all_let_them() {
    for contract in [Contract::Dynamic, Contract::Revocable] {
        let mut it = scene(LatePolicy::Reallocate, contract);
        assert_eq!(
            it.play.declare(it.new, stricter()),
            Ok(Declared::Moving { to: 2 })
        );
        assert_eq!(it.play.set.status(), SetStatus::Moving { from: 1, to: 2 });
        assert_eq!(
            it.play.set.want_buffers(it.camera),
            Ok(1),
            "meanwhile the old ones are in use"
        );
        let news = it.play.settle();
        let moved = News::Moved { from: 1, to: 2 };
        assert_eq!(
            news,
            [
                (2, moved.clone()),
                (3, moved),
                (it.new.get(), News::Ready { generation: 2 })
            ]
        );
        assert_eq!(it.play.set.status(), SetStatus::Allocated { generation: 2 });
        assert_eq!((size(&it.play), it.play.set.plan().unwrap().count()), (6, 4));
        assert_eq!(it.play.set.check_generation(2), Ok(()));
        let stale = it.play.set.check_generation(1).unwrap_err();
        assert_eq!(
            stale,
            SetError::Stale {
                generation: 1,
                current: 2
            }
        );
        assert_eq!(stale.errno(), Errno::ESTALE);
    }
}

#[test]
fn a_move_asks_everybody_and_frees_the_old_memory_last() {
    let mut it = scene(LatePolicy::Reallocate, Contract::Dynamic);
    it.play.declare(it.new, stricter()).unwrap();
    let orders = it.play.orders();
    assert!(
        matches!(&orders[..], [Order::Allocate { generation: 2, plan, .. }] if plan.size_bytes() == 6 * 4096)
    );
    it.play.set.allocated(2, Ok(())).unwrap();
    let order = Order::Move {
        from: 1,
        to: 2,
        members: vec![ParticipantId(2), ParticipantId(3)],
        newcomer: it.new.participant(),
        contents: Contents::Keep,
    };
    assert_eq!(it.play.orders(), [order]);
    it.play.set.moved(2).unwrap();
    assert_eq!(it.play.orders(), [Order::Free { generation: 1 }]);
}

#[test]
fn a_pinned_participant_is_named_as_the_blocker() {
    let mut it = scene(LatePolicy::Reallocate, Contract::Static);
    let busy = it.play.declare(it.new, stricter()).unwrap_err();
    assert_eq!(busy.errno(), Errno::EBUSY);
    let ReportKind::Busy { blockers, misfit } = kind(&busy) else {
        panic!("{busy:?}")
    };
    assert_eq!((blockers.len(), &*blockers[0].who.label), (1, "display"));
    assert_eq!(&*misfit.who.label, NEW);
    assert_eq!(it.play.set.status(), SetStatus::Allocated { generation: 1 });
    assert_eq!(it.play.set.last_report(), busy.report());
    // When it has left, there is nobody in the way.
    it.play.set.release(TokenId::from(ParticipantId(3))).unwrap();
    assert_eq!(
        it.play.declare(it.new, stricter()),
        Ok(Declared::Moving { to: 2 })
    );
    it.play.settle();
    assert_eq!(
        it.play.set.plan().unwrap().count(),
        3,
        "what it counted on is no longer reserved"
    );
}

#[test]
fn holders_that_only_the_driver_knows_are_blockers_too() {
    let mut it = scene(LatePolicy::Reallocate, Contract::Dynamic);
    let holder = Blocker {
        who: blame(&participant("the CPU", 1..=1, 0)),
        reason: "vmap".into(),
    };
    let busy = it
        .play
        .set
        .declare(it.new, stricter(), std::slice::from_ref(&holder))
        .unwrap_err();
    assert!(matches!(kind(&busy), ReportKind::Busy { blockers, .. } if *blockers == [holder]));
}

#[test]
fn nothing_moves_if_the_creator_or_the_token_does_not_let_it() {
    for contract in [Contract::Static, Contract::Dynamic] {
        let mut it = scene(LatePolicy::Refuse, contract);
        let busy = it.play.declare(it.new, stricter()).unwrap_err();
        assert!(matches!(kind(&busy), ReportKind::Busy { .. }), "{busy:?}");
    }
    let mut it = scene(LatePolicy::Reallocate, Contract::Dynamic);
    let weak = TokenSpec::new(NEW).rights(Rights::WRITE);
    let weak = it.play.set.issue(it.play.root, weak).unwrap();
    let busy = it.play.declare(weak, stricter()).unwrap_err();
    assert!(matches!(kind(&busy), ReportKind::Busy { .. }), "{busy:?}");
}

#[test]
fn what_can_never_be_is_a_conflict_and_can_be_tried_in_another_way() {
    for late in [LatePolicy::Refuse, LatePolicy::Reallocate] {
        for contract in [Contract::Static, Contract::Dynamic] {
            let mut it = scene(late, contract);
            let conflict = it.play.declare(it.new, impossible()).unwrap_err();
            assert!(
                matches!(kind(&conflict), ReportKind::Conflict { .. }),
                "{conflict:?}"
            );
            assert_eq!(
                conflict.errno(),
                Errno::EBUSY,
                "as the kernel answers when there is memory"
            );
            assert_eq!(it.play.settle(), []);
            assert_eq!(
                it.play.declare(it.new, fits()),
                Ok(Declared::Fits { generation: 1 })
            );
        }
    }
}

#[test]
fn counts_that_are_not_free_make_room_by_a_move() {
    let mut it = scene(LatePolicy::Reallocate, Contract::Dynamic);
    assert_eq!(it.play.set.free_buffers(), 0);
    let greedy = participant(NEW, 3..=5, 3);
    assert_eq!(
        it.play.declare(it.new, greedy.clone()),
        Ok(Declared::Moving { to: 2 })
    );
    it.play.settle();
    assert_eq!(it.play.set.plan().unwrap().count(), 6);
    let mut it = scene(LatePolicy::Refuse, Contract::Dynamic);
    assert!(matches!(
        kind(&it.play.declare(it.new, greedy).unwrap_err()),
        ReportKind::Busy { .. }
    ));
}
