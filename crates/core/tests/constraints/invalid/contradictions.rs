//! Fields that contradict each other, each of which would be possible alone.

use wharf_core::constraints::{
    Constraints, CpuUse, Field, FormatKey, ImageConstraints, Record, StrideRule, Value,
};
use wharf_core::dma::Windows;
use wharf_core::layout::{Fourcc, Modifier};

use super::{GIB, buffers, bytes, contradict, names, pixels, refusal, rules, sizes, stating, text};

#[test]
fn bounds_that_leave_nothing_between_them() {
    contradict(&[bytes(Field::MinSize, 2 * GIB), bytes(Field::MaxSize, GIB)]);
    contradict(&[pixels(Field::MinWidth, 101), pixels(Field::MaxWidth, 100)]);
    contradict(&[pixels(Field::MinHeight, 101), pixels(Field::MaxHeight, 100)]);
    contradict(&[bytes(Field::MinStride, 4097), bytes(Field::MaxStride, 4096)]);
    contradict(&[buffers(Field::MinBuffers, 3), buffers(Field::MaxBuffers, 2)]);
}

#[test]
fn alignments_that_go_past_the_upper_bound() {
    contradict(&[bytes(Field::MaxSize, 8191), bytes(Field::SizeAlign, 8192)]);
    contradict(&[pixels(Field::MaxWidth, 63), pixels(Field::WidthAlign, 64)]);
    contradict(&[
        pixels(Field::MinWidth, 65),
        pixels(Field::MaxWidth, 127),
        pixels(Field::WidthAlign, 64),
    ]);
    contradict(&[
        pixels(Field::MinHeight, 20_000),
        pixels(Field::HeightAlign, 19_000),
    ]);
    contradict(&[
        bytes(Field::MinStride, 100),
        bytes(Field::MaxStride, 127),
        bytes(Field::StrideAlign, 64),
    ]);
    assert_eq!(refusal(&[bytes(Field::MaxSize, 4095)]).fields(), [Field::MaxSize]);
}

#[test]
fn numbers_beyond_64_bits_are_contradictions_not_overflows() {
    contradict(&[
        bytes(Field::MinSize, (1 << 63) + 1),
        bytes(Field::SizeAlign, 1 << 63),
    ]);
    contradict(&[
        bytes(Field::StrideAlign, u64::MAX),
        rules([StrideRule::RoundUp(u64::MAX - 1)]),
    ]);
    contradict(&[
        bytes(Field::MinSize, 1 << 62),
        buffers(Field::Camping, 8),
        bytes(Field::MaxTotal, u64::MAX),
    ]);
    let error = refusal(&[bytes(Field::SizeAlign, u64::MAX)]);
    assert_eq!(error.fields(), [Field::SizeAlign]);
    let error = refusal(&[bytes(Field::MinSize, u64::MAX)]);
    assert_eq!(error.fields(), [Field::MinSize]);
}

#[test]
fn pictures_that_are_larger_than_allowed() {
    contradict(&[
        pixels(Field::MinWidth, 100),
        pixels(Field::MinHeight, 100),
        pixels(Field::MaxPixels, 9_999),
    ]);
    contradict(&[pixels(Field::WidthAlign, 128), pixels(Field::MaxPixels, 127)]);
    contradict(&[pixels(Field::MinWidth, 641), sizes([(640, 480)])]);
    contradict(&[pixels(Field::MaxHeight, 1079), sizes([(1920, 1080), (1080, 64)])]);
    contradict(&[
        pixels(Field::MaxHeight, 1080),
        pixels(Field::HeightAlign, 16),
        sizes([(1920, 1080)]),
    ]);
    contradict(&[pixels(Field::MaxPixels, 2_073_599), sizes([(1920, 1080)])]);
    let both_ways = [
        sizes([(1920, 1080), (1080, 1920)]),
        pixels(Field::MaxPixels, 2_073_600),
    ];
    assert_eq!(stating(&both_ways).build().err(), None);
}

#[test]
fn strides_that_contradict_each_other() {
    contradict(&[bytes(Field::StrideAlign, 64), rules([StrideRule::Fixed(2000)])]);
    contradict(&[bytes(Field::MinStride, 2049), rules([StrideRule::Fixed(2048)])]);
    contradict(&[bytes(Field::MaxStride, 2047), rules([StrideRule::Fixed(2048)])]);
    contradict(&[bytes(Field::MaxStride, 255), rules([StrideRule::RoundUp(256)])]);
    for alone in [
        rules([StrideRule::Fixed(2048), StrideRule::Fixed(4096)]),
        rules([StrideRule::Fixed(2048), StrideRule::RoundUp(4096)]),
    ] {
        assert_eq!(refusal(&[alone]).fields(), [Field::StrideRules]);
    }
}

#[test]
fn rows_that_are_longer_than_their_stride() {
    contradict(&[pixels(Field::MinWidth, 1921), bytes(Field::MaxStride, 1920)]);
    contradict(&[sizes([(1921, 2)]), rules([StrideRule::Fixed(1920)])]);
    let wide = Record::new().with(
        wharf_core::constraints::key::MIN_WIDTH,
        wharf_core::constraints::Pixels(1001),
    );
    let short: Record = [bytes(Field::MaxStride, 4000)].into_iter().collect();
    let of = |fourcc| {
        ImageConstraints::new(fourcc, Modifier::LINEAR)
            .image(wide.clone())
            .every_plane(short.clone())
    };
    let error = Constraints::builder()
        .image(of(Fourcc::XRGB8888))
        .build()
        .unwrap_err();
    assert_eq!(error.fields(), [Field::MinWidth, Field::MaxStride]);
    assert!(Constraints::builder().image(of(Fourcc::R8)).build().is_ok());
    let tiled = ImageConstraints {
        key: FormatKey {
            fourcc: Some(Fourcc::XRGB8888),
            tiling: None,
        },
        ..of(Fourcc::R8)
    };
    assert!(Constraints::builder().image(tiled).build().is_ok());
}

#[test]
fn one_plane_contradicts_what_is_said_of_all() {
    let all: Record = [bytes(Field::MinStride, 4096)].into_iter().collect();
    let one: Record = [bytes(Field::MaxStride, 4095)].into_iter().collect();
    let image = ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR)
        .every_plane(all)
        .planes(vec![Record::new(), one]);
    let error = Constraints::builder().image(image).build().unwrap_err();
    assert_eq!(error.fields(), [Field::MinStride, Field::MaxStride]);
}

#[test]
fn planes_in_one_memory_have_no_needs_of_memory_of_their_own() {
    let bank: Record = [(Field::Heaps, names(["bank1"]))].into_iter().collect();
    let placed = |place: &str| {
        let image = ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR)
            .image([text(Field::PlaneMemory, place)].into_iter().collect())
            .planes(vec![Record::new(), bank.clone()]);
        Constraints::builder().image(image).build()
    };
    assert!(placed("separate").is_ok());
    assert_eq!(
        placed("joint").unwrap_err().fields(),
        [Field::Heaps, Field::PlaneMemory]
    );
}

#[test]
fn protected_memory_is_not_for_the_cpu() {
    for cpu_use in [CpuUse::Rarely, CpuUse::Often] {
        contradict(&[
            text(Field::Protection, "secure"),
            (Field::CpuAccess, Value::CpuUse(cpu_use)),
        ]);
    }
    let open = [
        text(Field::Protection, "none"),
        (Field::CpuAccess, Value::CpuUse(CpuUse::Often)),
    ];
    assert_eq!(stating(&open).build().err(), None);
    let never = [
        text(Field::Protection, "secure"),
        (Field::CpuAccess, Value::CpuUse(CpuUse::Never)),
    ];
    assert_eq!(stating(&never).build().err(), None);
}

#[test]
fn buffers_that_the_device_cannot_hold() {
    let window = |first, last| {
        (
            Field::Windows,
            Value::Windows([first..=last].into_iter().collect()),
        )
    };
    contradict(&[window(0, 0xffff), bytes(Field::MinSize, 0x1_0001)]);
    contradict(&[
        (Field::MaxSegments, Value::Segments(4)),
        bytes(Field::MaxSegmentBytes, 4096),
        bytes(Field::MinSize, 4 * 4096 + 1),
    ]);
    contradict(&[
        bytes(Field::LengthGranule, 0x1_0000),
        bytes(Field::MaxSize, 0xffff),
    ]);
    let gap = [0..=0xffff, 0x2_0000..=0x2_ffff].into_iter().collect::<Windows>();
    contradict(&[
        (Field::Windows, Value::Windows(gap)),
        (Field::Contiguous, Value::Needed),
        bytes(Field::MinSize, 0x1_8000),
    ]);
}

#[test]
fn more_buffers_than_allowed() {
    contradict(&[
        buffers(Field::Camping, 2),
        buffers(Field::DedicatedSlack, 1),
        buffers(Field::SharedSlack, 1),
        buffers(Field::MaxBuffers, 3),
    ]);
    contradict(&[bytes(Field::MinSize, 4097), bytes(Field::MaxTotal, 8191)]);
    contradict(&[
        buffers(Field::MinBuffers, 3),
        bytes(Field::MaxTotal, 3 * 4096 - 1),
    ]);
}
