//! What cannot be seen from outside, because a look every 100 ms would hide it: that nobody is woken by that alone.

use super::Watched as _;
use super::{ImportedTimeline, Timeline};
use crate::Session;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use wharf_broker::Embedded;
use wharf_memory::{Deadline, Ordering, ReadWords, WaitOutcome, wait_one};

const PATIENCE: Duration = Duration::from_secs(20);

fn both(broker: &Embedded) -> (Timeline, ImportedTimeline) {
    let session = || Session::connect_to(broker.socket_path(), "test").unwrap();
    let timeline = session().create_timeline("t").unwrap();
    let token = timeline.token(1).unwrap();
    let imported = session().import_timeline(&token).unwrap();
    (timeline, imported)
}

/// What this process announces about a timeline.
fn announced(imported: &ImportedTimeline) -> u64 {
    let waiting = imported.shared.import.waiting();
    waiting.words().load_u64(waiting.cell(), Ordering::Relaxed)
}

/// Whether a signal wakes somebody who sleeps on the bell.
fn signal_wakes(timeline: &Timeline, imported: &ImportedTimeline, point: u64, patience: Duration) -> bool {
    let until = Deadline::after(patience);
    thread::scope(|scope| {
        let (sender, about_to_sleep) = mpsc::channel();
        let sleeper = scope.spawn(move || {
            let [(bell, seen), _] = imported.shared.words();
            sender.send(()).unwrap();
            wait_one(bell, seen, Some(until))
        });
        about_to_sleep.recv().unwrap();
        thread::sleep(Duration::from_millis(50));
        timeline.signal(point).unwrap();
        sleeper.join().unwrap() == WaitOutcome::Retry
    })
}

/// Whether a signal does not. Who is slow to fall asleep may find the bell changed; that says nothing.
fn signal_lets_sleep(timeline: &Timeline, imported: &ImportedTimeline) -> bool {
    (0..20).any(|_| {
        !signal_wakes(
            timeline,
            imported,
            timeline.value() + 1,
            Duration::from_millis(200),
        )
    })
}

#[test]
fn owner_wakes_who_it_does_not_know_and_later_only_who_waits() {
    let broker = Embedded::start().unwrap();
    let (timeline, imported) = both(&broker);
    assert!(signal_wakes(&timeline, &imported, 1, PATIENCE), "not known yet");
    assert_eq!(timeline.importers(), 1);
    assert!(signal_lets_sleep(&timeline, &imported), "nobody waits");
    let waiting = imported.shared.import.waiting();
    waiting.enter(1000);
    assert!(signal_lets_sleep(&timeline, &imported), "not for this one");
    assert!(signal_wakes(&timeline, &imported, 1000, PATIENCE));
    waiting.leave(1000);
}

#[test]
fn pending_fences_are_announced_as_long_as_they_are_pending() {
    let broker = Embedded::start().unwrap();
    let (timeline, imported) = both(&broker);
    let (sender, told) = mpsc::channel();
    for point in [3, 2] {
        let sender = sender.clone();
        let outcome = imported
            .fence(point)
            .add_callback(move |fence| sender.send(fence.seqno()).unwrap());
        assert!(outcome.is_added());
        assert_eq!(announced(&imported), point);
    }
    timeline.signal(2).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(2));
    assert_eq!(announced(&imported), 3);
    timeline.signal(3).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(3));
    assert_eq!(announced(&imported), 0);
}
