//! Buffers that are there already.

use crate::fake::{Fake, participant};
use crate::play::{Play, config};
use wharf_core::Errno;
use wharf_core::negotiation::{Plan, ReportKind};
use wharf_core::set::{Declared, Order, SetMachine, SetStatus};

/// What `count` buffers of so many pages are like.
fn buffers(pages: u64, count: u64) -> Plan {
    let (play, _) = Play::begun(config(), [participant("model", pages..=pages, count)]);
    play.set.plan().unwrap().clone()
}

#[test]
fn a_set_of_buffers_there_are_takes_whom_they_suit_and_never_moves() {
    let set = SetMachine::around(config(), Box::new(Fake), buffers(4, 3)).unwrap();
    let mut play = Play {
        root: set.root(),
        set,
    };
    assert_eq!(play.set.status(), SetStatus::Allocated { generation: 1 });
    assert_eq!(
        (play.set.free_buffers(), play.set.snapshot().heaps),
        (3, vec!["near".into()])
    );
    assert_eq!(play.orders(), []);
    let (camera, encoder, greedy) = (
        play.expect("camera"),
        play.expect("encoder"),
        play.expect("greedy"),
    );
    let fits = Declared::Fits { generation: 1 };
    assert_eq!(play.declare(camera, participant("camera", 1..=4, 2)), Ok(fits));
    let refused = play
        .declare(encoder, participant("encoder", 5..=9, 0))
        .unwrap_err();
    assert_eq!(refused.errno(), Errno::EBUSY);
    assert!(
        play.declare(greedy, participant("greedy", 1..=4, 2)).is_err(),
        "one is left"
    );
    assert_eq!(play.declare(greedy, participant("modest", 1..=4, 1)), Ok(fits));
    assert_eq!(play.set.want_buffers(camera), Ok(1));
    for token in [play.root, camera, encoder, greedy] {
        play.set.release(token).unwrap();
    }
    assert_eq!(play.orders(), [Order::Free { generation: 1 }]);
}

// Mirrors sysmem_tests_v2.cc GetVmoInfo: constraints are checked against a buffer without changing anything.
#[test]
fn buffers_can_be_checked_against_a_set_before_and_after_it_has_its_own() {
    let mut play = Play::new(config());
    let (one, other) = (play.expect("one"), play.expect("other"));
    play.declare(one, participant("one", 4..=9, 2)).unwrap();
    play.declare(other, participant("other", 2..=6, 1)).unwrap();
    for _ in 0..2 {
        let before = play.set.snapshot();
        assert_eq!(play.set.check(&buffers(4, 3)), Ok(()));
        assert_eq!(play.set.check(&buffers(6, 9)), Ok(()));
        let small = play.set.check(&buffers(3, 3)).unwrap_err();
        let ReportKind::Busy { misfit, .. } = &small.kind else {
            panic!("{small:?}")
        };
        assert_eq!(&*misfit.who.label, "one");
        let large = play.set.check(&buffers(7, 3)).unwrap_err();
        assert!(matches!(&large.kind, ReportKind::Busy { misfit, .. } if &*misfit.who.label == "other"));
        assert!(play.set.check(&buffers(4, 2)).is_err(), "two are too few");
        assert_eq!(play.set.snapshot(), before);
        if before.status == SetStatus::Open {
            play.set.seal(play.root).unwrap();
            play.settle();
        }
    }
}
