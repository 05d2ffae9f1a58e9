//! Windows of bytes against a plain vector.

use proptest::prelude::*;
use rustix::io::Errno;
use wharf_memory::{Mapping, OutOfBounds, View, ViewMut};

use crate::support::{contents, mapping};

/// Not a whole number of pages or words.
const SIZE_BYTES: usize = 4096 + 61;

#[derive(Debug, Clone)]
enum Operation {
    Write { offset: usize, bytes: Vec<u8> },
    Read { offset: usize, len: usize },
    Fill { offset: usize, len: usize, byte: u8 },
}

/// Positions and lengths that matter: small ones, those around the end, and those whose sums overflow.
fn positions() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0..SIZE_BYTES + 2,
        2 => SIZE_BYTES - 20..SIZE_BYTES + 20,
        1 => usize::MAX - 20..=usize::MAX,
        1 => isize::MAX as usize - 20..isize::MAX as usize + 20,
    ]
}

fn operations() -> impl Strategy<Value = Operation> {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        (positions(), bytes).prop_map(|(offset, bytes)| Operation::Write { offset, bytes }),
        (positions(), 0..300_usize).prop_map(|(offset, len)| Operation::Read { offset, len }),
        (positions(), positions(), any::<u8>()).prop_map(|(offset, len, byte)| Operation::Fill {
            offset,
            len,
            byte
        }),
    ]
}

/// The window of `model` that a sub-view from `offset` on has, if it lies inside.
fn window(model: &mut [u8], offset: usize, len: usize) -> Option<&mut [u8]> {
    model.get_mut(offset..offset.checked_add(len)?)
}

/// The bytes of a sub-view, read in blocks, and what fills none.
fn in_blocks(view: &View<'_>, offset: usize, len: usize) -> Option<Vec<u8>> {
    let mut blocks = view.subview(offset, len).ok()?.blocks();
    assert_eq!(blocks.len(), len / 64);
    let mut bytes = blocks.by_ref().collect::<Vec<_>>().concat();
    assert_eq!(blocks.next(), None, "it stays at the end");
    let mut rest = vec![0; len - bytes.len()];
    blocks.rest().copy_to(0, &mut rest).unwrap();
    bytes.extend(rest);
    Some(bytes)
}

/// Applies an operation to a view and to its model and compares what they say.
fn apply(view: &ViewMut<'_>, model: &mut [u8], operation: &Operation) {
    match operation {
        Operation::Write { offset, bytes } => {
            let expected = window(model, *offset, bytes.len()).map(|into| into.copy_from_slice(bytes));
            assert_eq!(view.copy_from(*offset, bytes).ok(), expected);
        }
        Operation::Read { offset, len } => {
            let mut read = vec![0xa5; *len];
            let expected = window(model, *offset, *len).map(|bytes| bytes.to_vec());
            assert_eq!(in_blocks(&view.as_view(), *offset, *len), expected);
            let outcome = view.as_view().copy_to(*offset, &mut read);
            assert_eq!(outcome.is_ok(), expected.is_some());
            assert_eq!(read, expected.unwrap_or(vec![0xa5; *len]));
        }
        Operation::Fill { offset, len, byte } => {
            let expected = window(model, *offset, *len).map(|bytes| bytes.fill(*byte));
            assert_eq!(view.fill(*offset, *len, *byte).ok(), expected);
        }
    }
}

/// Goes down one window a step while the steps lie inside, in the view and the model alike.
fn descend<'a, 'm>(
    mapping: &'a Mapping,
    model: &'m mut [u8],
    steps: &[(usize, usize)],
) -> (ViewMut<'a>, &'m mut [u8]) {
    let mut view = mapping.view_mut().unwrap();
    let mut rest = model;
    for (offset, len) in steps {
        let inside = window(rest, *offset, *len).is_some();
        assert_eq!(view.subview(*offset, *len).is_ok(), inside);
        assert_eq!(view.as_view().subview(*offset, *len).is_ok(), inside);
        if inside {
            view = view.subview(*offset, *len).unwrap();
            rest = &mut rest[*offset..offset + len];
        }
        assert_eq!(view.len_bytes(), rest.len());
    }
    (view, rest)
}

proptest! {
    #[test]
    fn views_do_what_a_vector_does(
        steps in prop::collection::vec((positions(), positions()), 0..4),
        operations in prop::collection::vec(operations(), 1..12),
    ) {
        let mapping = mapping(SIZE_BYTES);
        let mut model = vec![0; SIZE_BYTES];
        {
            let (view, window) = descend(&mapping, &mut model, &steps);
            for operation in &operations {
                apply(&view, window, operation);
            }
        }
        prop_assert_eq!(contents(&mapping), model);
    }
}

#[test]
fn copies_of_every_small_length_and_alignment_touch_exactly_their_bytes() {
    let mapping = mapping(128);
    let view = mapping.view_mut().unwrap();
    let source: Vec<u8> = (1..=64).collect();
    for start in 0..17 {
        for len in 0..41 {
            view.fill(0, 128, 0xee).unwrap();
            let bytes = &source[start % 5..start % 5 + len];
            view.copy_from(start, bytes).unwrap();
            let mut expected = vec![0xee; 128];
            expected[start..start + len].copy_from_slice(bytes);
            assert_eq!(contents(&mapping), expected, "{len} bytes at {start}");

            let mut read = [0xdd; 64];
            view.as_view().copy_to(start, &mut read[3..3 + len]).unwrap();
            assert_eq!(&read[3..3 + len], bytes);
            assert!(read[..3].iter().chain(&read[3 + len..]).all(|byte| *byte == 0xdd));
        }
    }
}

#[test]
fn refusal_names_the_access_and_the_window() {
    let mapping = mapping(4096);
    let view = mapping.view().subview(96, 1000).unwrap();
    let error = view.copy_to(990, &mut [0; 11]).unwrap_err();
    let expected = OutOfBounds {
        offset_bytes: 990,
        len_bytes: 11,
        window_bytes: 1000,
    };
    assert_eq!(error, expected);
    assert_eq!(error.errno(), Errno::INVAL);
    let text = "11 bytes at offset 990 do not lie inside a window of 1000 bytes";
    assert_eq!(error.to_string(), text);
}

#[test]
fn nothing_fits_at_the_end_and_not_beyond() {
    let mapping = mapping(4096);
    let view = mapping.view();
    assert_eq!(view.subview(4096, 0).unwrap().len_bytes(), 0);
    assert!(view.copy_to(4096, &mut []).is_ok());
    assert!(view.subview(4097, 0).is_err());
    assert!(view.copy_to(usize::MAX, &mut []).is_err());
}

#[test]
fn threads_may_write_the_same_bytes_at_once() {
    let mapping = mapping(4096);
    std::thread::scope(|scope| {
        for byte in [1, 2] {
            let view = mapping.view_mut().unwrap();
            scope.spawn(move || (0..200).for_each(|_| view.fill(0, 4096, byte).unwrap()));
        }
    });
    assert!(contents(&mapping).iter().all(|byte| [1, 2].contains(byte)));
}
