//! Streams through a real broker, producer and consumers as sessions of one process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::time::Duration;
use wharf::layout::{Fourcc, FrameLayout};
use wharf::{
    AcquireError, BufferSpec, FrameInfo, JoinOptions, Producer, PublishError, ReceiveError, UserData,
};

use common::{AT_ONCE, Fixture, PATIENCE, info, spec};

type Outcome = Result<(), Box<dyn std::error::Error>>;

impl Fixture {
    fn producer(&self, buffers: u32) -> Producer {
        self.stream_in(&spec(10_000, buffers))
    }
}

fn publish(producer: &mut Producer, byte: u8) -> u64 {
    let frame = producer.acquire(PATIENCE).unwrap();
    frame.view_mut().unwrap().fill(0, 100, byte).unwrap();
    producer.publish(frame, &info(100)).unwrap()
}

fn first_byte(frame: &wharf::Frame) -> u8 {
    let mut byte = [0];
    frame.view().unwrap().copy_to(0, &mut byte).unwrap();
    byte[0]
}

#[test]
fn frame_arrives_with_everything_said_of_it() -> Outcome {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut consumer = fixture.join(&mut producer, JoinOptions::every_frame(2));
    let layout = FrameLayout::linear(Fourcc::YUV420, 64, 48, 16)?;
    let info = FrameInfo {
        timestamp_ns: 77,
        used_bytes: layout.size_bytes(),
        layout: Some(layout),
        user: UserData::new(b"exposure 1/50")?,
        ..FrameInfo::default()
    };
    let frame = producer.acquire(PATIENCE)?;
    frame.view_mut()?.copy_from(5, b"pixels")?;
    assert_eq!(producer.publish(frame, &info)?, 1);

    let frame = consumer.receive(PATIENCE)?;
    assert_eq!((frame.seq(), frame.skipped()), (1, 0));
    assert_eq!(
        frame.info(),
        &FrameInfo {
            generation: 1,
            ..info
        }
    );
    let mut pixels = [0; 6];
    frame.view()?.copy_to(5, &mut pixels)?;
    assert_eq!(&pixels, b"pixels");
    assert_eq!(frame.buffer().exporter_name(), "wharf-broker");
    Ok(())
}

#[test]
fn handing_over_copies_nothing() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut consumer = fixture.join(&mut producer, JoinOptions::every_frame(2));
    for byte in 0..50 {
        publish(&mut producer, byte);
        assert_eq!(first_byte(&consumer.receive(PATIENCE).unwrap()), byte);
    }
    assert_eq!(producer.stats().bytes_copied, 0);
    assert_eq!(consumer.stats().bytes_copied, 0);
    assert_eq!(consumer.stats().received, 50);
}

#[test]
fn consumer_of_every_frame_blocks_the_producer_and_is_named() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut consumer = fixture.join(&mut producer, JoinOptions::every_frame(2));
    publish(&mut producer, 1);
    publish(&mut producer, 2);
    let error = producer.acquire(AT_ONCE).unwrap_err();
    assert!(matches!(&error, AcquireError::TimedOut { consumers, .. } if consumers[0].frames == 2));
    assert!(error.to_string().contains("viewer (pid"), "{error}");
    drop(consumer.receive(PATIENCE).unwrap());
    publish(&mut producer, 3);
    assert_eq!(first_byte(&consumer.receive(PATIENCE).unwrap()), 2);
    assert_eq!(first_byte(&consumer.receive(PATIENCE).unwrap()), 3);
}

#[test]
fn consumer_of_the_latest_frame_never_blocks_and_counts_what_it_missed() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(3);
    let mut consumer = fixture.join(&mut producer, JoinOptions::latest(1));
    for byte in 1..=9 {
        publish(&mut producer, byte);
    }
    let frame = consumer.receive(PATIENCE).unwrap();
    assert_eq!((frame.seq(), frame.skipped(), first_byte(&frame)), (9, 8, 9));
    assert_eq!(consumer.stats().skipped, 8);
}

#[test]
fn held_frame_is_not_refilled() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(3);
    let mut consumer = fixture.join(&mut producer, JoinOptions::latest(1));
    publish(&mut producer, 1);
    let held = consumer.receive(PATIENCE).unwrap();
    for byte in 2..=20 {
        publish(&mut producer, byte);
    }
    assert_eq!(first_byte(&held), 1);
    assert!(matches!(
        consumer.receive(AT_ONCE),
        Err(ReceiveError::HoldsTooMany { depth: 1, .. })
    ));
    drop(consumer);
    publish(&mut producer, 21);
    assert_eq!(first_byte(&held), 1, "a frame outlives its consumer");
}

#[test]
fn late_joiner_gets_the_next_frame() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(6);
    let _early = fixture.join(&mut producer, JoinOptions::latest(1));
    publish(&mut producer, 1);
    publish(&mut producer, 2);
    let mut late = fixture.join(&mut producer, JoinOptions::every_frame(2));
    assert!(matches!(
        late.receive(AT_ONCE),
        Err(ReceiveError::TimedOut { .. })
    ));
    publish(&mut producer, 3);
    let frame = late.receive(PATIENCE).unwrap();
    assert_eq!((frame.seq(), frame.skipped(), first_byte(&frame)), (3, 0, 3));
}

#[test]
fn consumer_that_leaves_gives_everything_back() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(3);
    let mut consumer = fixture.join(&mut producer, JoinOptions::every_frame(2));
    publish(&mut producer, 1);
    publish(&mut producer, 2);
    drop(consumer.receive(PATIENCE).unwrap());
    drop(consumer);
    for byte in 3..10 {
        publish(&mut producer, byte);
    }
    let departed = producer.take_departed();
    assert_eq!(departed.len(), 1);
    assert!(departed[0].departure.is_some());
    assert_eq!(producer.consumers().count(), 0);
}

#[test]
fn finished_stream_is_drained_before_it_ends() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut consumer = fixture.join(&mut producer, JoinOptions::every_frame(3));
    publish(&mut producer, 1);
    publish(&mut producer, 2);
    assert_eq!(producer.finish().unwrap().published, 2);
    let bytes: Vec<u8> = consumer
        .frames()
        .map(|frame| first_byte(&frame.unwrap()))
        .collect();
    assert_eq!(bytes, [1, 2]);
    assert!(matches!(consumer.receive(None), Err(ReceiveError::Ended { .. })));
}

#[test]
fn frame_dropped_unpublished_goes_back() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(1);
    drop(producer.acquire(AT_ONCE).unwrap());
    let frame = producer.acquire(AT_ONCE).unwrap();
    let error = producer.acquire(None).unwrap_err();
    assert!(
        matches!(
            error,
            AcquireError::AllInHand {
                in_hand: 1,
                count: 1,
                ..
            }
        ),
        "{error}"
    );
    drop(frame);
    assert_eq!(publish(&mut producer, 1), 1);
}

#[test]
fn impossible_frames_are_refused_and_lose_nothing() {
    let fixture = Fixture::new();
    let (mut producer, mut other) = (fixture.producer(1), fixture.producer(1));
    let too_long = FrameInfo {
        used_bytes: u64::MAX,
        ..FrameInfo::default()
    };
    let frame = producer.acquire(AT_ONCE).unwrap();
    assert!(matches!(
        producer.publish(frame, &too_long),
        Err(PublishError::UsedBytes { .. })
    ));
    let layout = FrameLayout::linear(Fourcc::YUV420, 640, 480, 1).unwrap();
    let too_large = FrameInfo {
        layout: Some(layout),
        ..FrameInfo::default()
    };
    let frame = producer.acquire(AT_ONCE).unwrap();
    assert!(matches!(
        producer.publish(frame, &too_large),
        Err(PublishError::Layout(_))
    ));
    let foreign = other.acquire(AT_ONCE).unwrap();
    let refused = producer.publish(foreign, &FrameInfo::default());
    assert!(matches!(refused, Err(PublishError::ForeignFrame { .. })));
    assert_eq!(publish(&mut producer, 1), 1);
    assert_eq!(publish(&mut other, 1), 1);
}

#[test]
fn buffers_promised_to_consumers_are_not_promised_twice() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let _first = fixture.join(&mut producer, JoinOptions::every_frame(2));
    let token = producer.token(1).unwrap();
    let error = fixture
        .session("greedy")
        .join(&token, JoinOptions::latest(2))
        .unwrap_err();
    assert_eq!(error.errno().raw_os_error(), 16, "EBUSY: {error}");
    assert!(
        error.to_string().contains('4') && error.to_string().contains('2'),
        "{error}"
    );
}

#[test]
fn frame_after_the_join_is_the_first_without_waiting_for_the_consumer() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let token = producer.token(1).unwrap();
    let mut consumer = fixture
        .session("viewer")
        .join(&token, JoinOptions::every_frame(2))
        .unwrap();
    assert_eq!(
        publish(&mut producer, 7),
        1,
        "the frame after the join is the first"
    );
    assert_eq!(first_byte(&consumer.receive(PATIENCE).unwrap()), 7);
    assert!(producer.take_trouble().is_none());
}

#[test]
fn producer_that_panics_is_dead_to_its_consumers() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut consumer = fixture.join(&mut producer, JoinOptions::every_frame(2));
    publish(&mut producer, 1);
    let panicked = std::thread::spawn(move || {
        let _producer = producer;
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    assert_eq!(first_byte(&consumer.receive(PATIENCE).unwrap()), 1);
    let over = consumer.receive(PATIENCE).unwrap_err();
    assert!(matches!(over, ReceiveError::ProducerDied { .. }), "{over}");
}

#[test]
fn broker_that_dies_before_the_producer_hears_of_a_consumer_leaves_nobody_waiting() {
    let fixture = Fixture::new();
    let producer = fixture.producer(4);
    let token = producer.token(1).unwrap();
    let mut consumer = fixture
        .session("viewer")
        .join(&token, JoinOptions::latest(1))
        .unwrap();
    drop(fixture);
    let over = consumer.receive(None).unwrap_err();
    assert!(matches!(over, ReceiveError::Stranded { .. }), "{over}");
    assert!(matches!(consumer.receive(Some(Duration::ZERO)), Err(again) if again.is_final()));
}

#[test]
fn waiting_for_consumers_ends_when_the_broker_does() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    assert!(!producer.wait_for_consumers(1, AT_ONCE).unwrap());
    drop(fixture);
    let error = producer.wait_for_consumers(1, None).unwrap_err();
    assert_eq!(error.errno().raw_os_error(), 32, "EPIPE: {error}");
}

#[test]
fn import_by_the_owner_itself_leaves_the_set_alone() {
    let fixture = Fixture::new();
    let session = fixture.session("owner");
    let set = session
        .allocate(&BufferSpec {
            name: "own",
            size_bytes: 1,
            count: 2,
        })
        .unwrap();
    drop(session.import(&set.token(1).unwrap()).unwrap());
    let state = session.state().unwrap();
    assert_eq!(state.sets.len(), 1);
    assert!(state.sets[0].importers.is_empty());
    assert!(session.create_stream("still mine", set, 1).is_ok());
}

#[test]
fn imported_buffers_can_be_read_and_not_streamed() -> Outcome {
    let fixture = Fixture::new();
    let session = fixture.session("owner");
    let set = session.allocate(&BufferSpec {
        name: "plain",
        size_bytes: 1,
        count: 2,
    })?;
    let memory = set.buffers()[1]
        .exporter::<wharf::BrokerBuffer>()
        .ok_or("foreign exporter")?;
    memory.mapping().view_mut()?.copy_from(0, b"shared")?;
    let reader = fixture.session("reader");
    let imported = reader.import(&set.token(1)?)?;
    assert_eq!(
        (imported.name(), imported.buffers().len(), imported.generation()),
        ("plain", 2, 1)
    );
    let memory = imported.buffers()[1]
        .exporter::<wharf::BrokerBuffer>()
        .ok_or("foreign exporter")?;
    let mut text = [0; 6];
    memory.mapping().view().copy_to(0, &mut text)?;
    assert_eq!(&text, b"shared");
    assert!(memory.mapping().view_mut().is_err());
    let refused = reader.create_stream("stolen", imported, 1).unwrap_err();
    assert_eq!(refused.errno().raw_os_error(), 13, "EACCES: {refused}");
    Ok(())
}
