//! Doorbells between ends that do not trust each other. Contract: S7.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, write};
use std::os::fd::AsFd;
use wharf_linux::BellEnd;

fn bell<const ENDS: usize>() -> [BellEnd; ENDS] {
    BellEnd::make(ENDS).unwrap().try_into().unwrap()
}

fn is_rung(end: &BellEnd) -> bool {
    let no_wait = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut fds = [PollFd::new(end, PollFlags::IN)];
    poll(&mut fds, Some(&no_wait)).unwrap() == 1
}

#[test]
fn ring_is_heard_until_it_is_silenced() {
    let [listener, ringer] = bell();
    assert!(!is_rung(&listener));
    ringer.ring();
    ringer.ring();
    assert!(is_rung(&listener) && is_rung(&listener));
    listener.silence();
    assert!(!is_rung(&listener));
    listener.silence();
    listener.ring();
    assert!(is_rung(&listener), "also by its owner");
}

#[test]
fn no_end_is_the_last_one() {
    let [listener, ringer] = bell();
    drop(listener);
    // Written to a pipe that nobody reads this would be EPIPE, and SIGPIPE.
    assert_eq!(write(&ringer, &[0]), Ok(1));
    let [listener, ringer] = bell();
    drop(ringer);
    assert!(!is_rung(&listener), "no hang-up");
}

#[test]
fn flags_of_one_end_are_not_those_of_another() {
    let [mine, theirs] = bell();
    let flags = fcntl_getfl(&theirs).unwrap();
    assert!(flags.contains(OFlags::NONBLOCK));
    fcntl_setfl(&theirs, flags - OFlags::NONBLOCK).unwrap();
    assert!(fcntl_getfl(&mine).unwrap().contains(OFlags::NONBLOCK));
    // Neither reading an empty bell nor ringing a full one blocks.
    mine.silence();
    while write(&mine, &[0; 4096]).is_ok() {}
    assert_eq!(write(&mine, &[0]), Err(Errno::AGAIN));
    mine.ring();
    mine.silence();
}

#[test]
fn full_bell_is_silenced_at_once() {
    let [listener, ringer] = bell();
    while write(&ringer, &[0; 512]).is_ok() {}
    listener.silence();
    assert!(!is_rung(&listener));
}

#[test]
fn end_passes_through_another_owner() {
    let [listener, ringer] = bell();
    let passed = BellEnd::from_fd(ringer.as_fd().try_clone_to_owned().unwrap());
    passed.ring();
    assert!(is_rung(&listener));
}
