//! What goes wrong while the buffers move, and who goes away meanwhile.

use crate::fake::participant;
use crate::play::{Play, config};
use wharf_core::Errno;
use wharf_core::attachment::Contract;
use wharf_core::negotiation::ParticipantId;
use wharf_core::set::{
    AllocationFailure, Declared, FailureDomain, LatePolicy, MoveFailure, News, Order, SetError, SetFailure,
    SetSnapshot, SetStatus, TokenSpec,
};

use super::{NEW, Scene, fits, scene, stricter};

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
