//! Heaps that have nothing: the next one, the next plan, and the trail. Origin: acceptance test (j) of reference section 5.

use crate::fake::{heap, participant};
use crate::play::{Play, config, size};
use wharf_core::Errno;
use wharf_core::negotiation::{HeapAnswer, HeapOffer, Presence, ReportKind};
use wharf_core::set::{AllocationFailure, Declared, News, Order, SetConfig, SetError, SetStatus};

fn empty() -> Result<(), AllocationFailure> {
    Err(AllocationFailure::Heap {
        memory: 0,
        errno: Errno::ENOMEM,
        reason: "nothing left".into(),
    })
}

fn asked(play: &mut Play) -> (u64, Box<str>) {
    let orders = play.orders();
    let [
        Order::Allocate {
            generation, heaps, ..
        },
    ] = &orders[..]
    else {
        panic!("{orders:?}")
    };
    (*generation, heaps[0].clone())
}

/// What the heaps of a trail said.
fn trail(kind: &ReportKind) -> Vec<(Box<str>, Option<u64>)> {
    let ReportKind::NoMemory { trail } = kind else {
        panic!("{kind:?}")
    };
    let answers = trail.iter().map(|answer| match answer {
        HeapAnswer::Refused {
            heap,
            requested_bytes,
            errno: Errno::ENOMEM,
            ..
        } => (heap.clone(), Some(*requested_bytes)),
        HeapAnswer::Unsuitable(misfit) => (misfit.heap.clone(), None),
        other => panic!("{other:?}"),
    });
    answers.collect()
}

fn small(name: &str, pages: u64) -> HeapOffer {
    let mut offer = heap(name);
    offer.guarantees.max_size_bytes = pages * 4096;
    offer
}

#[test]
fn the_next_heap_is_asked() {
    let mut play = Play::new(config());
    let one = play.expect("one");
    play.declare(one, participant("one", 4..=9, 2)).unwrap();
    play.set.seal(play.root).unwrap();
    assert_eq!(asked(&mut play), (1, "near".into()));
    play.set.allocated(1, empty()).unwrap();
    assert_eq!(play.set.status(), SetStatus::Sealed { generation: 1 });
    assert_eq!(asked(&mut play), (1, "far".into()));
    play.set.allocated(1, Ok(())).unwrap();
    assert_eq!(play.set.snapshot().heaps, ["far".into()]);
    assert_eq!(play.set.want_buffers(one), Ok(1));
}

#[test]
fn when_all_have_said_no_the_report_has_the_whole_trail() {
    let heaps = vec![heap("near"), small("tiny", 3), heap("far")];
    let mut play = Play::new(SetConfig { heaps, ..config() });
    let one = play.expect("one");
    play.declare(one, participant("one", 4..=9, 2)).unwrap();
    play.set.seal(play.root).unwrap();
    play.set.allocated(1, empty()).unwrap();
    play.set.allocated(1, empty()).unwrap();
    assert_eq!(play.set.status(), SetStatus::Failed);
    let report = play.set.last_report().unwrap();
    assert_eq!(report.errno(), Errno::ENOMEM);
    assert_eq!(
        trail(&report.kind),
        [
            ("near".into(), Some(8 * 4096)),
            ("far".into(), Some(8 * 4096)),
            ("tiny".into(), None)
        ]
    );
    assert!(play.set.allocated(1, Ok(())).is_err());
}

#[test]
fn the_next_plan_is_tried_when_no_heap_has_enough_for_the_best() {
    let heaps = vec![heap("near"), small("tiny", 4)];
    let mut play = Play::new(SetConfig { heaps, ..config() });
    let (one, rich) = (play.expect("one"), play.expect("rich"));
    play.declare(one, participant("one", 4..=9, 2)).unwrap();
    // Only without this one do small buffers suit.
    let optional = participant("rich", 5..=9, 1).presence(Presence::Optional { priority: 1 });
    play.declare(rich, optional).unwrap();
    play.set.seal(play.root).unwrap();
    assert_eq!(asked(&mut play), (1, "near".into()));
    play.set.allocated(1, empty()).unwrap();
    // The fake does not weigh heaps against participants, so the outcome is the trail.
    assert_eq!(play.set.status(), SetStatus::Failed);
    assert_eq!(
        trail(&play.set.last_report().unwrap().kind),
        [("near".into(), Some(15 * 4096)), ("tiny".into(), None)]
    );
}

#[test]
fn a_quota_is_nobody_elses_business() {
    let mut play = Play::new(SetConfig {
        account: "user 1000".into(),
        ..config()
    });
    let one = play.expect("one");
    play.declare(one, participant("one", 4..=9, 2)).unwrap();
    play.set.seal(play.root).unwrap();
    play.orders();
    let quota = AllocationFailure::Quota {
        resource: "bytes".into(),
        limit: 10,
        used: 5,
        requested: 8,
    };
    play.set.allocated(1, Err(quota)).unwrap();
    let report = play.set.last_report().unwrap();
    assert_eq!(report.errno(), Errno::EDQUOT);
    assert!(matches!(&report.kind, ReportKind::Quota { account, .. } if **account == *"user 1000"));
    let orders = play.orders();
    assert_eq!(orders, [Order::Free { generation: 1 }], "no other heap is asked");
}

#[test]
fn heaps_that_have_nothing_for_a_newcomer_leave_everything_as_it_was() {
    let (mut play, old) = Play::begun(config(), [participant("old", 4..=9, 1)]);
    let new = play.expect("new");
    assert_eq!(
        play.declare(new, participant("new", 6..=9, 1)),
        Ok(Declared::Moving { to: 2 })
    );
    assert_eq!(asked(&mut play), (2, "near".into()));
    play.set.allocated(2, empty()).unwrap();
    assert_eq!(asked(&mut play), (2, "far".into()));
    play.set.allocated(2, empty()).unwrap();
    assert_eq!(play.set.status(), SetStatus::Allocated { generation: 1 });
    assert_eq!((size(&play), play.set.want_buffers(old[0])), (4, Ok(1)));
    let news = play.settle();
    let [(whom, News::Refused(SetError::Refused(report)))] = &news[..] else {
        panic!("{news:?}")
    };
    assert_eq!((*whom, report.errno()), (new.get(), Errno::ENOMEM));
    assert!(matches!(
        play.set.allocated(2, Ok(())),
        Err(SetError::Stale {
            generation: 2,
            current: 1
        })
    ));
}

#[test]
fn a_plan_that_no_heap_suits_is_no_memory() {
    let mut play = Play::new(SetConfig {
        heaps: vec![small("tiny", 3)],
        ..config()
    });
    let one = play.expect("one");
    play.declare(one, participant("one", 4..=9, 2)).unwrap();
    assert!(play.set.seal(play.root).is_err());
    assert_eq!(play.set.last_report().unwrap().errno(), Errno::ENODEV);
    // What heaps have to offer can change; the next set would find more.
    play.set.set_heaps(vec![heap("near")]);
    assert_eq!(play.set.config().heaps.len(), 1);
}
