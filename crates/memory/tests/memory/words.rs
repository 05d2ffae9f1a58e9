//! Pages as arrays of words.

use std::os::fd::OwnedFd;

use wharf_memory::{
    Access, CELL_BYTES, HeapWords, Mapping, Ordering, OwnedWords, ReadOnlyWords, ReadWords, WordsError,
    WriteWords,
};

use crate::support::{mapping, memfd};

const SIZE_BYTES: usize = 4096;
const CELLS: usize = SIZE_BYTES / CELL_BYTES;

fn both_sides(fd: &OwnedFd) -> (OwnedWords, ReadOnlyWords) {
    let map = |access| Mapping::map(fd, SIZE_BYTES, access).unwrap();
    (
        OwnedWords::new(map(Access::ReadWrite), CELLS).unwrap(),
        ReadOnlyWords::new(map(Access::ReadOnly), CELLS).unwrap(),
    )
}

#[test]
fn page_to_be_written_needs_a_writable_mapping() {
    let mapping = Mapping::map(memfd(SIZE_BYTES), SIZE_BYTES, Access::ReadOnly).unwrap();
    assert_eq!(
        OwnedWords::new(mapping, 1).map(drop),
        Err(WordsError::NotWritable)
    );
}

#[test]
fn mapping_with_too_few_cells_is_refused() {
    let refusal = Err(WordsError::TooFewCells {
        needed: CELLS + 1,
        available: CELLS,
    });
    assert_eq!(OwnedWords::new(mapping(SIZE_BYTES), CELLS + 1).map(drop), refusal);
    assert_eq!(
        ReadOnlyWords::new(mapping(SIZE_BYTES), CELLS + 1).map(drop),
        refusal
    );
    // The last, broken cell does not count.
    assert!(ReadOnlyWords::new(mapping(CELL_BYTES * 3 + 7), 4).is_err());
    assert!(ReadOnlyWords::new(mapping(CELL_BYTES * 3 + 7), 3).is_ok());
}

#[test]
fn stores_are_seen_through_a_read_only_mapping() {
    let (writer, reader) = both_sides(&memfd(SIZE_BYTES));
    for cell in [0, 1, CELLS - 1] {
        let value = u64::MAX - cell as u64;
        writer.store_u64(cell, value, Ordering::Release);
        assert_eq!(reader.load_u64(cell, Ordering::Acquire), value);
        assert_eq!(reader.load_u64(cell, Ordering::Relaxed), value);
        assert_eq!(writer.load_u64(cell, Ordering::Acquire), value);
    }
}

#[test]
fn narrow_word_leaves_its_neighbours_alone() {
    let (writer, reader) = both_sides(&memfd(SIZE_BYTES));
    for cell in 0..3 {
        writer.store_u64(cell, u64::MAX, Ordering::Relaxed);
    }
    writer.store_u32(1, 7, Ordering::Release);
    assert_eq!(reader.load_u32(1, Ordering::Acquire), 7);
    assert_eq!(reader.futex(1).load(Ordering::Acquire), 7);
    assert_eq!(reader.load_u64(0, Ordering::Acquire), u64::MAX);
    assert_eq!(reader.load_u64(2, Ordering::Acquire), u64::MAX);
}

#[test]
fn narrow_word_ignores_the_other_half_of_its_cell() {
    let (writer, reader) = both_sides(&memfd(SIZE_BYTES));
    writer.store_u64(4, 0xdead_beef_0000_0009, Ordering::Release);
    assert_eq!(reader.load_u32(4, Ordering::Acquire), 9);
    assert_eq!(reader.futex(4).load(Ordering::Relaxed), 9);
}

#[test]
fn count_wraps_around() {
    let (writer, reader) = both_sides(&memfd(SIZE_BYTES));
    writer.store_u32(2, u32::MAX - 1, Ordering::Relaxed);
    let seen = [(); 4].map(|()| {
        writer.increment_u32(2, Ordering::Release);
        reader.load_u32(2, Ordering::Acquire)
    });
    assert_eq!(seen, [u32::MAX, 0, 1, 2]);
}

#[test]
fn words_lie_at_the_start_of_their_cells_in_machine_order() {
    let fd = memfd(SIZE_BYTES);
    let (writer, _) = both_sides(&fd);
    writer.store_u64(3, 0x0102_0304_0506_0708, Ordering::Release);
    let mut bytes = [0; CELL_BYTES];
    rustix::io::pread(&fd, &mut bytes, 3 * CELL_BYTES as u64).unwrap();
    assert_eq!(bytes, 0x0102_0304_0506_0708_u64.to_ne_bytes());
}

#[test]
fn counting_from_several_threads_loses_nothing() {
    let (writer, reader) = both_sides(&memfd(SIZE_BYTES));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..1000).for_each(|_| writer.increment_u32(5, Ordering::Release)));
        }
    });
    assert_eq!(reader.load_u32(5, Ordering::Acquire), 3000);
}

#[test]
#[should_panic(expected = "cell 512 of a page of 512 cells")]
fn cell_beyond_the_page_is_not_read() {
    both_sides(&memfd(SIZE_BYTES))
        .1
        .load_u64(CELLS, Ordering::Relaxed);
}

#[test]
#[should_panic(expected = "of a page of 512 cells")]
fn cell_whose_address_overflows_is_not_written() {
    let cell = usize::MAX / CELL_BYTES + 1;
    both_sides(&memfd(SIZE_BYTES))
        .0
        .store_u32(cell, 1, Ordering::Relaxed);
}

#[test]
fn heap_page_behaves_like_a_mapped_one() {
    let page = std::sync::Arc::new(HeapWords::new([0, 1], [2]));
    page.store_u64(1, u64::MAX, Ordering::Release);
    page.store_u32(2, u32::MAX, Ordering::Release);
    page.increment_u32(2, Ordering::Release);
    assert_eq!(page.load_u64(0, Ordering::Acquire), 0);
    assert_eq!(page.load_u64(1, Ordering::Acquire), u64::MAX);
    assert_eq!(page.load_u32(2, Ordering::Acquire), 0);
    assert_eq!(page.futex(2).load(Ordering::Acquire), 0);
}
