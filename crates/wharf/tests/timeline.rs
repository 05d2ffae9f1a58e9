//! Timelines through a real broker, owner and importers as sessions of one process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno as OsErrno;
use rustix::time::Timespec;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use wharf::core::{
    CallbackOutcome, Deadline, Errno, Fence, FenceArray, FenceContext, FenceStatus, Reservation, Usage, Wait,
    fence,
};
use wharf::{FenceEvent, ImportedTimeline, PointError, SessionError, SignalPointError, Timeline};

use common::{AT_ONCE, Fixture, PATIENCE};

const SHORTLY: Duration = Duration::from_millis(10);

impl Fixture {
    /// A timeline and an import of it by another session.
    fn both(&self) -> (Timeline, ImportedTimeline) {
        let timeline = self.session("gpu").create_timeline("render").unwrap();
        let token = timeline.token(1).unwrap();
        let imported = self.session("compositor").import_timeline(&token).unwrap();
        (timeline, imported)
    }
}

/// The framework's wait, bounded.
fn patient<R>(wait: impl FnOnce(&Wait<'_>) -> R) -> R {
    wait(&Wait::until(Deadline::after(Duration::from_secs(10))))
}

fn is_readable(event: &FenceEvent, patience: Duration) -> bool {
    let mut fds = [PollFd::new(event, PollFlags::IN)];
    let patience = Timespec::try_from(patience).unwrap();
    poll(&mut fds, Some(&patience)).unwrap() == 1
}

#[test]
fn points_and_their_errors_are_seen_on_the_other_side() {
    let fixture = Fixture::new();
    let (timeline, imported) = fixture.both();
    assert_eq!(
        (imported.value(), imported.status(1)),
        (0, FenceStatus::Unsignaled)
    );
    timeline.signal(1).unwrap();
    timeline.signal_error(2, Errno::EIO).unwrap();
    timeline.signal(3).unwrap();
    assert_eq!((timeline.value(), imported.value()), (3, 3));
    assert_eq!(imported.status(2), FenceStatus::Failed(Errno::EIO));
    assert_eq!(imported.status(3), FenceStatus::Signaled);
    imported.wait(3, AT_ONCE).unwrap();
    let failed = imported.wait(2, AT_ONCE).unwrap_err();
    assert_eq!(failed.to_string(), "point 2 of render failed: EIO (5)");
    assert_eq!(failed.errno(), OsErrno::IO);
    let late = timeline.signal(3).unwrap_err();
    assert_eq!(late, SignalPointError::NotLater { point: 3, last: 3 });
    assert_eq!((imported.name(), imported.owner_label()), ("render", "gpu"));
    assert_eq!(imported.owner_pid(), std::process::id());
}

#[test]
fn wait_sleeps_until_the_signal_and_names_what_it_waited_for() {
    let fixture = Fixture::new();
    let (timeline, imported) = fixture.both();
    let outcome = imported.wait(1, Some(SHORTLY)).unwrap_err();
    assert_eq!(outcome.errno(), OsErrno::TIMEDOUT);
    assert!(
        matches!(&outcome, PointError::TimedOut { timeline, point: 1, waited } if timeline == "render" && *waited >= SHORTLY),
        "{outcome}"
    );
    for point in 1..200 {
        let importer = imported.clone();
        let waiter = thread::spawn(move || importer.wait(point, PATIENCE));
        // Sometimes before it sleeps, sometimes after.
        if point % 3 == 0 {
            thread::sleep(Duration::from_micros(200 * (point % 20)));
        }
        timeline.signal(point).unwrap();
        waiter.join().unwrap().unwrap();
    }
}

#[test]
fn importers_take_turns_with_the_owner_whether_it_knows_them_or_not() {
    let fixture = Fixture::new();
    let (ping, pinged) = fixture.both();
    let (pong, ponged) = fixture.both();
    let partner = thread::spawn(move || {
        for point in 1..=2000 {
            pinged.wait(point, PATIENCE).unwrap();
            pong.signal(point).unwrap();
        }
        pong
    });
    for point in 1..=2000 {
        ping.signal(point).unwrap();
        ponged.wait(point, PATIENCE).unwrap();
    }
    let pong = partner.join().unwrap();
    assert_eq!((ping.importers(), pong.importers()), (1, 1), "known by now");
}

#[test]
fn broker_that_is_gone_stops_no_signal_though_the_owner_never_heard_of_the_importer() {
    let fixture = Fixture::new();
    let (timeline, imported) = fixture.both();
    drop(fixture);
    for point in 1..=20 {
        let importer = imported.clone();
        let waiter = thread::spawn(move || importer.wait(point, PATIENCE));
        thread::sleep(Duration::from_millis(point % 4));
        timeline.signal(point).unwrap();
        waiter.join().unwrap().unwrap();
    }
    assert_eq!(timeline.importers(), 0);
}

#[test]
fn one_of_many_and_all_of_many_are_waited_for() {
    const COUNT: usize = 70;
    let fixture = Fixture::new();
    let (owner, importer) = (fixture.session("gpu"), fixture.session("compositor"));
    let timelines: Vec<_> = (0..COUNT).map(|_| owner.create_timeline("t").unwrap()).collect();
    let import = |timeline: &Timeline| importer.import_timeline(&timeline.token(1).unwrap()).unwrap();
    let imported: Vec<_> = timelines.iter().map(import).collect();
    let points: Vec<_> = imported.iter().map(|imported| (imported, 1)).collect();
    let any = ImportedTimeline::wait_any(&points, AT_ONCE).unwrap_err();
    assert_eq!(any.errno(), OsErrno::TIMEDOUT);
    thread::scope(|scope| {
        let any = scope.spawn(|| ImportedTimeline::wait_any(&points, PATIENCE));
        let all = scope.spawn(|| ImportedTimeline::wait_all(&points, PATIENCE));
        thread::sleep(SHORTLY);
        timelines[66].signal_error(1, Errno::EIO).unwrap();
        assert_eq!(any.join().unwrap(), Ok(66), "a failure settles a point");
        let others = timelines.iter().enumerate().filter(|(index, _)| *index != 66);
        others.for_each(|(_, timeline)| timeline.signal(1).unwrap());
        let failed = all.join().unwrap().unwrap_err();
        assert!(
            matches!(
                failed,
                PointError::Failed {
                    errno: Errno::EIO,
                    ..
                }
            ),
            "{failed}"
        );
    });
    assert_eq!(
        ImportedTimeline::wait_any(&[], AT_ONCE),
        Err(PointError::NoPoints)
    );
    assert_eq!(ImportedTimeline::wait_all(&[], AT_ONCE), Ok(()));
}

#[test]
fn callbacks_of_both_sides_run_and_their_fences_have_the_errors() {
    let fixture = Fixture::new();
    let (timeline, imported) = fixture.both();
    let (sender, told) = mpsc::channel();
    let follow = |fence: Fence, who: &'static str| {
        let sender = sender.clone();
        let outcome = fence.add_callback(move |fence| {
            let on = thread::current().name().map(str::to_owned);
            drop(sender.send((who, fence.seqno(), fence.status(), on)));
        });
        assert!(outcome.is_added());
    };
    for point in [1, 2] {
        follow(timeline.fence(point), "owner");
        follow(imported.fence(point), "importer");
    }
    timeline.signal_error(1, Errno::ENODEV).unwrap();
    timeline.signal(2).unwrap();
    let mut seen: Vec<_> = (0..4)
        .map(|_| told.recv_timeout(Duration::from_secs(10)).unwrap())
        .collect();
    seen.sort_by_key(|(who, point, ..)| (*who, *point));
    let statuses: Vec<_> = seen
        .iter()
        .map(|(who, point, status, _)| (*who, *point, *status))
        .collect();
    let failed = FenceStatus::Failed(Errno::ENODEV);
    assert_eq!(
        statuses,
        [
            ("importer", 1, failed),
            ("importer", 2, FenceStatus::Signaled),
            ("owner", 1, failed),
            ("owner", 2, FenceStatus::Signaled)
        ]
    );
    assert!(
        seen[..2]
            .iter()
            .all(|(.., on)| on.as_deref() == Some("wharf-waiter"))
    );
    let here = thread::current().name().map(str::to_owned);
    assert!(
        seen[2..].iter().all(|(.., on)| *on == here),
        "on the thread that signals"
    );
}

#[test]
fn fences_of_settled_points_are_settled_from_the_start() {
    let fixture = Fixture::new();
    let (timeline, imported) = fixture.both();
    timeline.signal_error(4, Errno::EIO).unwrap();
    for fence in [timeline.fence(4), imported.fence(4)] {
        let outcome = fence.add_callback(|_| unreachable!());
        assert!(matches!(outcome, CallbackOutcome::AlreadySignaled(_)));
        assert_eq!(fence.status(), FenceStatus::Failed(Errno::EIO));
    }
    assert_eq!(imported.fence(3).status(), FenceStatus::Signaled);
}

#[test]
fn framework_takes_points_for_any_fence() {
    let fixture = Fixture::new();
    let (timeline, imported) = fixture.both();
    let here = FenceContext::new("soft-gpu", "copy").fence(1);
    let merged = fence::merge([imported.fence(1), imported.fence(2), here.fence()]);
    let array = FenceArray::new([imported.fence(2), here.fence()]).unwrap();
    let reservation = Reservation::new();
    {
        let guard = reservation.lock(&Wait::forever()).unwrap();
        guard.reserve_fences(1).unwrap();
        guard.add_fence(&imported.fence(2), Usage::Write).unwrap();
    }
    let reader = {
        let reservation = reservation.clone();
        thread::spawn(move || patient(|wait| reservation.wait(Usage::Read, wait)))
    };
    timeline.signal(2).unwrap();
    reader.join().unwrap().unwrap();
    assert!(!merged.is_signaled());
    here.signal();
    patient(|wait| merged.wait(wait)).unwrap();
    let array = Fence::from(array);
    patient(|wait| array.wait(wait)).unwrap();
    assert_eq!(array.status(), FenceStatus::Signaled);
}

#[test]
fn points_of_a_dropped_timeline_fail_on_both_sides() {
    let fixture = Fixture::new();
    let (timeline, imported) = fixture.both();
    let (own, other) = (timeline.fence(2), imported.fence(2));
    let waiter = {
        let imported = imported.clone();
        thread::spawn(move || imported.wait(2, PATIENCE))
    };
    let blocked = {
        let fence = own.clone();
        thread::spawn(move || patient(|wait| fence.wait(wait)))
    };
    thread::sleep(SHORTLY);
    timeline.signal(1).unwrap();
    drop(timeline);
    blocked.join().unwrap().unwrap();
    let dropped = waiter.join().unwrap().unwrap_err();
    assert_eq!(dropped.errno(), OsErrno::CANCELED);
    assert!(
        matches!(dropped, PointError::Dropped { point: 2, .. }),
        "{dropped}"
    );
    patient(|wait| other.wait(wait)).unwrap();
    for fence in [own, other, imported.fence(u64::MAX)] {
        assert_eq!(fence.status(), FenceStatus::Failed(Errno::ECANCELED));
    }
    imported.wait(1, AT_ONCE).unwrap();
}

#[test]
fn event_is_readable_once_its_fence_is_signaled_and_stays_so() {
    let fixture = Fixture::new();
    let (timeline, imported) = fixture.both();
    let fences = [imported.fence(1), timeline.fence(1), imported.fence(2)];
    let events = fences.each_ref().map(|fence| FenceEvent::new(fence).unwrap());
    assert!(events.iter().all(|event| !is_readable(event, Duration::ZERO)));
    timeline.signal_error(1, Errno::EIO).unwrap();
    for _ in 0..2 {
        assert!(is_readable(&events[0], Duration::from_secs(10)));
        assert!(
            is_readable(&events[1], Duration::ZERO),
            "the signaler's own is at once"
        );
    }
    assert!(!is_readable(&events[2], Duration::ZERO));
    assert_eq!(events[0].fence().status(), FenceStatus::Failed(Errno::EIO));
    let late = FenceEvent::new(&imported.fence(1)).unwrap();
    assert!(is_readable(&late, Duration::ZERO));
    drop(timeline);
    assert!(is_readable(&events[2], Duration::from_secs(10)));
}

#[test]
fn import_is_given_back_with_the_last_that_needs_it() {
    let fixture = Fixture::new();
    let (timeline, imported) = fixture.both();
    let observer = fixture.session("observer");
    let importers = || observer.state().unwrap().timelines[0].importers.len();
    let fence = imported.fence(1);
    let clone = imported.clone();
    drop(imported);
    drop(clone);
    assert_eq!(importers(), 1, "the fence needs it");
    let outcome = fence.add_callback(|_| ());
    assert!(outcome.is_added());
    drop((outcome, fence));
    thread::sleep(Duration::from_millis(250));
    assert_eq!(importers(), 1, "the callback needs it");
    timeline.signal(1).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while importers() > 0 {
        assert!(Instant::now() < until, "the import is never given back");
        thread::sleep(SHORTLY);
    }
    thread::sleep(2 * SHORTLY);
    timeline.signal(2).unwrap();
    assert_eq!(timeline.importers(), 0, "the owner knows");
}

#[test]
fn fence_that_nobody_waits_for_any_more_keeps_no_import() {
    let fixture = Fixture::new();
    let (_timeline, imported) = fixture.both();
    let observer = fixture.session("observer");
    let fence = imported.fence(1);
    assert!(fence.wait(&Wait::not()).is_err());
    drop((fence, imported));
    let until = Instant::now() + Duration::from_secs(10);
    while !observer.state().unwrap().timelines[0].importers.is_empty() {
        assert!(Instant::now() < until, "the import is never given back");
        thread::sleep(SHORTLY);
    }
}

#[test]
fn timeline_is_listed_and_goes_with_its_owner() {
    let fixture = Fixture::new();
    let (timeline, _imported) = fixture.both();
    let observer = fixture.session("observer");
    let state = observer.state().unwrap();
    assert_eq!(
        (state.timelines.len(), state.timelines[0].name.as_str()),
        (1, "render")
    );
    drop(timeline);
    assert!(observer.state().unwrap().timelines.is_empty());
}

#[test]
fn wrong_and_worn_out_tokens_are_refused() {
    let fixture = Fixture::new();
    let (timeline, _imported) = fixture.both();
    let session = fixture.session("compositor");
    let errno = |token: &wharf::Token| match session.import_timeline(token) {
        Err(SessionError::Call(error)) => error.errno(),
        other => panic!("{other:?}"),
    };
    let once = timeline.token(1).unwrap();
    session.import_timeline(&once).unwrap();
    assert_eq!(errno(&once), OsErrno::ACCESS);
    assert_eq!(errno(&wharf::Token::new("nonsense")), OsErrno::ACCESS);
    let token = timeline.token(9).unwrap();
    let many: Vec<_> =
        std::iter::from_fn(|| session.import_timeline(&timeline.token(1).unwrap()).ok()).collect();
    assert_eq!(many.len(), 128 - 1, "one is the fixture's");
    assert_eq!(errno(&token), OsErrno::USERS);
    timeline.signal(1).unwrap();
    assert_eq!(timeline.importers(), 128);
    assert!(many.iter().all(|imported| imported.value() == 1));
    drop(timeline);
    assert_eq!(errno(&token), OsErrno::ACCESS);
}
