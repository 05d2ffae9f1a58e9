//! Frame layouts that are impossible, and why.

use wharf_core::Errno;
use wharf_core::layout::{Fourcc, FrameLayout, LayoutError, Modifier, Plane};

#[test]
fn sides_of_zero_or_above_the_limit_are_refused_by_name() {
    let cases = [
        (0, 720, "width", 0),
        (1280, 0, "height", 0),
        (32_769, 720, "width", 32_769),
        (1280, u32::MAX, "height", u32::MAX),
    ];
    for (width, height, side, pixels) in cases {
        let refused = FrameLayout::linear(Fourcc::YUV420, width, height, 1);
        assert_eq!(refused, Err(LayoutError::Side { side, pixels }));
    }
}

#[test]
fn odd_sides_round_chroma_up() -> Result<(), LayoutError> {
    let layout = FrameLayout::linear(Fourcc::YUV420, 5, 3, 1)?;
    let chroma = layout.plane(2).map(|plane| (plane.row_bytes, plane.rows));
    assert_eq!(chroma, Some((3, 2)));
    assert_eq!(layout.size_bytes(), 15 + 6 + 6);
    assert_eq!(layout.plane(3), None);
    Ok(())
}

#[test]
fn alignments_that_are_no_power_of_two_or_too_large_are_refused() {
    for alignment_bytes in [0, 3, 65_537, 1 << 17, u32::MAX] {
        let refused = FrameLayout::linear(Fourcc::R8, 16, 16, alignment_bytes);
        assert_eq!(refused, Err(LayoutError::StrideAlignment { alignment_bytes }));
    }
}

#[test]
fn unknown_formats_and_modifiers_are_refused_by_number() {
    let fourcc = Fourcc::from_bytes(*b"ZZ99");
    assert_eq!(
        FrameLayout::linear(fourcc, 16, 16, 1),
        Err(LayoutError::Format { fourcc })
    );
    let modifier = Modifier::from_raw(0x0100_0000_0000_0001);
    let planes = [Plane {
        offset_bytes: 0,
        stride_bytes: 16,
    }];
    let refused = FrameLayout::from_planes(Fourcc::R8, modifier, 16, 16, &planes);
    assert_eq!(refused, Err(LayoutError::Modifier { modifier }));
    assert!(refused.is_err_and(|error| error.to_string().contains("0x0100000000000001")));
}

#[test]
fn a_wrong_number_of_planes_is_refused() {
    let planes = [Plane {
        offset_bytes: 0,
        stride_bytes: 16,
    }; 2];
    let refused = FrameLayout::from_planes(Fourcc::YUV420, Modifier::LINEAR, 16, 16, &planes);
    assert_eq!(
        refused,
        Err(LayoutError::PlaneCount {
            fourcc: Fourcc::YUV420,
            expected: 3,
            actual: 2
        })
    );
}

#[test]
fn overlapping_planes_are_refused_whatever_their_order() {
    let luma = Plane {
        offset_bytes: 0,
        stride_bytes: 16,
    };
    let chroma = Plane {
        offset_bytes: 255,
        stride_bytes: 16,
    };
    let refused = FrameLayout::from_planes(Fourcc::NV12, Modifier::LINEAR, 16, 16, &[luma, chroma]);
    let overlap = LayoutError::Overlap {
        first: 0,
        second: 1,
        begin_bytes: 255,
        end_bytes: 256,
    };
    assert_eq!(refused, Err(overlap));

    let (luma, chroma) = (
        Plane {
            offset_bytes: 127,
            ..luma
        },
        Plane {
            offset_bytes: 0,
            ..chroma
        },
    );
    let refused = FrameLayout::from_planes(Fourcc::NV12, Modifier::LINEAR, 16, 16, &[luma, chroma]);
    let overlap = LayoutError::Overlap {
        first: 1,
        second: 0,
        begin_bytes: 127,
        end_bytes: 128,
    };
    assert_eq!(refused, Err(overlap));
}

#[test]
fn frames_of_four_gibibytes_are_sized_without_overflow() -> Result<(), LayoutError> {
    let layout = FrameLayout::linear(Fourcc::XRGB8888, 32_768, 32_768, 1)?;
    assert_eq!(layout.size_bytes(), 1 << 32);
    let refused = layout.validate((1 << 32) - 1);
    let too_small = LayoutError::BufferTooSmall {
        needed_bytes: 1 << 32,
        buffer_bytes: (1 << 32) - 1,
    };
    assert_eq!(refused, Err(too_small));
    Ok(())
}

#[test]
fn planes_that_begin_above_four_gibibytes_are_out_of_range() {
    let refused = FrameLayout::linear(Fourcc::YUV444, 32_768, 32_768, 65_536);
    assert_eq!(
        refused,
        Err(LayoutError::Offset {
            plane: 2,
            offset_bytes: 1 << 32
        })
    );
    assert_eq!(refused.map_err(|error| error.errno()), Err(Errno::ERANGE));
}
