//! Frames with contents, in real shared memory, between threads that sleep and wake as processes would.

use std::os::fd::OwnedFd;
use std::time::Duration;

use wharf_memory::{Access, Deadline, Mapping, View, ViewMut};
use wharf_stream::status::StreamState;
use wharf_stream::{FrameInfo, Policy, UserData};

use crate::support::{ConsumerOf, Mapped, ProducerOf, Stream, memfd};

const FRAMES: u64 = 4000;
const BUFFER_BYTES: usize = 4096 + 24;
/// Long enough for any machine; a stream that has come to a halt fails the test.
const PATIENCE: Duration = Duration::from_secs(120);
/// Depth and policy of each consumer; the slower ones rest now and then.
const CONSUMERS: [(usize, Policy); 3] = [(2, Policy::Block), (1, Policy::Latest), (2, Policy::Latest)];
/// What the broker would insist on: every depth, and one buffer to fill.
const BUFFERS: usize = 2 + 1 + 2 + 1;

/// A word of frame `seq` that depends on its place: bytes of two frames never mix unnoticed.
fn word(seq: u64, index: usize) -> [u8; 8] {
    let mixed = (seq ^ (index as u64) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).to_le_bytes()
}

fn fill(view: ViewMut<'_>, seq: u64) {
    for index in 0..BUFFER_BYTES / 8 {
        view.copy_from(index * 8, &word(seq, index)).unwrap();
    }
}

fn assert_whole(view: View<'_>, seq: u64) {
    let mut bytes = vec![0; BUFFER_BYTES];
    view.copy_to(0, &mut bytes).unwrap();
    for (index, bytes) in bytes.chunks(8).enumerate() {
        assert_eq!(bytes, word(seq, index), "frame {seq} is torn at word {index}");
    }
}

fn map_all(memory: &[OwnedFd], access: Access) -> Vec<Mapping> {
    let map = |fd: &OwnedFd| Mapping::map(fd, BUFFER_BYTES, access).unwrap();
    memory.iter().map(map).collect()
}

fn produce(mut producer: ProducerOf<Mapped>, buffers: &[Mapping], patience: Deadline) {
    for seq in 1..=FRAMES {
        let buffer = loop {
            producer.take_status_change();
            assert!(producer.drop_departed().is_empty());
            if let Ok(buffer) = producer.try_acquire() {
                break buffer;
            }
            assert!(
                !patience.has_passed(),
                "the producer never got a buffer for frame {seq}"
            );
            if let (Some(buffer), _) = producer.wait(Some(patience), |producer| producer.try_acquire().ok()) {
                break buffer;
            }
        };
        fill(buffers[buffer].view_mut().unwrap(), seq);
        let info = FrameInfo {
            timestamp_ns: seq,
            used_bytes: BUFFER_BYTES as u64,
            user: UserData::new(&seq.to_le_bytes()).unwrap(),
            ..FrameInfo::default()
        };
        assert_eq!(producer.publish(buffer, &info), Some(seq));
    }
}

/// What a consumer got: how many frames, how many it was told it missed, and the last one.
#[derive(Debug, Default, PartialEq, Eq)]
struct Harvest {
    received: u64,
    skipped: u64,
    last: u64,
}

fn consume(mut consumer: ConsumerOf<Mapped>, buffers: &[Mapping], patience: Deadline) -> Harvest {
    let mut harvest = Harvest::default();
    loop {
        let state = consumer.stream_state();
        let Some(claim) = consumer.try_claim().unwrap() else {
            if state != StreamState::Running {
                return harvest;
            }
            assert!(!patience.has_passed(), "no frame came after {harvest:?}");
            consumer.wait(Some(patience));
            continue;
        };
        let view = buffers[claim.buffer].view();
        assert_whole(view, claim.seq);
        let (info, _) = consumer.describe(&claim, BUFFER_BYTES as u64).unwrap();
        assert_eq!(info.timestamp_ns, claim.seq);
        assert_eq!(info.user.as_bytes(), claim.seq.to_le_bytes());
        if claim.seq % 64 == consumer.slot() as u64 {
            std::thread::sleep(Duration::from_micros(300));
        }
        assert_whole(view, claim.seq);
        consumer.release(claim.buffer);
        assert_eq!(claim.seq, harvest.last + claim.skipped + 1);
        harvest.received += 1;
        harvest.skipped += claim.skipped;
        harvest.last = claim.seq;
    }
}

#[test]
fn no_frame_is_torn_and_nobody_sleeps_for_ever() {
    let memory: Vec<OwnedFd> = (0..BUFFERS).map(|_| memfd(BUFFER_BYTES)).collect();
    let stream = Stream::<Mapped>::new(BUFFERS);
    let mut producer = stream.producer();
    let consumers: Vec<_> = CONSUMERS
        .iter()
        .enumerate()
        .map(|(slot, (depth, policy))| stream.join(&mut producer, slot, *depth, *policy))
        .collect();
    let patience = Deadline::after(PATIENCE);
    let memory = &memory;
    let harvests = std::thread::scope(|scope| {
        let consume = |consumer| move || consume(consumer, &map_all(memory, Access::ReadOnly), patience);
        let consuming: Vec<_> = consumers
            .into_iter()
            .map(|consumer| scope.spawn(consume(consumer)))
            .collect();
        scope
            .spawn(move || produce(producer, &map_all(memory, Access::ReadWrite), patience))
            .join()
            .unwrap();
        stream.end(StreamState::Ended);
        let harvests = consuming.into_iter().map(|consuming| consuming.join().unwrap());
        harvests.collect::<Vec<_>>()
    });
    let everything = Harvest {
        received: FRAMES,
        skipped: 0,
        last: FRAMES,
    };
    assert_eq!(harvests[0], everything, "a blocking consumer gets every frame");
    for harvest in &harvests[1..] {
        assert!(harvest.received > 0);
        assert_eq!(harvest.received + harvest.skipped, harvest.last);
    }
}
