//! The waiter thread: when there is one. One test, because there is one thread for the whole process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use wharf::core::{Fence, FenceStatus};
use wharf::{ImportedTimeline, Session, Timeline};
use wharf_broker::Embedded;

const PATIENCE: Duration = Duration::from_secs(20);

/// How many threads of this process wait for timelines.
fn waiters() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim() == "wharf-waiter").count()
}

fn await_waiters(count: usize) {
    let until = Instant::now() + PATIENCE;
    while waiters() != count {
        assert!(
            Instant::now() < until,
            "{} waiter threads, not {count}",
            waiters()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

fn follow(fence: &Fence, sender: &mpsc::Sender<FenceStatus>) {
    let sender = sender.clone();
    let outcome = fence.add_callback(move |fence| sender.send(fence.status()).unwrap());
    assert!(outcome.is_added());
}

#[test]
fn one_thread_serves_all_timelines_comes_when_needed_and_goes() {
    let broker = Embedded::start().unwrap();
    let session = || Session::connect_to(broker.socket_path(), "test").unwrap();
    let (owner, importer) = (session(), session());
    let timelines: Vec<Timeline> = (0..80).map(|_| owner.create_timeline("t").unwrap()).collect();
    let import = |timeline: &Timeline| importer.import_timeline(&timeline.token(1).unwrap()).unwrap();
    let imported: Vec<ImportedTimeline> = timelines.iter().map(import).collect();

    // Looking, waiting directly and fences of one's own need no thread.
    let looked_at = imported[0].fence(1);
    assert!(!looked_at.is_signaled());
    assert!(imported[0].wait(1, Some(Duration::from_millis(5))).is_err());
    timelines[0].signal(1).unwrap();
    assert!(looked_at.is_signaled());
    assert_eq!(waiters(), 0);

    let (sender, told) = mpsc::channel();
    for round in [2, 3] {
        let fences: Vec<Fence> = imported.iter().map(|imported| imported.fence(round)).collect();
        fences.iter().for_each(|fence| follow(fence, &sender));
        await_waiters(1);
        assert_eq!(told.try_recv().ok(), None);
        for timeline in &timelines {
            timeline.signal(round).unwrap();
            assert_eq!(told.recv_timeout(PATIENCE), Ok(FenceStatus::Signaled));
        }
        assert_eq!(waiters(), 1, "one for all");
        // It goes when it has had nothing to do for a second, and comes again.
        await_waiters(0);
    }
}
