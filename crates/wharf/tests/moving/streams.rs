//! Streams that move while frames flow, and while nobody does anything but wait.

use rustix::io::Errno;
use std::thread;
use std::time::{Duration, Instant};
use wharf::{BufferSpec, JoinOptions, MoveStep, Reallocation};

use crate::common::{AT_ONCE, Fixture, PATIENCE, assert_whole, publish_whole, spec, to};
use crate::support::{move_on, run_until};

#[test]
fn stream_moves_to_buffers_of_another_size_and_number_while_frames_flow() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut consumer = fixture.join(&mut producer, JoinOptions::every_frame(2));
    run_until(&mut producer, &mut [&mut consumer], 1);
    let plan = Reallocation {
        plan: "wider",
        ..to(10_000, 6)
    };
    assert_eq!(producer.begin_move(&plan).unwrap(), 2);
    assert_eq!((producer.generation(), producer.plan()), (1, ""));
    run_until(&mut producer, &mut [&mut consumer], 2);
    assert!(producer.is_moved(2).unwrap());
    assert_eq!((producer.generation(), producer.plan()), (2, "wider"));
    assert_eq!((consumer.generation(), consumer.plan()), (2, "wider"));
    for buffers in [producer.buffers(), consumer.buffers()] {
        let sizes: Vec<_> = buffers.iter().map(wharf::DmaBuf::size_bytes).collect();
        assert_eq!(sizes, [12288; 6]);
    }
    for moves in [producer.stats().moves, consumer.stats().moves] {
        let last = moves.last.unwrap();
        assert_eq!((moves.moves, moves.failed), (1, 0));
        assert!(last.ready_after <= last.committed_after);
        assert!(last.first_frame_after.unwrap() >= last.committed_after);
    }
    let state = fixture.session("looker").state().unwrap();
    assert_eq!(
        (
            state.sets[0].generation,
            state.sets[0].size_bytes,
            state.sets[0].count
        ),
        (2, 12288, 6)
    );
}

#[test]
fn stream_shrinks_and_grows_and_nothing_is_lost() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(8);
    let mut one = fixture.join(&mut producer, JoinOptions::every_frame(2));
    let mut two = fixture.join(&mut producer, JoinOptions::latest(1));
    for count in [4, 64, 5, 8, 4] {
        move_on(&mut producer, &mut [&mut one, &mut two], &to(4096, count));
        assert_eq!(producer.buffers().len(), count as usize);
        for _ in 0..70 {
            let generation = producer.generation();
            run_until(&mut producer, &mut [&mut one, &mut two], generation);
        }
    }
    let error = producer.begin_move(&to(4096, 3)).unwrap_err();
    assert_eq!(error.errno(), Errno::BUSY);
    assert!(error.to_string().contains("too few buffers: of 3"), "{error}");
}

#[test]
fn consumer_asleep_in_receive_does_its_part() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut sleeper = fixture.join(&mut producer, JoinOptions::every_frame(1));
    let asleep = thread::spawn(move || {
        let frame = sleeper.receive(PATIENCE).unwrap();
        (frame.seq(), frame.generation())
    });
    let generation = producer.begin_move(&to(8192, 4)).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while !producer.is_moved(generation).unwrap() {
        drop(producer.acquire(PATIENCE).unwrap());
        assert!(Instant::now() < until);
    }
    assert_eq!(publish_whole(&mut producer), (1, 2));
    assert_eq!(asleep.join().unwrap(), (1, 2));
}

#[test]
fn producer_asleep_in_acquire_does_its_part() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut slow = fixture.join(&mut producer, JoinOptions::every_frame(1));
    publish_whole(&mut producer);
    let held = slow.receive(PATIENCE).unwrap();
    producer.begin_move(&to(8192, 4)).unwrap();
    let asleep = thread::spawn(move || {
        let generation = producer.acquire(PATIENCE).unwrap().generation();
        (producer, generation)
    });
    let until = Instant::now() + Duration::from_secs(10);
    while slow.generation() == 1 {
        assert!(slow.receive(AT_ONCE).is_err());
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(1));
    }
    drop(held);
    let (_producer, generation) = asleep.join().unwrap();
    assert_eq!(generation, 2);
}

#[test]
fn a_hundred_moves_leave_no_descriptor_and_no_mapping_behind() {
    let fixture = Fixture::new();
    let session = fixture.session("camera");
    let spec = BufferSpec {
        name: "hundred-moves",
        size_bytes: 4096,
        count: 4,
    };
    let set = session.allocate(&spec).unwrap();
    let mut producer = session.create_stream("hundred-moves", set, 2).unwrap();
    let mut one = fixture.join(&mut producer, JoinOptions::every_frame(1));
    let mut two = fixture.join(&mut producer, JoinOptions::latest(1));
    let count = || {
        let fds = std::fs::read_dir("/proc/self/fd").unwrap();
        let links = fds.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
        let is_ours = |text: &str| text.contains("memfd:hundred-moves");
        let fds = links.filter(|link| is_ours(&link.to_string_lossy())).count();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        (fds, maps.lines().filter(|line| is_ours(line)).count())
    };
    let before = count();
    assert!(before.1 >= 3 * 4, "{before:?}");
    for _ in 0..100 {
        move_on(&mut producer, &mut [&mut one, &mut two], &to(4096, 4));
    }
    let until = Instant::now() + Duration::from_secs(10);
    // The broker closes what it held in a thread of its own, and may not have come to that when the first count was made.
    let has_more = |now: (usize, usize)| now.0 > before.0 || now.1 > before.1;
    while has_more(count()) {
        let _ = (one.receive(AT_ONCE), two.receive(AT_ONCE));
        assert!(Instant::now() < until, "{:?} instead of {before:?}", count());
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(fixture.booked_bytes(), 4 * 4096);
    assert_eq!(
        (producer.stats().moves.moves, one.stats().moves.moves),
        (100, 100)
    );
}

#[test]
fn steps_are_told_in_order() {
    use MoveStep::{Committed, FirstFrame, Offered, Ready, Taken};
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut consumer = fixture.join(&mut producer, JoinOptions::every_frame(1));
    let (told, steps) = std::sync::mpsc::channel();
    let (to_producer, to_consumer) = (told.clone(), told);
    producer.observe_moves(move |step, generation| to_producer.send(("p", step, generation)).unwrap());
    consumer.observe_moves(move |step, generation| to_consumer.send(("c", step, generation)).unwrap());
    move_on(&mut producer, &mut [&mut consumer], &to(8192, 4));
    let steps: Vec<_> = steps.try_iter().collect();
    for who in ["p", "c"] {
        let of = steps.iter().filter(|(name, ..)| *name == who);
        let of: Vec<_> = of.map(|(_, step, generation)| (*step, *generation)).collect();
        assert_eq!(
            of,
            [Offered, Taken, Ready, Committed, FirstFrame].map(|step| (step, 2))
        );
    }
}

#[test]
fn consumer_that_does_not_fit_is_made_room_for_while_frames_flow() {
    let fixture = Fixture::new();
    let session = fixture.session("camera");
    let set = session.allocate(&spec(4096, 2)).unwrap();
    let room = Duration::from_secs(4);
    let mut producer = session.create_stream_with_room("preview", set, 8, room).unwrap();
    let mut viewer = fixture.join(&mut producer, JoinOptions::latest(1));
    let token = producer.token(1).unwrap();
    let late = fixture.session("encoder");
    let joining = thread::spawn(move || late.join(&token, JoinOptions::every_frame(4)).unwrap());
    let until = Instant::now() + Duration::from_secs(10);
    // Once it is in the stream the producer waits for it: then there is nothing to publish before it is here.
    while !joining.is_finished() {
        if producer.consumers().count() == 2 {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        let (seq, lies_in) = publish_whole(&mut producer);
        let frame = viewer.receive(PATIENCE).unwrap();
        assert_eq!(
            (frame.seq(), frame.skipped(), frame.generation()),
            (seq, 0, lies_in)
        );
        assert_whole(&frame);
        assert!(Instant::now() < until);
    }
    let mut encoder = joining.join().unwrap();
    assert_eq!((encoder.generation(), encoder.buffers().len()), (2, 6));
    // The frame whose publication let it in.
    while let Ok(frame) = encoder.receive(AT_ONCE) {
        assert_whole(&frame);
    }
    run_until(&mut producer, &mut [&mut viewer, &mut encoder], 2);
    // Without a deadline of its own a stream makes no room.
    let token = fixture.producer(2).token(1).unwrap();
    assert!(fixture.session("x").join(&token, JoinOptions::latest(4)).is_err());
}
