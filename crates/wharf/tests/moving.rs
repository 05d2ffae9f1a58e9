//! Moving buffers to other memory, under a stream and without one, through a real broker. Contract: N5.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rustix::io::Errno;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use wharf::{
    BrokerError, BufferSet, BufferSpec, CallError, Consumer, Contents, FrameInfo, Hindrance, JoinOptions,
    MoveContract, MoveStep, Producer, Reallocation, Role, Session, SessionError, Token,
};
use wharf_broker::Embedded;

const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));
const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

struct Fixture {
    broker: Embedded,
}

impl Fixture {
    fn new() -> Self {
        Self {
            broker: Embedded::start().unwrap(),
        }
    }

    fn session(&self, label: &str) -> Session {
        Session::connect_to(self.broker.socket_path(), label).unwrap()
    }

    fn set(&self, count: u32) -> BufferSet {
        let spec = BufferSpec {
            name: "frames",
            size_bytes: 4096,
            count,
        };
        self.session("camera").allocate(&spec).unwrap()
    }

    fn producer(&self, count: u32) -> Producer {
        let session = self.session("camera");
        let spec = BufferSpec {
            name: "frames",
            size_bytes: 4096,
            count,
        };
        let set = session.allocate(&spec).unwrap();
        session.create_stream("preview", set, 8).unwrap()
    }

    fn join(&self, producer: &mut Producer, options: JoinOptions) -> Consumer {
        let present = producer.consumers().count() + 1;
        self.join_to_be(producer, options, present)
    }

    /// Joins as the only consumer, after others have left.
    fn join_after(&self, producer: &mut Producer, options: JoinOptions) -> Consumer {
        self.join_to_be(producer, options, 1)
    }

    fn join_to_be(&self, producer: &mut Producer, options: JoinOptions, present: usize) -> Consumer {
        let token = producer.token(1).unwrap();
        let consumer = self.session("viewer").join(&token, options).unwrap();
        assert!(producer.wait_for_consumers(present, PATIENCE).unwrap());
        consumer
    }
}

fn to(size_bytes: u64, count: u32) -> Reallocation<'static> {
    Reallocation {
        size_bytes,
        count,
        plan: "",
        deadline: Duration::from_secs(10),
    }
}

/// Publishes a frame that fills its buffer with the low byte of its number; returns number and generation.
fn publish(producer: &mut Producer, timeout: Option<Duration>) -> (u64, u64) {
    let frame = producer.acquire(timeout).unwrap();
    let (generation, size) = (frame.generation(), frame.buffer().size_bytes());
    let seq = producer.stats().published + 1;
    frame
        .view_mut()
        .unwrap()
        .fill(0, usize::try_from(size).unwrap(), seq as u8)
        .unwrap();
    let info = FrameInfo {
        used_bytes: size,
        ..FrameInfo::default()
    };
    assert_eq!(producer.publish(frame, &info).unwrap(), seq);
    (seq, generation)
}

fn assert_whole(frame: &wharf::Frame) {
    let mut bytes = vec![0; usize::try_from(frame.info().used_bytes).unwrap()];
    frame.view().unwrap().copy_to(0, &mut bytes).unwrap();
    assert!(
        bytes.iter().all(|byte| *byte == frame.seq() as u8),
        "frame {} is torn",
        frame.seq()
    );
}

/// Publishes and receives until the stream lies in `generation`.
fn run_until(producer: &mut Producer, consumers: &mut [&mut Consumer], generation: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (seq, lies_in) = publish(producer, PATIENCE);
        for consumer in consumers.iter_mut() {
            let frame = consumer.receive(PATIENCE).unwrap();
            assert_eq!(
                (frame.seq(), frame.skipped(), frame.generation()),
                (seq, 0, lies_in)
            );
            assert_whole(&frame);
        }
        if lies_in == generation {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the stream stays in generation {lies_in}"
        );
    }
}

fn blockers(error: &SessionError) -> Vec<(String, Role, Hindrance)> {
    match error {
        SessionError::Call(CallError::Broker(BrokerError::MoveBusy { blockers, .. })) => blockers
            .iter()
            .map(|blocker| {
                assert_eq!(blocker.pid, std::process::id());
                (blocker.label.clone(), blocker.role, blocker.reason)
            })
            .collect(),
        other => panic!("{other}"),
    }
}

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

/// What the broker has booked for everybody, in bytes of buffers.
fn booked_bytes(fixture: &Fixture) -> u64 {
    let state = fixture.session("looker").state().unwrap();
    state.users.iter().map(|user| user.used.bytes).sum()
}

/// Moves the stream while frames flow.
fn move_on(producer: &mut Producer, consumers: &mut [&mut Consumer], to: &Reallocation<'_>) {
    let generation = producer.begin_move(to).unwrap();
    run_until(producer, consumers, generation);
    assert!(producer.is_moved(generation).unwrap());
}

#[test]
fn frame_held_across_the_move_stays_whole_and_its_memory_goes_with_it() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut holder = fixture.join(&mut producer, JoinOptions::latest(1));
    publish(&mut producer, PATIENCE);
    let held = holder.receive(PATIENCE).unwrap();
    let generation = producer.begin_move(&to(8192, 4)).unwrap();
    let mut last = 1;
    while last < generation {
        last = publish(&mut producer, PATIENCE).1;
        // It cannot have another frame, but does its part.
        assert!(holder.receive(AT_ONCE).is_err());
    }
    for _ in 0..20 {
        publish(&mut producer, PATIENCE);
        assert_whole(&held);
    }
    assert_eq!(held.generation(), 1);
    assert_eq!(
        booked_bytes(&fixture),
        4 * (4096 + 8192),
        "the first generation is still held"
    );
    drop(held);
    let frame = holder.receive(PATIENCE).unwrap();
    assert_eq!(frame.generation(), 2);
    drop(frame);
    let _ = holder.receive(AT_ONCE);
    publish(&mut producer, PATIENCE);
    assert_eq!(booked_bytes(&fixture), 4 * 8192);
}

#[test]
fn frames_not_yet_claimed_at_the_switch_are_received() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(8);
    let mut every = fixture.join(&mut producer, JoinOptions::every_frame(3));
    let mut latest = fixture.join(&mut producer, JoinOptions::latest(2));
    let generation = producer.begin_move(&to(4096, 6)).unwrap();
    let first = producer.acquire(PATIENCE).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while !producer.is_moved(generation).unwrap() {
        for consumer in [&mut every, &mut latest] {
            assert!(consumer.receive(AT_ONCE).is_err());
        }
        assert!(Instant::now() < until);
    }
    first.view_mut().unwrap().fill(0, 4096, 1).unwrap();
    let info = FrameInfo {
        used_bytes: 4096,
        ..FrameInfo::default()
    };
    producer.publish(first, &info).unwrap();
    assert_eq!(publish(&mut producer, PATIENCE), (2, generation));
    for consumer in [&mut every, &mut latest] {
        for (seq, lies_in) in [(1, 1), (2, 2)] {
            let frame = consumer.receive(PATIENCE).unwrap();
            assert_eq!(
                (frame.seq(), frame.skipped(), frame.generation()),
                (seq, 0, lies_in)
            );
            assert_whole(&frame);
        }
    }
}

#[test]
fn frame_in_hand_at_the_switch_reaches_even_a_consumer_that_joined_after_it() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(8);
    // The last of six indices is more than the new generation has.
    let mut in_hand: Vec<_> = (0..6).map(|_| producer.acquire(PATIENCE).unwrap()).collect();
    let frame = in_hand.pop().unwrap();
    drop(in_hand);
    assert_eq!(producer.begin_move(&to(4096, 4)).unwrap(), 2);
    let until = Instant::now() + Duration::from_secs(10);
    while !producer.is_moved(2).unwrap() {
        drop(producer.acquire(PATIENCE).unwrap());
        assert!(Instant::now() < until);
    }
    assert_eq!(producer.acquire(PATIENCE).unwrap().generation(), 2);
    let mut late = fixture.join(&mut producer, JoinOptions::every_frame(1));
    assert_eq!((late.generation(), late.buffers().len()), (2, 4));
    let info = FrameInfo {
        used_bytes: 4096,
        ..FrameInfo::default()
    };
    frame.view_mut().unwrap().fill(0, 4096, 1).unwrap();
    producer.publish(frame, &info).unwrap();
    let frame = late.receive(PATIENCE).unwrap();
    assert_eq!((frame.seq(), frame.generation()), (1, 1));
    assert_whole(&frame);
    drop(frame);
    run_until(&mut producer, &mut [&mut late], 2);
    let _ = late.receive(AT_ONCE);
    assert_eq!(
        booked_bytes(&fixture),
        4 * 4096,
        "nobody holds the first generation"
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
fn silent_consumer_is_named_and_nothing_has_changed() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(6);
    let mut good = fixture.join(&mut producer, JoinOptions::latest(1));
    let mut silent = fixture.join(&mut producer, JoinOptions::latest(1));
    let soon = Reallocation {
        deadline: Duration::from_millis(200),
        ..to(8192, 6)
    };
    let generation = producer.begin_move(&soon).unwrap();
    let error = loop {
        publish(&mut producer, PATIENCE);
        assert_eq!(good.receive(PATIENCE).unwrap().generation(), 1);
        match producer.is_moved(generation) {
            Ok(moved) => assert!(!moved),
            Err(error) => break error,
        }
        thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(error.errno(), Errno::BUSY);
    let silent_viewer = ("viewer".to_owned(), Role::Consumer, Hindrance::Silent);
    assert_eq!(blockers(&error), [silent_viewer]);
    publish(&mut producer, PATIENCE);
    assert_eq!(good.receive(PATIENCE).unwrap().generation(), 1);
    assert_eq!(silent.receive(PATIENCE).unwrap().generation(), 1);
    assert_eq!(booked_bytes(&fixture), 6 * 4096);
    assert_eq!((producer.stats().moves.failed, good.stats().moves.failed), (1, 1));
    assert_eq!(silent.stats().moves.failed, 0, "it never knew");
    // The number is not used again, and the next move is as good as any.
    assert_eq!(producer.begin_move(&to(8192, 6)).unwrap(), 3);
    run_until(&mut producer, &mut [&mut good, &mut silent], 3);
    assert_eq!(producer.is_moved(2).unwrap_err().errno(), Errno::BUSY);
    assert_eq!(producer.is_moved(4).unwrap_err().errno(), Errno::STALE);
}

#[test]
fn second_move_at_a_time_is_refused() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let _idle = fixture.join(&mut producer, JoinOptions::latest(1));
    producer.begin_move(&to(8192, 4)).unwrap();
    let error = producer.begin_move(&to(8192, 4)).unwrap_err();
    assert_eq!(error.errno(), Errno::ALREADY);
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
    assert_eq!(publish(&mut producer, PATIENCE), (1, 2));
    assert_eq!(asleep.join().unwrap(), (1, 2));
}

#[test]
fn producer_asleep_in_acquire_does_its_part() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut slow = fixture.join(&mut producer, JoinOptions::every_frame(1));
    publish(&mut producer, PATIENCE);
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
fn pinned_participants_are_named_before_anything_is_allocated() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let options = JoinOptions::latest(1).with_contract(MoveContract::Pinned);
    let pinned = fixture.join(&mut producer, options);
    let error = producer.begin_move(&to(8192, 4)).unwrap_err();
    assert_eq!(error.errno(), Errno::BUSY);
    let viewer = ("viewer".to_owned(), Role::Consumer, Hindrance::Pinned);
    assert_eq!(blockers(&error), [viewer]);
    assert!(error.to_string().contains("viewer"), "{error}");
    assert_eq!(booked_bytes(&fixture), 4 * 4096);
    drop(pinned);
    let mut other = fixture.join_after(&mut producer, JoinOptions::latest(1));
    assert_eq!(producer.begin_move(&to(8192, 4)).unwrap(), 2);
    let token = producer.token(1).unwrap();
    let error = fixture.session("late").join(&token, options).unwrap_err();
    assert_eq!(error.errno(), Errno::ALREADY);
    run_until(&mut producer, &mut [&mut other], 2);
    fixture.session("late").join(&token, options).unwrap();
}

#[test]
fn revocable_consumer_that_is_silent_is_cut_off_and_the_move_goes_on() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut good = fixture.join(&mut producer, JoinOptions::latest(1));
    let options = JoinOptions::latest(1).with_contract(MoveContract::Revocable);
    let mut revocable = fixture.join(&mut producer, options);
    let soon = Reallocation {
        deadline: Duration::from_millis(100),
        ..to(8192, 4)
    };
    producer.begin_move(&soon).unwrap();
    run_until(&mut producer, &mut [&mut good], 2);
    let error = revocable.receive(PATIENCE).unwrap_err();
    assert_eq!(error.errno(), Errno::CONNRESET, "{error}");
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
    assert_eq!(booked_bytes(&fixture), 4 * 4096);
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

fn fill(set: &BufferSet, byte: u8) {
    for buffer in set.buffers() {
        let whole = usize::try_from(buffer.size_bytes()).unwrap();
        let exporter = buffer.exporter::<wharf::BrokerBuffer>().unwrap();
        exporter
            .mapping()
            .view_mut()
            .unwrap()
            .fill(0, whole, byte)
            .unwrap();
    }
}

fn bytes(set: &BufferSet, index: usize) -> Vec<u8> {
    let buffer = &set.buffers()[index];
    let mut bytes = vec![0; usize::try_from(buffer.size_bytes()).unwrap()];
    let exporter = buffer.exporter::<wharf::BrokerBuffer>().unwrap();
    exporter.mapping().view().copy_to(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn set_without_a_stream_moves_with_its_contents_and_its_importers() {
    let fixture = Fixture::new();
    let mut set = fixture.set(2);
    fill(&set, 7);
    let token: Token = set.token(1).unwrap();
    let mut imported = fixture.session("viewer").import(&token).unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_over);
    let importer = thread::spawn(move || {
        while !seen.load(Ordering::Acquire) {
            imported.refresh().unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        imported.refresh().unwrap();
        imported
    });
    let before: Vec<_> = set.buffers().to_vec();
    let plan = Reallocation {
        plan: "larger",
        ..to(8192, 3)
    };
    set.reallocate(&plan, Contents::Keep).unwrap();
    is_over.store(true, Ordering::Release);
    let imported = importer.join().unwrap();
    for set in [&set, &imported] {
        assert_eq!(
            (set.generation(), set.plan(), set.buffers().len()),
            (2, "larger", 3)
        );
        set.check_current().unwrap();
        for index in 0..2 {
            assert_eq!(bytes(set, index), [[7; 4096], [0; 4096]].concat());
        }
        assert_eq!(bytes(set, 2), [0; 8192]);
    }
    assert_eq!(
        booked_bytes(&fixture),
        2 * 4096 + 3 * 8192,
        "the old ones are held"
    );
    drop(before);
    assert_eq!(booked_bytes(&fixture), 3 * 8192);
}

#[test]
fn contents_can_be_given_up() {
    let fixture = Fixture::new();
    let mut set = fixture.set(1);
    fill(&set, 7);
    set.reallocate(&to(4096, 1), Contents::Discard).unwrap();
    assert_eq!(bytes(&set, 0), [0; 4096]);
    fill(&set, 8);
    set.reallocate(&to(100, 1), Contents::Keep).unwrap();
    assert_eq!((set.generation(), bytes(&set, 0)), (3, vec![8; 4096]));
}

#[test]
fn stale_set_is_told_so_and_catches_up() {
    let fixture = Fixture::new();
    let mut set = fixture.set(1);
    let token = set.token(2).unwrap();
    let session = fixture.session("viewer");
    let mut revocable = session.import_as(&token, MoveContract::Revocable).unwrap();
    let soon = Reallocation {
        deadline: Duration::from_millis(50),
        ..to(4096, 1)
    };
    set.reallocate(&soon, Contents::Keep).unwrap();
    assert_eq!(
        revocable.refresh().unwrap_err().errno(),
        Errno::NOENT,
        "it was cut off"
    );
    let mut late = fixture.session("late").import(&token).unwrap();
    assert_eq!(late.generation(), 2);
    let error = set.reallocate(&soon, Contents::Keep).unwrap_err();
    let silent = ("late".to_owned(), Role::Importer, Hindrance::Silent);
    assert_eq!(blockers(&error), [silent]);
    assert_eq!((set.generation(), late.refresh().unwrap()), (2, 2));
    let moving = thread::spawn(move || {
        set.reallocate(&to(4096, 1), Contents::Keep).unwrap();
        set
    });
    let until = Instant::now() + Duration::from_secs(10);
    while late.check_current().is_ok() {
        // Ready, but not looking whether the others are.
        let _ = late.refresh().unwrap();
        if late.generation() != 2 {
            break;
        }
        assert!(Instant::now() < until);
    }
    let set = moving.join().unwrap();
    assert_eq!((set.generation(), late.refresh().unwrap()), (4, 4));
    let producer_of_stale = fixture.session("viewer");
    let foreign = producer_of_stale.create_stream("x", late, 1).unwrap_err();
    assert_eq!(foreign.errno(), Errno::ACCESS);
}

#[test]
fn consumer_that_does_not_fit_is_made_room_for_while_frames_flow() {
    let fixture = Fixture::new();
    let session = fixture.session("camera");
    let spec = BufferSpec {
        name: "frames",
        size_bytes: 4096,
        count: 2,
    };
    let set = session.allocate(&spec).unwrap();
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
        let (seq, lies_in) = publish(&mut producer, PATIENCE);
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

/// A producer that says of its frames what it likes.
struct Rogue {
    client: wharf_protocol::transport::BlockingClient,
    set: wharf_protocol::SetId,
    ring: wharf_stream::Producer<wharf_memory::OwnedWords, wharf_memory::ReadOnlyWords>,
    _buffers: Vec<std::os::fd::OwnedFd>,
}

/// A stream of two buffers by a rogue, and a consumer of every frame in it.
fn rogue(fixture: &Fixture) -> (Rogue, Consumer) {
    use std::os::fd::AsFd as _;
    use wharf_memory::{Access, Mapping, OwnedWords, ReadOnlyWords};
    use wharf_protocol::{AllocateBuffers, CreateStream, IssueToken, ObjectKind, Register, TakeChanges};
    use wharf_stream as s;
    let patience = Duration::from_secs(10);
    let broker = fixture.broker.socket_path();
    let mut client = wharf_protocol::transport::BlockingClient::connect(broker, patience).unwrap();
    let label = "rogue".to_owned();
    client.call(Register { label }, &[], patience).unwrap();
    let allocate = AllocateBuffers {
        name: String::new(),
        size_bytes: 4096,
        count: 2,
    };
    let (set, buffers) = client.call(allocate, &[], patience).unwrap();
    let memfd = wharf_linux::Memfd::create("ring", s::RING_PAGE_BYTES as u64).unwrap();
    let mapping = Mapping::map(&memfd, s::RING_PAGE_BYTES, Access::ReadWrite).unwrap();
    memfd.seal_future_writes().unwrap();
    let create = CreateStream {
        set: set.set,
        name: String::new(),
        max_consumers: 1,
        room_ms: None,
        polled: None,
        rotation: None,
    };
    let (stream, fds) = client.call(create, &[memfd.as_fd()], patience).unwrap();
    let read = |fd, bytes, cells| {
        ReadOnlyWords::new(Mapping::map(fd, bytes, Access::ReadOnly).unwrap(), cells).unwrap()
    };
    let status = read(&fds[0], s::STATUS_PAGE_BYTES, s::STATUS_PAGE_CELLS);
    let words = OwnedWords::new(mapping, s::RING_PAGE_CELLS).unwrap();
    let mut ring = wharf_stream::Producer::new(words, status, 64);
    let issue = IssueToken {
        kind: ObjectKind::Stream,
        id: stream.stream.0,
        uses: 1,
    };
    let token = client.call(issue, &[], patience).unwrap().0.token;
    let consumer = fixture
        .session("viewer")
        .join(&token, JoinOptions::every_frame(1))
        .unwrap();
    let take = TakeChanges {
        stream: stream.stream,
        after: wharf_protocol::Incarnation(0),
    };
    let (changes, fds) = client.call(take, &[], patience).unwrap();
    let page = read(&fds[0], s::CONSUMER_PAGE_BYTES, s::CONSUMER_PAGE_CELLS);
    let incarnation = changes.joined[0].incarnation.0;
    // It believes the consumer to have more depth than it has, and so does not wait for it.
    ring.admit(wharf_stream::Member::new(
        0,
        incarnation,
        64,
        wharf_stream::Policy::Block,
        page,
    ));
    let rogue = Rogue {
        client,
        set: set.set,
        ring,
        _buffers: buffers,
    };
    (rogue, consumer)
}

#[test]
fn frame_in_a_generation_that_cannot_be_is_corrupt_and_the_next_one_is_received() {
    let fixture = Fixture::new();
    let (mut rogue, mut consumer) = rogue(&fixture);
    for (index, generation) in [0, 2, u64::MAX, 7, 2].into_iter().enumerate() {
        rogue.ring.switch(generation, 2);
        let buffer = rogue.ring.try_acquire().unwrap();
        rogue.ring.publish(buffer, &FrameInfo::default()).unwrap();
        let error = consumer.receive(PATIENCE).unwrap_err();
        let seq = 2 * index as u64 + 1;
        let expected = format!("frame {seq} lies in generation {generation} of the buffers");
        assert!(error.to_string().contains(&expected), "{error}");
        assert_eq!(error.errno(), Errno::BADMSG);
        // However it lies about what is over.
        rogue.ring.switch(1, 2);
        let buffer = rogue.ring.try_acquire().unwrap();
        rogue.ring.publish(buffer, &FrameInfo::default()).unwrap();
        assert_eq!(consumer.receive(PATIENCE).unwrap().seq(), seq + 1);
    }
}

#[test]
fn generation_that_comes_into_use_just_before_its_first_frame_is_known() {
    let fixture = Fixture::new();
    let (mut rogue, mut consumer) = rogue(&fixture);
    let patience = Duration::from_secs(10);
    let (set, role) = (rogue.set, Role::Owner);
    let moving = wharf_protocol::MoveBuffers {
        set,
        size_bytes: 8192,
        count: 2,
        deadline_ms: 10_000,
        plan: String::new(),
    };
    let generation = rogue.client.call(moving, &[], patience).unwrap().0.generation;
    let ready = wharf_protocol::ReadyGeneration {
        set,
        generation,
        role,
        seat: None,
        error: None,
    };
    rogue.client.call(ready, &[], patience).unwrap();
    // The next answer comes when the buffers are sealed.
    let ask = wharf_protocol::GetMove { set, generation };
    assert!(!rogue.client.call(ask, &[], patience).unwrap().0.committed);
    // The frame is there before the consumer, the last to be ready, has said so.
    rogue.ring.switch(generation, 2);
    let buffer = rogue.ring.try_acquire().unwrap();
    rogue.ring.publish(buffer, &FrameInfo::default()).unwrap();
    let frame = consumer.receive(PATIENCE).unwrap();
    assert_eq!((frame.generation(), frame.buffer().size_bytes()), (2, 8192));
    assert_eq!((consumer.generation(), consumer.stats().moves.moves), (2, 1));
}

#[test]
fn frame_in_a_buffer_that_its_generation_does_not_have_is_corrupt() {
    let fixture = Fixture::new();
    let (mut rogue, mut consumer) = rogue(&fixture);
    rogue.ring.switch(1, 64);
    let mut indices: Vec<_> = (0..64).map_while(|_| rogue.ring.try_acquire().ok()).collect();
    indices.sort_unstable();
    let last = indices.pop().unwrap();
    assert!(last >= 2);
    rogue.ring.publish(last, &FrameInfo::default()).unwrap();
    let error = consumer.receive(PATIENCE).unwrap_err();
    assert!(
        error.to_string().contains(&format!("buffer {last} of 2")),
        "{error}"
    );
    rogue.ring.publish(1, &FrameInfo::default()).unwrap();
    assert_eq!(consumer.receive(PATIENCE).unwrap().seq(), 2);
}
