//! Contents that come after their frame.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use wharf::core::{Deadline, Errno, Fence, FenceStatus, Usage, Wait};
use wharf::{JoinOptions, ReadyError};

use crate::common::{AT_ONCE, PATIENCE};
use crate::support::{Pair, SHORT, noted, work};

#[test]
fn contents_come_after_the_frame_and_in_any_order() {
    let mut pair = Pair::new(5, JoinOptions::every_frame(4));
    let (first, second) = (work(1), work(2));
    pair.publish_when(&first.fence());
    pair.publish_when(&second.fence());
    pair.publish();
    let frames: Vec<_> = pair.consumer.frames().take(3).map(Result::unwrap).collect();
    assert!(frames[2].acquire_fence().is_none(), "it came with its contents");
    frames[2].wait_ready(AT_ONCE).unwrap();
    assert!(matches!(
        frames[0].wait_ready(SHORT),
        Err(ReadyError::TimedOut { seq: 1, .. })
    ));
    second.signal();
    frames[1].wait_ready(PATIENCE).unwrap();
    assert!(!frames[0].acquire_fence().unwrap().is_signaled());
    thread::scope(|scope| {
        scope.spawn(|| frames[0].wait_ready(PATIENCE).unwrap());
        thread::sleep(Duration::from_millis(10));
        first.signal();
    });
    assert_eq!(frames[0].acquire_fence().unwrap().status(), FenceStatus::Signaled);
}

#[test]
fn bad_contents_are_told_with_their_error() {
    let mut pair = Pair::new(4, JoinOptions::every_frame(3));
    let (late, forgotten, early) = (work(1), work(2), work(3));
    pair.publish_when(&late.fence());
    pair.publish_when(&forgotten.fence());
    let failed = early.fence();
    early.signal_error(Errno::EIO).unwrap();
    pair.publish_when(&failed);
    let frames: Vec<_> = pair.consumer.frames().take(3).map(Result::unwrap).collect();
    late.signal_error(Errno::ETIMEDOUT).unwrap();
    drop(forgotten);
    let errors = frames.iter().map(|frame| frame.wait_ready(PATIENCE).unwrap_err());
    let errors: Vec<_> = errors.collect();
    let expected = [(1, Errno::ETIMEDOUT), (2, Errno::EDEADLK), (3, Errno::EIO)];
    let expected = expected.map(|(seq, errno)| ReadyError::Bad { seq, errno });
    assert_eq!(errors, expected);
}

#[test]
fn callbacks_on_both_sides_need_nobody_who_looks() {
    let mut pair = Pair::new(3, JoinOptions::every_frame(2));
    let (fill, read) = (work(1), work(1));
    pair.publish_when(&fill.fence());
    let frame = pair.consumer.receive(PATIENCE).unwrap();
    let (sender, told) = mpsc::channel();
    let other = sender.clone();
    let outcome = frame
        .acquire_fence()
        .unwrap()
        .add_callback(move |fence: &Fence| sender.send(fence.status()).unwrap());
    assert!(outcome.is_added());
    assert!(told.recv_timeout(Duration::from_millis(20)).is_err());
    fill.signal();
    assert_eq!(told.recv_timeout(PATIENCE.unwrap()), Ok(FenceStatus::Signaled));

    frame.release_after(&read.fence());
    pair.publish();
    let frame = pair.producer.acquire_async(PATIENCE).unwrap();
    let [fence] = frame.release_fences() else {
        panic!("one consumer reads");
    };
    let outcome = fence.add_callback(move |fence: &Fence| other.send(fence.status()).unwrap());
    assert!(outcome.is_added());
    assert!(told.recv_timeout(Duration::from_millis(20)).is_err());
    read.signal();
    assert_eq!(told.recv_timeout(PATIENCE.unwrap()), Ok(FenceStatus::Signaled));
}

#[test]
fn contents_of_a_finished_stream_still_come() {
    let mut pair = Pair::new(3, JoinOptions::every_frame(2));
    let fill = work(1);
    pair.publish_when(&fill.fence());
    pair.producer.finish().unwrap();
    let frame = pair.consumer.receive(PATIENCE).unwrap();
    assert!(matches!(
        frame.wait_ready(SHORT),
        Err(ReadyError::TimedOut { .. })
    ));
    fill.signal();
    frame.wait_ready(PATIENCE).unwrap();
    drop(pair.fixture);
}

#[test]
fn frame_of_a_locked_buffer_is_received_at_once_and_noted_afterwards() {
    let mut pair = Pair::new(2, JoinOptions::every_frame(1));
    let fill = work(1);
    pair.publish_when(&fill.fence());
    let buffer = pair.consumer.buffers()[0].clone();
    let guard = buffer.reservation().lock(&Wait::forever()).unwrap();
    let frame = pair.consumer.receive(PATIENCE).unwrap();
    assert!(frame.acquire_fence().is_some());
    drop(guard);
    assert_eq!(noted(&buffer, Usage::Write), 1);
    let soon = Wait::until(Deadline::after(Duration::from_millis(10)));
    assert!(buffer.reservation().wait(Usage::Write, &soon).is_err());
    fill.signal();
    buffer.reservation().wait(Usage::Write, &Wait::forever()).unwrap();
}
