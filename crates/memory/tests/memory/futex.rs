//! Sleeping and waking, between threads, mappings and processes.
//!
//! Nobody waits for ever: a wake-up that does not come ends a wait after [`PATIENCE`] and fails the test.

use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use wharf_memory::{
    Access, Deadline, HeapWords, Mapping, Ordering, OwnedWords, ReadOnlyWords, ReadWords, WaitOutcome,
    WriteWords, wait_any, wake,
};

use crate::support::memfd;

const SIZE_BYTES: usize = 4096;
const CELL: usize = 9;
const PATIENCE: Duration = Duration::from_secs(30);
/// Tells the helper process which memfd to sleep on.
const MEMFD_VARIABLE: &str = "WHARF_TEST_MEMFD";

fn read_only(fd: &OwnedFd) -> ReadOnlyWords {
    let mapping = Mapping::map(fd, SIZE_BYTES, Access::ReadOnly).unwrap();
    ReadOnlyWords::new(mapping, CELL + 1).unwrap()
}

fn owned(fd: &OwnedFd) -> OwnedWords {
    let mapping = Mapping::map(fd, SIZE_BYTES, Access::ReadWrite).unwrap();
    OwnedWords::new(mapping, CELL + 1).unwrap()
}

fn patience() -> Option<Deadline> {
    Some(Deadline::after(PATIENCE))
}

/// Wakes again and again until `is_done`: nobody can see whether somebody already sleeps.
fn wake_until(page: &impl ReadWords, mut is_done: impl FnMut() -> bool) {
    while !is_done() {
        wake(page.futex(CELL));
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn wait_on_a_changed_word_returns_at_once() {
    let fd = memfd(SIZE_BYTES);
    let (writer, reader) = (owned(&fd), read_only(&fd));
    let seen = reader.futex(CELL).load(Ordering::Acquire);
    writer.store_u32(CELL, seen + 1, Ordering::Release);
    let words = [(reader.futex(0), 0), (reader.futex(CELL), seen)];
    assert_eq!(wait_any(&words, None), WaitOutcome::Retry);
}

#[test]
fn wait_ends_with_its_deadline() {
    let reader = read_only(&memfd(SIZE_BYTES));
    let deadline = Deadline::after(Duration::from_millis(5));
    while wait_any(&[(reader.futex(CELL), 0)], Some(deadline)) != WaitOutcome::TimedOut {}
    assert!(deadline.has_passed());
}

#[test]
fn passed_deadline_does_not_hide_a_change() {
    let page = HeapWords::new([], [CELL]);
    page.store_u32(CELL, 1, Ordering::Release);
    let words = [(page.futex(CELL), 0)];
    assert_eq!(
        wait_any(&words, Some(Deadline::after(Duration::ZERO))),
        WaitOutcome::Retry
    );
}

#[test]
fn wait_on_no_word_sleeps_until_its_deadline() {
    let deadline = Deadline::after(Duration::from_millis(5));
    while wait_any(&[], Some(deadline)) != WaitOutcome::TimedOut {}
    assert!(deadline.has_passed());
}

#[test]
fn wake_reaches_sleepers_on_another_mapping_of_the_same_memory() {
    let fd = memfd(SIZE_BYTES);
    let (writer, woken) = (owned(&fd), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let reader = read_only(&fd);
            // The second word, which does not change either: only the wake-up can end this wait.
            let words = [(reader.futex(0), 0), (reader.futex(CELL), 0)];
            let outcome = wait_any(&words, patience());
            woken.store(true, SeqCst);
            assert_eq!(outcome, WaitOutcome::Retry);
        });
        wake_until(&writer, || woken.load(SeqCst));
    });
}

#[test]
fn reader_can_wake_too() {
    let fd = memfd(SIZE_BYTES);
    let (writer, reader, woken) = (owned(&fd), read_only(&fd), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let outcome = wait_any(&[(writer.futex(CELL), 0)], patience());
            woken.store(true, SeqCst);
            assert_eq!(outcome, WaitOutcome::Retry);
        });
        wake_until(&reader, || woken.load(SeqCst));
    });
}

#[test]
fn one_wake_reaches_every_sleeper() {
    const SLEEPERS: usize = 8;
    let fd = memfd(SIZE_BYTES);
    let writer = owned(&fd);
    std::thread::scope(|scope| {
        for _ in 0..SLEEPERS {
            scope.spawn(|| {
                let reader = read_only(&fd);
                while reader.load_u32(CELL, Ordering::Acquire) == 0 {
                    let outcome = wait_any(&[(reader.futex(CELL), 0)], patience());
                    assert_eq!(outcome, WaitOutcome::Retry);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(20));
        writer.store_u32(CELL, 1, Ordering::Release);
        wake(writer.futex(CELL));
    });
}

#[test]
fn no_change_is_slept_through_in_a_long_exchange() {
    const TURNS: u32 = 2000;
    let fds = [memfd(SIZE_BYTES), memfd(SIZE_BYTES)];
    // Each side writes one page and sleeps on the other's.
    let answer = |own: &OwnedFd, others: &OwnedFd, ahead: u32| {
        let (own, others) = (owned(own), read_only(others));
        for turn in 1..=TURNS {
            own.store_u32(CELL, turn + ahead, Ordering::Release);
            wake(own.futex(CELL));
            while others.load_u32(CELL, Ordering::Acquire) < turn {
                let seen = others.futex(CELL).load(Ordering::Acquire);
                if seen < turn {
                    let outcome = wait_any(&[(others.futex(CELL), seen)], patience());
                    assert_eq!(outcome, WaitOutcome::Retry);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| answer(&fds[0], &fds[1], 0));
        scope.spawn(|| answer(&fds[1], &fds[0], 0));
    });
}

#[test]
fn wake_reaches_another_process() {
    let fd = memfd(SIZE_BYTES);
    let path = format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd());
    let mut sleeper = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "futex::sleeping_helper_process", "--ignored"])
        .env(MEMFD_VARIABLE, path)
        .spawn()
        .unwrap();
    let writer = owned(&fd);
    let mut status = None;
    wake_until(&writer, || {
        status = sleeper.try_wait().unwrap();
        status.is_some()
    });
    assert!(status.unwrap().success());
    // Written by the helper after its wait.
    assert_eq!(writer.load_u32(CELL + 1, Ordering::Acquire), 1);
}

#[test]
#[ignore = "runs as the other process of wake_reaches_another_process"]
fn sleeping_helper_process() {
    let Some(path) = std::env::var_os(MEMFD_VARIABLE) else {
        return;
    };
    let fd = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let reader = read_only(&fd);
    let outcome = wait_any(&[(reader.futex(CELL), 0)], patience());
    assert_eq!(outcome, WaitOutcome::Retry);
    owned(&fd).store_u32(CELL + 1, 1, Ordering::Release);
}
