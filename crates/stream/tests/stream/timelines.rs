//! Timelines: points, errors, and what hostile owners and importers can do.

use std::sync::Arc;
use std::time::Duration;

use wharf_core::{Errno, FenceStatus};
use wharf_memory::{Deadline, HeapWords, Ordering, WriteWords};
use wharf_stream::timeline::layout::{ERROR_SLOTS, MAX_POINT, page, point, status, waiter};
use wharf_stream::timeline::{
    End, Import, Importers, PointReader, PointWriter, SignalPointError, TimelineState, TimelineStatus,
    TimelineStatusWriter, Until, Waiting, wait,
};

type Words = Arc<HeapWords>;

const BASE: usize = page::BASE;

fn timeline_page() -> Words {
    let bell = BASE + point::BELL;
    Arc::new(HeapWords::new(
        (0..page::END).filter(|cell| *cell != bell),
        [bell],
    ))
}

fn status_page() -> Words {
    Arc::new(HeapWords::new(
        [0, status::IMPORTS],
        [status::VERSION, status::STATE],
    ))
}

fn waiter_page() -> Words {
    Arc::new(HeapWords::new(0..waiter::END, []))
}

fn both() -> (PointWriter<Words>, PointReader<Words>, Words) {
    let page = timeline_page();
    let writer = PointWriter::new(page.clone(), BASE);
    (writer, PointReader::new(page.clone(), BASE), page)
}

struct Imported {
    owner: PointWriter<Words>,
    broker: TimelineStatusWriter<Words>,
    import: Import<Words, Words>,
    waiter: Words,
}

fn imported() -> Imported {
    let (owner, reader, _) = both();
    let (status, waiter) = (status_page(), waiter_page());
    Imported {
        owner,
        broker: TimelineStatusWriter::new(status.clone()),
        import: Import::new(
            reader,
            TimelineStatus::new(status),
            Waiting::new(waiter.clone(), waiter::FIRST),
        ),
        waiter,
    }
}

fn failed(errno: Errno) -> FenceStatus {
    FenceStatus::Failed(errno)
}

#[test]
fn points_are_signaled_upwards_and_never_back() {
    let (mut owner, reader, _) = both();
    assert_eq!((reader.value(), owner.value()), (0, 0));
    assert_eq!(reader.status(0), FenceStatus::Signaled);
    owner.signal(3).unwrap();
    for (point, status) in [
        (1, FenceStatus::Signaled),
        (3, FenceStatus::Signaled),
        (4, FenceStatus::Unsignaled),
    ] {
        assert_eq!(reader.status(point), status);
    }
    for point in [0, 2, 3] {
        let refused = SignalPointError::NotLater { point, last: 3 };
        assert_eq!(owner.signal(point), Err(refused));
        assert_eq!(owner.signal_error(point, Errno::EIO), Err(refused));
        assert_eq!(refused.errno(), Errno::EINVAL);
    }
    assert_eq!((reader.value(), owner.value()), (3, 3));
    assert_eq!(
        reader.status(3),
        FenceStatus::Signaled,
        "the refused error is nowhere"
    );
}

#[test]
fn highest_point_is_the_last() {
    let (mut owner, reader, _) = both();
    let refused = SignalPointError::TooHigh { point: MAX_POINT + 1 };
    assert_eq!(owner.signal(MAX_POINT + 1), Err(refused));
    assert_eq!(refused.errno(), Errno::ERANGE);
    owner.signal_error(MAX_POINT, Errno::new(4095)).unwrap();
    assert_eq!(reader.value(), MAX_POINT);
    assert_eq!(reader.status(MAX_POINT), failed(Errno::new(4095)));
    assert_eq!(reader.status(MAX_POINT + 1), FenceStatus::Unsignaled);
    assert!(owner.signal(u64::MAX).is_err());
}

#[test]
fn error_is_of_its_point_alone_until_another_takes_its_cell() {
    let (mut owner, reader, _) = both();
    let slots = ERROR_SLOTS as u64;
    owner.signal_error(5, Errno::EIO).unwrap();
    owner.signal(5 + slots).unwrap();
    assert_eq!(reader.status(4), FenceStatus::Signaled);
    assert_eq!(reader.status(5), failed(Errno::EIO));
    assert_eq!(reader.status(5 + slots), FenceStatus::Signaled);
    for later in 6..5 + slots {
        assert_eq!(reader.status(later), FenceStatus::Signaled);
    }
    owner.signal_error(5 + 2 * slots, Errno::ENODEV).unwrap();
    assert_eq!(reader.status(5 + 2 * slots), failed(Errno::ENODEV));
    assert_eq!(reader.status(5), FenceStatus::Signaled, "forgotten");
}

#[test]
fn numbers_that_are_no_errors_are_refused() {
    let (mut owner, reader, _) = both();
    for raw in [0, -5, 4096] {
        let errno = Errno::new(raw);
        let refused = owner.signal_error(1, errno).unwrap_err();
        assert_eq!(refused, SignalPointError::NotAnError { errno });
    }
    assert_eq!(reader.value(), 0);
}

#[test]
fn what_was_seen_stays_seen_though_the_owner_rewinds() {
    let (mut owner, reader, page) = both();
    owner.signal(7).unwrap();
    assert_eq!(reader.value(), 7);
    page.store_u64(BASE + point::VALUE, 2, Ordering::Release);
    assert_eq!((reader.value(), reader.status(7)), (7, FenceStatus::Signaled));
    page.store_u64(BASE + point::VALUE, 8, Ordering::Release);
    assert_eq!(reader.value(), 8);
}

#[test]
fn garbage_signals_at_most_what_its_owner_could() {
    let (_, reader, page) = both();
    for slot in 0..ERROR_SLOTS {
        page.store_u64(BASE + point::ERRORS + slot, u64::MAX, Ordering::Relaxed);
    }
    page.store_u64(BASE + point::VALUE, u64::MAX, Ordering::Release);
    assert_eq!(reader.value(), MAX_POINT);
    for point in [1, 64, 1 << 40] {
        assert_eq!(reader.status(point), FenceStatus::Signaled);
    }
    let errno = Errno::new(4095);
    assert_eq!(reader.status(MAX_POINT), failed(errno), "its cell says so");
    assert_eq!(reader.end(), None, "no value looks like an end");
    assert_eq!(reader.status(u64::MAX), FenceStatus::Unsignaled);
}

#[test]
fn end_is_final_and_what_was_signaled_before_it_counts() {
    for (end, errno) in [
        (End::Dropped, Errno::ECANCELED),
        (End::OwnerDied, Errno::EOWNERDEAD),
    ] {
        let (mut owner, reader, page) = both();
        owner.signal_error(1, Errno::EIO).unwrap();
        owner.signal(2).unwrap();
        reader.close(end);
        reader.close(End::Dropped);
        page.store_u64(BASE + point::VALUE, 9, Ordering::Release);
        assert_eq!((reader.value(), reader.end()), (2, Some(end)));
        assert_eq!(reader.status(1), failed(Errno::EIO));
        assert_eq!(reader.status(2), FenceStatus::Signaled);
        for point in [3, 9, u64::MAX] {
            assert_eq!(reader.status(point), failed(errno));
        }
    }
}

#[test]
fn broker_s_word_ends_a_timeline_and_an_unknown_one_too() {
    let Imported {
        mut owner,
        broker,
        import,
        ..
    } = imported();
    owner.signal(1).unwrap();
    assert_eq!(import.end(), None);
    broker.set_over(End::Dropped);
    assert_eq!(import.end(), Some(End::Dropped));
    assert_eq!(import.status(1), FenceStatus::Signaled);
    assert_eq!(import.status(2), failed(Errno::ECANCELED));
    let page = status_page();
    page.store_u32(status::STATE, 77, Ordering::Release);
    let state = TimelineStatus::new(page).state();
    assert_eq!(state, TimelineState::Over(End::OwnerDied));
}

#[test]
fn lowest_point_of_all_threads_is_announced() {
    let page = waiter_page();
    let waiting = Waiting::new(page.clone(), waiter::FIRST);
    let announced = || wharf_memory::ReadWords::load_u64(&page, waiter::FIRST, Ordering::Relaxed);
    waiting.enter(9);
    assert_eq!(announced(), 9);
    waiting.enter(4);
    waiting.enter(4);
    assert_eq!(announced(), 4);
    waiting.leave(4);
    assert_eq!(announced(), 4, "one of two");
    waiting.leave(4);
    assert_eq!(announced(), 9);
    waiting.leave(9);
    assert_eq!(announced(), 0);
    waiting.leave(9);
    assert_eq!(announced(), 0, "nothing to take back");
}

#[test]
fn owner_wakes_for_points_that_are_reached_and_for_nobody_else() {
    let mut importers = Importers::default();
    let pages: Vec<Words> = (0..80).map(|_| waiter_page()).collect();
    for (index, page) in pages.iter().enumerate() {
        assert!(importers.add(index as u64 + 1, page.clone(), waiter::FIRST + index));
    }
    assert!(!importers.any_waits(u64::MAX));
    pages[79].store_u64(waiter::FIRST + 79, 5, Ordering::Relaxed);
    pages[3].store_u64(waiter::FIRST, 1, Ordering::Relaxed);
    assert!(!importers.any_waits(4), "another cell is another timeline's");
    assert!(importers.any_waits(5));
    importers.retain(82, &[1, 2, 3]);
    assert_eq!((importers.count(), importers.newest()), (3, 82));
    assert!(!importers.any_waits(5));
}

#[test]
fn cells_outside_a_waiter_page_are_refused() {
    let mut importers = Importers::default();
    for cell in [0, waiter::FIRST - 1, waiter::END, usize::MAX] {
        assert!(!importers.add(1, waiter_page(), cell));
    }
    assert_eq!((importers.count(), importers.newest()), (0, 0));
}

#[test]
fn wait_that_is_over_at_once_announces_nothing() {
    let mut one = imported();
    one.owner.signal(3).unwrap();
    one.waiter.store_u64(waiter::FIRST, 77, Ordering::Relaxed);
    let announced = || wharf_memory::ReadWords::load_u64(&one.waiter, waiter::FIRST, Ordering::Relaxed);
    assert!(wait(&[(&one.import, 3)], Until::All, None, || unreachable!()));
    assert_eq!(announced(), 77);
    let now = Some(Deadline::after(Duration::ZERO));
    assert!(!wait(&[(&one.import, 4)], Until::All, now, || None));
    assert_eq!(announced(), 0, "taken back");
    assert!(wait::<Words, Words>(&[], Until::All, None, || None));
}

#[test]
fn wait_ends_with_its_deadline_and_not_before() {
    let one = imported();
    let deadline = Deadline::after(Duration::from_millis(20));
    assert!(!wait(&[(&one.import, 1)], Until::Any, Some(deadline), || None));
    assert!(deadline.has_passed());
}

#[test]
fn what_the_pause_finds_ends_the_wait() {
    let one = imported();
    let pause = || {
        one.import.close(End::OwnerDied);
        None
    };
    assert!(wait(&[(&one.import, 1)], Until::All, None, pause));
    assert_eq!(one.import.status(1), failed(Errno::EOWNERDEAD));
}

#[test]
fn any_of_a_hundred_timelines_wakes_and_all_are_waited_for() {
    let mut all: Vec<Imported> = (0..100).map(|_| imported()).collect();
    let (mut owners, imports): (Vec<_>, Vec<_>) = all.drain(..).map(|one| (one.owner, one.import)).unzip();
    let points: Vec<_> = imports.iter().map(|import| (import, 1)).collect();
    std::thread::scope(|scope| {
        let any = scope.spawn(|| wait(&points, Until::Any, None, || None));
        let every = scope.spawn(|| wait(&points, Until::All, None, || None));
        std::thread::sleep(Duration::from_millis(5));
        owners[99].signal(1).unwrap();
        owners[99].wake();
        assert!(any.join().unwrap());
        assert!(!every.is_finished(), "one is not all");
        for owner in &mut owners[..99] {
            owner.signal(1).unwrap();
            owner.wake();
        }
        assert!(every.join().unwrap());
    });
}
