//! What a frame is, on its way through shared words.

use proptest::prelude::*;
use wharf_core::layout::{Fourcc, FrameLayout, MAX_PLANES, Modifier};
use wharf_memory::{Ordering, WriteWords, now_ns};
use wharf_stream::layout::ring;
use wharf_stream::{Corrupt, FrameInfo, MAX_USER_BYTES, Places, Policy, TooMuchUserData, UserData};

use crate::support::{ConsumerOf, Heap, Kind, Mapped, ProducerOf, Stream, claim};

const FOURCCS: [Fourcc; 6] = [
    Fourcc::YUV420,
    Fourcc::YUV422,
    Fourcc::YUV444,
    Fourcc::NV12,
    Fourcc::R8,
    Fourcc::XRGB8888,
];
/// More than any layout made here needs.
const SIZE_BYTES: u64 = 1 << 34;

fn layouts() -> impl Strategy<Value = FrameLayout> {
    let fourccs = prop::sample::select(&FOURCCS[..]);
    (fourccs, 1..5000_u32, 1..5000_u32, 0..8_u32).prop_map(|(fourcc, width, height, alignment)| {
        FrameLayout::linear(fourcc, width, height, 1 << alignment).unwrap()
    })
}

fn user_data() -> impl Strategy<Value = UserData> {
    prop::collection::vec(any::<u8>(), 0..=MAX_USER_BYTES).prop_map(|bytes| UserData::new(&bytes).unwrap())
}

prop_compose! {
    fn infos()(
        timestamp_ns in any::<u64>(),
        generation in any::<u64>(),
        used_bytes in 0..=SIZE_BYTES,
        layout in prop::option::of(layouts()),
        user in user_data(),
    ) -> FrameInfo {
        FrameInfo { timestamp_ns, generation, used_bytes, layout, user }
    }
}

fn pair<K: Kind>() -> (ProducerOf<K>, ConsumerOf<K>) {
    let stream = Stream::<K>::new(3);
    let mut producer = stream.producer();
    let consumer = stream.join(&mut producer, 0, 2, Policy::Block);
    (producer, consumer)
}

fn assert_travels<K: Kind>(infos: &[FrameInfo]) {
    let (mut producer, mut consumer) = pair::<K>();
    for info in infos {
        producer.switch(info.generation, 3);
        let buffer = producer.try_acquire().unwrap();
        let before_ns = now_ns();
        producer.publish(buffer, info).unwrap();
        let claim = claim(&mut consumer);
        let (described, published_ns) = consumer.describe(&claim, SIZE_BYTES).unwrap();
        assert_eq!(described, *info);
        assert!((before_ns..=now_ns()).contains(&published_ns));
        consumer.release(claim.buffer);
    }
}

/// Publishes a frame described by these cells of its slot and, from [`BEYOND`] on, of what else there is to say, and reads it for a
/// buffer of `size_bytes`.
fn describe(cells: &[(usize, u64)], size_bytes: u64) -> Result<FrameInfo, Corrupt> {
    let (mut producer, mut consumer) = pair::<Heap>();
    let buffer = producer.try_acquire().unwrap();
    let write = |words: &<Heap as Kind>::Own, places: Places| {
        for (cell, word) in cells {
            let cell = match cell.checked_sub(BEYOND) {
                Some(more) => places.more + more,
                None => places.slot + cell,
            };
            words.store_u64(cell, *word, Ordering::Relaxed);
        }
    };
    producer.publish_with(buffer, write).unwrap();
    let claim = claim(&mut consumer);
    consumer.describe(&claim, size_bytes).map(|(info, _)| info)
}

/// Words that hostile producers would try in any cell.
fn words() -> impl Strategy<Value = u64> {
    let formats = prop::sample::select(&FOURCCS[..]);
    prop_oneof![
        Just(0),
        0..70_u64,
        any::<u64>(),
        (0..100_u64).prop_map(|below| u64::MAX - below),
        (0..5000_u64, 0..5000_u64).prop_map(|(low, high)| low | high << 32),
        (formats, 0..6_u64).prop_map(|(fourcc, planes)| u64::from(fourcc.raw()) | planes << 32),
    ]
}

proptest! {
    #[test]
    fn descriptor_says_the_same_on_the_other_side(infos in prop::collection::vec(infos(), 1..6)) {
        assert_travels::<Heap>(&infos);
        assert_travels::<Mapped>(&infos);
    }

    #[test]
    fn what_a_hostile_descriptor_says_is_refused_or_possible(
        words in prop::collection::vec(words(), ring::LINE_CELLS + ring::MORE_CELLS),
        size_bytes in prop_oneof![0..100_000_u64, any::<u64>()],
    ) {
        let cells: Vec<_> = words.into_iter().enumerate().collect();
        if let Ok(info) = describe(&cells, size_bytes) {
            prop_assert!(info.used_bytes <= size_bytes);
            prop_assert!(info.user.as_bytes().len() <= MAX_USER_BYTES);
            if let Some(layout) = info.layout {
                prop_assert!(layout.planes().len() <= MAX_PLANES);
                prop_assert_eq!(layout.validate(size_bytes), Ok(()));
                prop_assert_eq!(layout.modifier(), Modifier::LINEAR);
            }
        }
    }
}

// The cells of a descriptor are part of the protocol between processes: they are written out here on purpose.
const BEYOND: usize = 8;
const USED_BYTES: usize = 4;
const MORE: usize = 5;
const HAS_LAYOUT: u64 = 1;
const FORMAT: usize = BEYOND;
const SIDES: usize = BEYOND + 2;
const FIRST_PLANE: usize = BEYOND + 3;
const USER: usize = BEYOND + 8;

const fn user_len(len: u64) -> (usize, u64) {
    (MORE, len << 8)
}

#[test]
fn more_used_bytes_than_the_buffer_has_are_refused() {
    let refused = Corrupt::UsedBytes {
        seq: 1,
        used_bytes: 4097,
        size_bytes: 4096,
    };
    assert_eq!(describe(&[(USED_BYTES, 4097)], 4096), Err(refused));
    assert_eq!(describe(&[(USED_BYTES, 4096)], 4096).unwrap().used_bytes, 4096);
}

#[test]
fn more_planes_than_there_can_be_are_refused() {
    for planes in [5, u32::MAX] {
        let format = u64::from(Fourcc::YUV420.raw()) | u64::from(planes) << 32;
        let refused = Corrupt::Planes { seq: 1, planes };
        assert_eq!(
            describe(&[(MORE, HAS_LAYOUT), (FORMAT, format)], 4096),
            Err(refused)
        );
    }
}

#[test]
fn layout_that_does_not_fit_the_buffer_is_refused() {
    let grey = [
        (MORE, HAS_LAYOUT),
        (FORMAT, u64::from(Fourcc::R8.raw()) | 1 << 32),
        (SIDES, 64 | 64 << 32),
        (FIRST_PLANE, 64 << 32),
    ];
    assert!(describe(&grey, 4096).unwrap().layout.is_some());
    let refused = describe(&grey, 4095);
    assert!(
        matches!(refused, Err(Corrupt::Layout { seq: 1, .. })),
        "{refused:?}"
    );
}

#[test]
fn more_user_data_than_a_frame_carries_is_refused() {
    for len_bytes in [65, u64::MAX >> 8] {
        let refused = Corrupt::UserData { seq: 1, len_bytes };
        assert_eq!(describe(&[user_len(len_bytes)], 0), Err(refused));
    }
    assert_eq!(UserData::new(&[0; 65]), Err(TooMuchUserData { len_bytes: 65 }));
}

#[test]
fn user_bytes_beyond_the_length_are_not_seen() {
    let info = describe(&[user_len(3), (USER, u64::MAX), (USER + 7, u64::MAX)], 0).unwrap();
    assert_eq!(info.user, UserData::new(&[0xff; 3]).unwrap());
}

#[test]
fn layout_of_the_last_frame_in_a_buffer_does_not_show_through() {
    let layout = FrameLayout::linear(Fourcc::NV12, 64, 64, 1).unwrap();
    let picture = FrameInfo {
        layout: Some(layout),
        user: UserData::new(b"secret").unwrap(),
        ..FrameInfo::default()
    };
    assert_travels::<Heap>(&[picture, FrameInfo::default(), picture]);
}
