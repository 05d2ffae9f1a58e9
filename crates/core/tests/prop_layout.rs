//! Frame layouts against a naive model in 128-bit arithmetic.

use proptest::prelude::*;
use wharf_core::Errno;
use wharf_core::layout::{Fourcc, FrameLayout, LayoutError, MAX_SIDE_PIXELS, Modifier, Plane};

/// Per plane: pixels per sample across, rows per sample row, bytes per sample.
fn model_format(fourcc: Fourcc) -> Vec<(u128, u128, u128)> {
    match &fourcc.raw().to_le_bytes() {
        b"YU12" => vec![(1, 1, 1), (2, 2, 1), (2, 2, 1)],
        b"YU16" => vec![(1, 1, 1), (2, 1, 1), (2, 1, 1)],
        b"YU24" => vec![(1, 1, 1), (1, 1, 1), (1, 1, 1)],
        b"NV12" => vec![(1, 1, 1), (2, 2, 2)],
        b"R8  " => vec![(1, 1, 1)],
        b"XR24" => vec![(1, 1, 4)],
        _ => vec![],
    }
}

/// Offset, stride, rows and row length of each plane, and the whole size, all in bytes or rows.
fn model(fourcc: Fourcc, width: u32, height: u32, alignment: u32) -> (Vec<[u128; 4]>, u128) {
    let (width, height, alignment) = (u128::from(width), u128::from(height), u128::from(alignment));
    let (mut planes, mut end) = (Vec::new(), 0);
    for (across, down, sample) in model_format(fourcc) {
        let row = (width / across + u128::from(width % across != 0)) * sample;
        let rows = height / down + u128::from(height % down != 0);
        let stride = row + (alignment - row % alignment) % alignment;
        planes.push([end, stride, rows, row]);
        end += stride * rows;
    }
    (planes, end)
}

fn fourcc() -> impl Strategy<Value = Fourcc> {
    prop::sample::select(vec![
        Fourcc::YUV420,
        Fourcc::YUV422,
        Fourcc::YUV444,
        Fourcc::NV12,
        Fourcc::R8,
        Fourcc::XRGB8888,
    ])
}

fn side() -> impl Strategy<Value = u32> {
    prop_oneof![1..=16_u32, 1..=MAX_SIDE_PIXELS, Just(MAX_SIDE_PIXELS)]
}

fn alignment() -> impl Strategy<Value = u32> {
    (0..=16_u32).prop_map(|power| 1 << power)
}

proptest! {
    #[test]
    fn linear_layouts_are_those_of_the_model(
        fourcc in fourcc(), width in side(), height in side(), alignment in alignment(),
    ) {
        let (expected, size) = model(fourcc, width, height, alignment);
        match FrameLayout::linear(fourcc, width, height, alignment) {
            Ok(layout) => {
                let extents = (0..4).filter_map(|index| layout.plane(index));
                let actual: Vec<_> = extents
                    .map(|plane| [plane.offset_bytes, plane.stride_bytes, plane.rows, plane.row_bytes])
                    .map(|numbers| numbers.map(u128::from))
                    .collect();
                prop_assert_eq!(&actual, &expected);
                prop_assert_eq!(u128::from(layout.size_bytes()), size);
                prop_assert!(layout.validate(layout.size_bytes()).is_ok());
                prop_assert!(layout.validate(layout.size_bytes() - 1).is_err());
                let again = FrameLayout::from_planes(
                    fourcc, layout.modifier(), layout.width(), layout.height(), layout.planes(),
                );
                prop_assert_eq!(again, Ok(layout));
            }
            Err(error) => {
                let plane = expected.iter().position(|[offset, ..]| *offset > u128::from(u32::MAX));
                let plane = plane.expect("refused only for an offset above 32 bits");
                let offset_bytes = u64::try_from(expected[plane][0]).expect("the model's offset");
                prop_assert_eq!(&error, &LayoutError::Offset { plane, offset_bytes });
                prop_assert_eq!(error.errno(), Errno::ERANGE);
            }
        }
    }

    #[test]
    fn foreign_planes_are_accepted_exactly_if_rows_fit_and_planes_are_apart(
        fourcc in fourcc(),
        width in 1..=64_u32,
        height in 1..=8_u32,
        planes in prop::collection::vec((0..2048_u32, 0..300_u32), 1..=4),
    ) {
        let planes: Vec<_> = planes
            .into_iter()
            .map(|(offset_bytes, stride_bytes)| Plane { offset_bytes, stride_bytes })
            .collect();
        let (extents, _) = model(fourcc, width, height, 1);
        let rows_fit = planes.iter().zip(&extents).all(|(plane, [.., row])| u128::from(plane.stride_bytes) >= *row);
        // Every byte is marked with the plane it belongs to.
        let mut owner = vec![None; 8192];
        let mut apart = true;
        for (index, (plane, [_, _, rows, _])) in planes.iter().zip(&extents).enumerate() {
            let start = plane.offset_bytes as usize;
            let len = plane.stride_bytes as usize * usize::try_from(*rows).expect("few rows");
            for byte in &mut owner[start..start + len] {
                apart &= byte.is_none();
                *byte = Some(index);
            }
        }
        let accepted = FrameLayout::from_planes(fourcc, Modifier::LINEAR, width, height, &planes);
        let expected = planes.len() == extents.len() && rows_fit && apart;
        prop_assert_eq!(accepted.is_ok(), expected, "{:?}", accepted);
        if let Ok(layout) = accepted {
            let end = owner.iter().rposition(Option::is_some).map_or(0, |last| last as u64 + 1);
            prop_assert_eq!(layout.size_bytes(), end);
        }
    }

    #[test]
    fn no_description_from_outside_panics_or_escapes_its_buffer(
        fourcc in prop_oneof![fourcc(), any::<u32>().prop_map(Fourcc::from_raw)],
        modifier in prop_oneof![Just(0), any::<u64>()],
        width in any::<u32>(),
        height in side(),
        planes in prop::collection::vec((any::<u32>(), any::<u32>()), 0..6),
        buffer_bytes in any::<u64>(),
    ) {
        let planes: Vec<_> = planes
            .into_iter()
            .map(|(offset_bytes, stride_bytes)| Plane { offset_bytes, stride_bytes })
            .collect();
        let layout =
            FrameLayout::from_planes(fourcc, Modifier::from_raw(modifier), width % 70_000, height, &planes);
        if let Ok(layout) = layout && layout.validate(buffer_bytes).is_ok() {
            for plane in (0..4).filter_map(|index| layout.plane(index)) {
                let last_row = u128::from(plane.rows - 1) * u128::from(plane.stride_bytes);
                let end = u128::from(plane.offset_bytes) + last_row + u128::from(plane.row_bytes);
                prop_assert!(end <= u128::from(buffer_bytes));
            }
        }
    }
}
