//! Streams whose buffers are dma-bufs of the kernel: where there is `/dev/udmabuf`, above all in the guest (`cargo xtask guest-test`).
//! Elsewhere each test is skipped, and says so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where it cannot go on"
)]

#[path = "../../../linux/tests/kernel/devices/mod.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod devices;

use std::os::fd::AsFd;
use std::time::Duration;

use devices::{Camera, Device};
use wharf::core::constraints::{Buffers, Bytes, Constraints, key};
use wharf::core::negotiation::{Function, Participant, ParticipantId};
use wharf::core::set::Rights;
use wharf::core::{DataDirection, Usage};
use wharf::{
    AccessMode, BrokerBuffer, Consumer, DmaBuf, FrameInfo, JoinOptions, Producer, SeatSpec, Session,
    SetOptions,
};
use wharf_broker::Embedded;
use wharf_linux::dma_buf::KernelBuffer;
use wharf_linux::needs_dma_buf;
use wharf_linux::udmabuf::Udmabuf;
use wharf_memory::{Access, Mapping};
use wharf_testkit::skip;

const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));

/// A producer whose buffers are dma-bufs of at least `size_bytes`, and a consumer of its stream.
struct Stage {
    _broker: Embedded,
    _sessions: Vec<Session>,
    producer: Producer,
    consumer: Consumer,
}

impl Stage {
    fn new(size_bytes: u64) -> Option<Self> {
        Udmabuf::open()
            .inspect_err(|error| skip(&error.to_string()))
            .ok()?;
        let broker = Embedded::start().unwrap();
        let session = |label| Session::connect_to(broker.socket_path(), label).unwrap();
        let (recorder, camera, viewer) = (session("recorder"), session("camera"), session("viewer"));
        let set = recorder.create_set(&SetOptions::new("real")).unwrap();
        let token = set
            .issue(&SeatSpec::expected("camera").rights(Rights::WRITE))
            .unwrap();
        let mut seat = camera.take_seat(&token, driver_of_a_camera(size_bytes)).unwrap();
        let buffers = seat.buffers(PATIENCE).unwrap();
        assert_eq!(set.explain().unwrap().heaps, ["udmabuf"]);
        let producer = camera.create_stream("preview", buffers, 8).unwrap();
        let token = producer.token(1).unwrap();
        let consumer = viewer.join(&token, JoinOptions::every_frame(2)).unwrap();
        Some(Self {
            _broker: broker,
            _sessions: vec![recorder, camera, viewer],
            producer,
            consumer,
        })
    }
}

/// Somebody who has a driver of the kernel write the frames.
fn driver_of_a_camera(size_bytes: u64) -> Participant {
    // Two buffers more than it holds are for the viewer.
    let constraints = Constraints::builder()
        .with(key::MIN_SIZE, Bytes(size_bytes))
        .with(key::CAMPING, Buffers(3))
        .with(key::MIN_BUFFERS, Buffers(6))
        .extension(needs_dma_buf())
        .build()
        .unwrap();
    Participant::new(ParticipantId(0), "camera").function(Function::new("capture", constraints))
}

fn dma_buf(buffer: &DmaBuf) -> &KernelBuffer {
    buffer
        .exporter::<BrokerBuffer>()
        .unwrap()
        .dma_buf()
        .expect("the heap is udmabuf")
}

/// A frame that uses so much of its buffer.
fn used(len_bytes: usize) -> FrameInfo {
    FrameInfo {
        used_bytes: len_bytes as u64,
        ..FrameInfo::default()
    }
}

/// What the consumer sees of the next frame.
fn received(consumer: &mut Consumer) -> Vec<u8> {
    let frame = consumer.receive(PATIENCE).unwrap();
    let mut bytes = vec![0; usize::try_from(frame.info().used_bytes).unwrap()];
    frame.view().unwrap().copy_to(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn frames_written_through_dma_bufs_arrive() {
    let Some(mut stage) = Stage::new(10_000) else {
        return;
    };
    for number in 1..=20_u8 {
        let frame = stage.producer.acquire(PATIENCE).unwrap();
        let buffer = dma_buf(frame.buffer());
        assert!(!buffer.is_emulated());
        let mapping = buffer.map(AccessMode::ReadWrite).unwrap();
        let bracket = buffer.begin_access(DataDirection::ToDevice).unwrap();
        mapping.view_mut().unwrap().copy_from(0, &[number; 64]).unwrap();
        bracket.end().unwrap();
        stage.producer.publish(frame, &used(64)).unwrap();
        assert_eq!(received(&mut stage.consumer), [number; 64]);
    }
}

/// The consumer has the memory file, sealed, and not the dma-buf. Contract: S5.
#[test]
fn consumers_cannot_write_them() {
    let Some(mut stage) = Stage::new(4096) else { return };
    let frame = stage.producer.acquire(PATIENCE).unwrap();
    stage.producer.publish(frame, &FrameInfo::default()).unwrap();
    let frame = stage.consumer.receive(PATIENCE).unwrap();
    let buffer = frame.buffer();
    let exporter = buffer.exporter::<BrokerBuffer>().unwrap();
    assert!(exporter.dma_buf().is_none());
    assert!(Mapping::map(exporter.as_fd(), 4096, Access::ReadWrite).is_err());
    assert!(
        Udmabuf::open()
            .unwrap()
            .create_of_part(wharf_linux::udmabuf::MemoryPart {
                memory: exporter.as_fd(),
                offset_bytes: 0,
                len_bytes: 4096,
            })
            .is_err(),
        "nor make a dma-buf of it"
    );
}

/// A driver's fence on the dma-buf is waited for before the frame is published.
#[test]
fn work_of_drivers_is_waited_for() {
    let Some(mut stage) = Stage::new(4096) else { return };
    let Some(device) = Device::find() else { return };
    let frame = stage.producer.acquire(PATIENCE).unwrap();
    let buffer = dma_buf(frame.buffer());
    let work = device.begin(buffer, Usage::Write);
    let fence = buffer.fences(Usage::Write).unwrap().fence().unwrap();
    assert!(!fence.is_signaled());
    let ending = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        work.end();
    });
    fence.wait(&wharf::core::Wait::forever()).unwrap();
    stage.producer.publish(frame, &used(1)).unwrap();
    assert_eq!(received(&mut stage.consumer), [0]);
    ending.join().unwrap();
}

/// The camera writes into the stream's buffers, the consumer reads the camera's bytes: nobody copies.
#[test]
fn camera_takes_pictures_into_the_stream() {
    let Some(mut camera) = Camera::find() else { return };
    let len_bytes = camera.picture_bytes();
    let Some(mut stage) = Stage::new(len_bytes as u64) else {
        return;
    };
    camera.use_buffers(2);
    let mut filling = Vec::new();
    for index in 0..2 {
        let frame = stage.producer.acquire(PATIENCE).unwrap();
        camera.fill(index, Some(dma_buf(frame.buffer()).as_fd()));
        filling.push((index, frame));
    }
    camera.start();
    for number in 0..2 {
        let picture = camera.take();
        let place = filling
            .iter()
            .position(|(index, _)| *index == picture.index)
            .unwrap();
        let (_, frame) = filling.remove(place);
        let before = wharf_memory::bytes_moved();
        stage.producer.publish(frame, &used(picture.used_bytes)).unwrap();
        assert_eq!(wharf_memory::bytes_moved(), before, "publishing copies nothing");
        let bytes = received(&mut stage.consumer);
        assert_eq!(bytes.len(), len_bytes);
        assert!(
            bytes.iter().any(|byte| *byte != 0),
            "picture {number} is not black all over"
        );
    }
}
