//! Models of signaling, falling asleep and waking up on timelines, on the real code with loom's atomics.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release -p wharf-stream --test loom_timeline`. A lost wake-up leaves a thread asleep,
//! which loom reports as a deadlock.
#![cfg(loom)]

use loom::thread;
use std::sync::Arc;
use wharf_core::{Errno, FenceStatus};
use wharf_memory::{HeapWords, TrackedCell};
use wharf_stream::timeline::layout::{MAGIC_CELL, page, point, status, waiter};
use wharf_stream::timeline::{
    End, Import, Importers, PointReader, PointWriter, TimelineStatus, TimelineStatusWriter, Until, Waiting,
    wait,
};

type Words = Arc<HeapWords>;
type Imported = Import<Words, Words>;

/// A timeline whose first points are looked at, and the pages of up to two importers.
struct Pages {
    timeline: Words,
    status: Words,
    waiters: [Words; 2],
}

impl Pages {
    fn new() -> Self {
        let errors = (0..4).map(|point| page::BASE + point::ERRORS + point);
        let waiter = || Arc::new(HeapWords::new([waiter::FIRST], []));
        Self {
            timeline: Arc::new(HeapWords::new(
                errors.chain([page::BASE + point::VALUE]),
                [page::BASE + point::BELL],
            )),
            status: Arc::new(HeapWords::new(
                [MAGIC_CELL, status::IMPORTS],
                [status::VERSION, status::STATE],
            )),
            waiters: [waiter(), waiter()],
        }
    }

    fn broker(&self) -> TimelineStatusWriter<Words> {
        TimelineStatusWriter::new(self.status.clone())
    }

    fn import(&self, waiter: usize) -> Imported {
        Import::new(
            PointReader::new(self.timeline.clone(), page::BASE),
            TimelineStatus::new(self.status.clone()),
            Waiting::new(self.waiters[waiter].clone(), waiter::FIRST),
        )
    }

    /// An owner that knows the first `importers` waiter pages.
    fn owner(&self, importers: usize) -> Owner {
        let mut known = Importers::default();
        for (index, words) in self.waiters.iter().take(importers).enumerate() {
            assert!(known.add(index as u64 + 1, words.clone(), waiter::FIRST));
        }
        Owner {
            points: PointWriter::new(self.timeline.clone(), page::BASE),
            importers: known,
            status: TimelineStatus::new(self.status.clone()),
        }
    }
}

/// An owner as those who use the crate make one.
struct Owner {
    points: PointWriter<Words>,
    importers: Importers<Words>,
    status: TimelineStatus<Words>,
}

impl Owner {
    fn signal(&mut self, point: u64) {
        self.points.signal(point).unwrap();
        self.wake(point);
    }

    fn wake(&self, point: u64) {
        if self.importers.must_be_woken(&self.status, point) {
            self.points.wake();
        }
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

fn wait_for(import: &Imported, point: u64) {
    assert!(wait(&[(import, point)], Until::All, None, || None));
}

#[test]
fn no_wake_up_is_lost_between_signaling_and_falling_asleep() {
    check(|| {
        let pages = Pages::new();
        pages.broker().set_imports(1);
        let (import, mut owner) = (pages.import(0), pages.owner(1));
        let work = Arc::new(TrackedCell::default());
        let seen = work.clone();
        let waiter = thread::spawn(move || {
            wait_for(&import, 2);
            // What was done before the signal is seen after it.
            seen.read();
        });
        owner.signal(1);
        work.write();
        owner.signal(2);
        waiter.join().unwrap();
    });
}

#[test]
fn importer_that_its_owner_does_not_know_yet_is_woken() {
    check(|| {
        let pages = Pages::new();
        let (import, mut owner, broker) = (pages.import(0), pages.owner(0), pages.broker());
        let waiter = thread::spawn(move || {
            // The broker counts the import, then tells the importer.
            broker.set_imports(1);
            wait_for(&import, 1);
        });
        owner.signal(1);
        waiter.join().unwrap();
    });
}

#[test]
fn importer_that_its_owner_learns_of_in_between_is_woken() {
    check(|| {
        let pages = Pages::new();
        let (import, mut owner, broker) = (pages.import(0), pages.owner(0), pages.broker());
        let page = pages.waiters[0].clone();
        let waiter = thread::spawn(move || {
            broker.set_imports(1);
            wait_for(&import, 2);
        });
        owner.signal(1);
        if owner.status.imports() == 1 {
            owner.importers.add(1, page, waiter::FIRST);
        }
        owner.signal(2);
        waiter.join().unwrap();
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn owner_that_does_not_look_for_new_imports_is_noticed_by_the_model() {
    check(|| {
        let pages = Pages::new();
        let (import, mut owner) = (pages.import(0), pages.owner(0));
        let waiter = thread::spawn(move || wait_for(&import, 1));
        owner.signal(1);
        waiter.join().unwrap();
    });
}

#[test]
fn error_travels_with_its_point() {
    check(|| {
        let pages = Pages::new();
        pages.broker().set_imports(1);
        let (import, mut owner) = (pages.import(0), pages.owner(1));
        let waiter = thread::spawn(move || {
            wait_for(&import, 1);
            assert_eq!(import.status(1), FenceStatus::Failed(Errno::EIO));
            wait_for(&import, 2);
            assert_eq!(import.status(2), FenceStatus::Signaled);
            assert_eq!(import.status(1), FenceStatus::Failed(Errno::EIO));
        });
        owner.points.signal_error(1, Errno::EIO).unwrap();
        owner.wake(1);
        owner.signal(2);
        waiter.join().unwrap();
    });
}

#[test]
fn two_threads_of_a_process_wait_for_different_points() {
    check(|| {
        let pages = Pages::new();
        pages.broker().set_imports(1);
        let (import, mut owner) = (Arc::new(pages.import(0)), pages.owner(1));
        let (late, early) = (import.clone(), import);
        let later = thread::spawn(move || wait_for(&late, 2));
        let signals = thread::spawn(move || {
            owner.signal(1);
            owner.signal(2);
        });
        wait_for(&early, 1);
        later.join().unwrap();
        signals.join().unwrap();
    });
}

#[test]
fn sleeping_waiter_learns_of_the_owner_s_death() {
    check(|| {
        let pages = Pages::new();
        let (import, mut owner, broker) = (pages.import(0), pages.owner(1), pages.broker());
        broker.set_imports(1);
        let dying = thread::spawn(move || {
            owner.signal(1);
            broker.set_over(End::OwnerDied);
        });
        wait_for(&import, 2);
        assert_eq!(import.status(1), FenceStatus::Signaled, "before the death");
        assert_eq!(import.status(2), FenceStatus::Failed(Errno::EOWNERDEAD));
        dying.join().unwrap();
    });
}

#[test]
fn one_of_two_timelines_ends_the_wait_for_any() {
    check(|| {
        let (quiet, busy) = (Pages::new(), Pages::new());
        busy.broker().set_imports(1);
        let mut owner = busy.owner(1);
        let imports = [quiet.import(0), busy.import(0)];
        let signals = thread::spawn(move || owner.signal(1));
        let points = [(&imports[0], 1), (&imports[1], 1)];
        assert!(wait(&points, Until::Any, None, || None));
        assert!(imports[1].status(1).is_signaled() && !imports[0].status(1).is_signaled());
        signals.join().unwrap();
    });
}

#[test]
fn all_of_two_timelines_are_waited_for() {
    check(|| {
        let pages = [Pages::new(), Pages::new()];
        pages.iter().for_each(|pages| pages.broker().set_imports(1));
        let mut owners = pages.each_ref().map(|pages| pages.owner(1));
        let imports = pages.each_ref().map(|pages| pages.import(0));
        let signals = thread::spawn(move || owners.iter_mut().for_each(|owner| owner.signal(1)));
        let points = [(&imports[0], 1), (&imports[1], 1)];
        assert!(wait(&points, Until::All, None, || None));
        assert!(imports.iter().all(|import| import.status(1).is_signaled()));
        signals.join().unwrap();
    });
}
