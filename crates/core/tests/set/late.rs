//! Coming late: {fits, movable, pinned, impossible} × {refuse, reallocate}, and a failure at every step of a move.
//! Origin: acceptance test (g) of reference section 5.

use crate::fake::{blame, participant};
use crate::play::{Play, config, size};
use wharf_core::Errno;
use wharf_core::attachment::Contract;
use wharf_core::negotiation::{Blocker, Participant, ParticipantId, Presence, ReportKind};
use wharf_core::set::{
    AllocationFailure, Contents, Declared, FailureDomain, LatePolicy, MoveFailure, News, Order, Rights,
    SetConfig, SetError, SetFailure, SetSnapshot, SetStatus, TokenId, TokenSpec,
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

/// What nobody but the newcomer may see change.
fn seen(play: &Play) -> SetSnapshot {
    let mut seen = play.set.snapshot();
    seen.tokens.retain(|one| &*one.label != NEW);
    seen
}

/// What can go wrong in a move, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mishap {
    NoMemory,
    Quota,
    NewcomerLostBefore,
    NewcomerLost,
    NewcomerLeft,
    Held,
    MemberRefuses,
    DriverFails,
}

const MISHAPS: [Mishap; 8] = [
    Mishap::NoMemory,
    Mishap::Quota,
    Mishap::NewcomerLostBefore,
    Mishap::NewcomerLost,
    Mishap::NewcomerLeft,
    Mishap::Held,
    Mishap::MemberRefuses,
    Mishap::DriverFails,
];

fn befall(it: &mut Scene, mishap: Mishap) {
    it.play.set.take_orders();
    let failed = |who, errno| MoveFailure::Failed {
        who,
        errno,
        reason: "cannot map".into(),
    };
    let set = &mut it.play.set;
    match mishap {
        Mishap::NoMemory => {
            for _ in 0..2 {
                let failure = AllocationFailure::Heap {
                    memory: 9,
                    errno: Errno::ENOMEM,
                    reason: "full".into(),
                };
                set.allocated(2, Err(failure)).unwrap();
            }
            return;
        }
        Mishap::Quota => {
            let resource = "bytes".into();
            let failure = AllocationFailure::Quota {
                resource,
                limit: 1,
                used: 1,
                requested: 1,
            };
            return set.allocated(2, Err(failure)).unwrap();
        }
        Mishap::NewcomerLostBefore => return set.fail(it.new).unwrap(),
        _ => set.allocated(2, Ok(())).unwrap(),
    }
    match mishap {
        Mishap::NewcomerLost => set.fail(it.new).unwrap(),
        Mishap::NewcomerLeft => set.release(it.new).unwrap(),
        Mishap::Held => it.play.fail_move(2, MoveFailure::Held(Vec::new())),
        Mishap::MemberRefuses => it
            .play
            .fail_move(2, failed(Some(ParticipantId(3)), Errno::ENOMEM)),
        _ => it.play.fail_move(2, failed(None, Errno::EIO)),
    }
}

#[test]
fn whatever_goes_wrong_in_a_move_everybody_has_what_they_had() {
    for mishap in MISHAPS {
        let mut it = scene(LatePolicy::Reallocate, Contract::Dynamic);
        let before = seen(&it.play);
        it.play.declare(it.new, stricter()).unwrap();
        befall(&mut it, mishap);
        assert_eq!(seen(&it.play), before, "{mishap:?}");
        let orders = it.play.set.take_orders();
        let freed: Vec<_> = orders
            .iter()
            .filter(|order| matches!(order, Order::Free { .. }))
            .collect();
        assert_eq!(freed, [&Order::Free { generation: 2 }], "{mishap:?}");
        for late in [
            it.play.set.allocated(2, Ok(())),
            it.play.set.moved(2),
            it.play.set.not_moved(2, MoveFailure::Held(Vec::new())),
        ] {
            assert_eq!(
                late,
                Err(SetError::Stale {
                    generation: 2,
                    current: 1
                }),
                "{mishap:?}"
            );
        }
        assert_eq!(it.play.set.want_buffers(it.camera), Ok(1), "{mishap:?}");
        // And somebody else can come, with a new generation.
        let other = it.play.expect("other");
        assert_eq!(
            it.play.declare(other, stricter()),
            Ok(Declared::Moving { to: 3 }),
            "{mishap:?}"
        );
    }
}

#[test]
fn a_newcomer_is_told_what_went_wrong_and_may_try_again() {
    for (mishap, errno) in [
        (Mishap::NoMemory, Errno::ENOMEM),
        (Mishap::Quota, Errno::EDQUOT),
        (Mishap::Held, Errno::EBUSY),
        (Mishap::MemberRefuses, Errno::ENOMEM),
        (Mishap::DriverFails, Errno::EIO),
    ] {
        let mut it = scene(LatePolicy::Reallocate, Contract::Dynamic);
        it.play.declare(it.new, stricter()).unwrap();
        befall(&mut it, mishap);
        let news = it.play.news();
        let [(whom, News::Refused(error))] = &news[..] else {
            panic!("{mishap:?}: {news:?}")
        };
        assert_eq!((*whom, error.errno()), (it.new.get(), errno), "{mishap:?}");
        let names_member = error.to_string().contains("'display'");
        assert_eq!(names_member, mishap == Mishap::MemberRefuses, "{error}");
        assert_eq!(
            it.play.declare(it.new, stricter()),
            Ok(Declared::Moving { to: 3 })
        );
        it.play.settle();
        assert_eq!(it.play.set.want_buffers(it.new), Ok(3));
    }
}

#[test]
fn calls_that_would_disturb_a_move_are_put_off() {
    let mut it = scene(LatePolicy::Reallocate, Contract::Dynamic);
    it.play.declare(it.new, stricter()).unwrap();
    let other = it.play.expect("other");
    let later = it.play.declare(other, fits()).unwrap_err();
    assert_eq!(later, SetError::Settling { doing: "moved" });
    assert_eq!(later.errno(), Errno::EAGAIN);
    assert_eq!(
        it.play.set.want_buffers(it.new),
        Err(SetError::Settling { doing: "moved" })
    );
    assert_eq!(it.play.set.undeclare(it.new), Err(SetError::Sealed));
    assert_eq!(
        it.play.set.moved(2),
        Err(SetError::Stale {
            generation: 2,
            current: 1
        }),
        "there is no memory yet"
    );
}

#[test]
fn a_participant_that_goes_away_during_a_move_is_not_waited_for() {
    for is_released in [false, true] {
        let (mut play, old) = Play::begun(config(), [participant("camera", 4..=9, 2)]);
        let viewer = play.issue(TokenSpec::new("viewer").domain(FailureDomain::Dispensable));
        play.declare(viewer, participant("viewer", 4..=9, 0)).unwrap();
        let new = play.expect(NEW);
        play.declare(new, stricter()).unwrap();
        play.set.take_orders();
        play.set.allocated(2, Ok(())).unwrap();
        play.set.take_orders();
        if is_released {
            play.set.release(viewer).unwrap()
        } else {
            play.set.fail(viewer).unwrap()
        }
        assert_eq!(play.set.status(), SetStatus::Moving { from: 1, to: 2 });
        play.set.moved(2).unwrap();
        let told: Vec<u64> = play
            .settle()
            .iter()
            .filter(|(_, news)| matches!(news, News::Moved { .. }))
            .map(|(whom, _)| *whom)
            .collect();
        assert_eq!(told, [old[0].get()]);
        assert_eq!(play.set.counts(viewer), None);
    }
}

#[test]
fn a_participant_that_the_set_cannot_do_without_ends_it_during_a_move_too() {
    let mut it = scene(LatePolicy::Reallocate, Contract::Dynamic);
    it.play.declare(it.new, stricter()).unwrap();
    it.play.set.take_orders();
    it.play.set.fail(it.camera).unwrap();
    assert!(matches!(it.play.set.failure(), Some(SetFailure::Lost { label, .. }) if **label == *"camera"));
    let orders = it.play.orders();
    assert_eq!(
        orders,
        [Order::Free { generation: 2 }, Order::Free { generation: 1 }]
    );
    assert!(it.play.set.moved(2).is_err() && it.play.set.allocated(2, Ok(())).is_err());
}

#[test]
fn a_phantom_keeps_room_for_who_is_to_come() {
    for late in [LatePolicy::Refuse, LatePolicy::Reallocate] {
        let phantom = participant("encoder", 6..=8, 3).presence(Presence::Phantom);
        let (mut play, old) = Play::begun(
            SetConfig { late, ..config() },
            [participant("camera", 4..=9, 2), phantom],
        );
        assert_eq!((size(&play), play.set.plan().unwrap().count()), (6, 5));
        assert!(
            play.set
                .want_buffers(old[1])
                .unwrap_err()
                .to_string()
                .contains("phantom")
        );
        let token = play.expect("a token");
        assert_eq!(
            play.declare(token, participant("encoder", 6..=8, 3)),
            Ok(Declared::Fits { generation: 1 })
        );
        assert_eq!(play.set.counts(token).unwrap().camping, 3);
        assert_eq!((play.set.counts(old[1]), play.set.free_buffers()), (None, 0));
        let second = play.expect("a second");
        assert!(
            late == LatePolicy::Reallocate || play.declare(second, participant("encoder", 6..=8, 3)).is_err()
        );
    }
}

#[test]
fn a_phantom_stays_if_who_comes_in_its_place_is_refused() {
    let phantom = participant("encoder", 6..=8, 3).presence(Presence::Phantom);
    let config = SetConfig {
        late: LatePolicy::Refuse,
        ..config()
    };
    let (mut play, old) = Play::begun(config, [participant("camera", 4..=9, 2), phantom]);
    let token = play.expect("a token");
    play.declare(token, participant("encoder", 6..=8, 4)).unwrap_err();
    assert_eq!(play.set.counts(old[1]).unwrap().camping, 3);
}

#[test]
fn a_phantom_is_replaced_by_who_comes_in_time_too() {
    let mut play = Play::new(config());
    let (phantom, real) = (play.expect("later"), play.expect("now"));
    play.declare(
        phantom,
        participant("encoder", 6..=8, 3).presence(Presence::Phantom),
    )
    .unwrap();
    play.declare(real, participant("encoder", 4..=8, 1)).unwrap();
    play.set.seal(play.root).unwrap();
    play.settle();
    assert_eq!((size(&play), play.set.plan().unwrap().count()), (4, 1));
}

#[test]
fn a_phantom_is_in_nobodys_way() {
    let phantom = participant("encoder", 6..=8, 3)
        .presence(Presence::Phantom)
        .contract(Contract::Static);
    let (mut play, old) = Play::begun(config(), [participant("camera", 4..=19, 2), phantom]);
    let new = play.expect(NEW);
    assert_eq!(
        play.declare(new, participant(NEW, 10..=19, 1)),
        Ok(Declared::Moving { to: 2 })
    );
    let news = play.settle();
    assert!(news.contains(&(old[1].get(), News::LeftOut)), "{news:?}");
    assert_eq!(play.set.plan().unwrap().count(), 3);
}

#[test]
fn a_phantom_that_goes_while_its_place_is_taken_is_not_told_twice() {
    let phantom = participant("encoder", 1..=8, 1).presence(Presence::Phantom);
    let (mut play, old) = Play::begun(config(), [participant("camera", 4..=9, 2), phantom]);
    let token = play.expect("a token");
    let moving = play.declare(token, participant("encoder", 6..=8, 1));
    assert_eq!(moving, Ok(Declared::Moving { to: 2 }));
    play.set.fail(old[1]).unwrap();
    let news = play.settle();
    let told: Vec<&News> = news
        .iter()
        .filter(|(whom, _)| *whom == old[1].get())
        .map(|(_, news)| news)
        .collect();
    assert_eq!(told, [&News::Lost]);
    assert_eq!(play.set.want_buffers(token), Ok(2));
}
