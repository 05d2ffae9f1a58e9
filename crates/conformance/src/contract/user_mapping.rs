//! Buffers that are mapped for users. Contracts: C1, C2, C4.

use wharf_core::Errno;

use super::{AccessMode, Coherency, PAGE_BYTES, SIZE, UserMappingSut, buffer, must, refused};
use AccessMode::{ReadOnly, ReadWrite};

/// How many pages the buffers here have.
const PAGES: u64 = SIZE / PAGE_BYTES;

/// C1: the whole buffer and every part of it can be mapped, and show the bytes there. Mirrors `mmap` of a dma-buf.
pub fn whole_and_parts_can_be_mapped<S: UserMappingSut>(sut: &S) {
    let buffer = buffer(sut);
    for page in 0..4 {
        sut.put(&buffer, u64::from(page) * PAGE_BYTES, &[page + 1; 4096]);
    }
    for first in 0..PAGES {
        for count in 1..=PAGES - first {
            let mapping = must(sut.map_user(&buffer, first, count, ReadOnly));
            for page in 0..count {
                let mut seen = [0; 2];
                must(sut.user_read(&mapping, page * PAGE_BYTES + 7, &mut seen));
                assert_eq!(u64::from(seen[0]), first + page + 1, "{count} pages at {first}");
                assert_eq!(seen[0], seen[1]);
            }
        }
    }
}

/// C1: all mappings show the same memory.
pub fn mappings_share_the_bytes<S: UserMappingSut>(sut: &S) {
    let buffer = buffer(sut);
    let whole = must(sut.map_user(&buffer, 0, PAGES, ReadWrite));
    let part = must(sut.map_user(&buffer, 2, 1, ReadWrite));
    must(sut.user_write(&whole, 2 * PAGE_BYTES + 5, &[42]));
    let mut seen = [0];
    must(sut.user_read(&part, 5, &mut seen));
    assert_eq!(seen, [42]);
    must(sut.user_write(&part, 4095, &[43]));
    drop(part);
    must(sut.user_read(&whole, 3 * PAGE_BYTES - 1, &mut seen));
    assert_eq!(seen, [43]);
}

/// C1: a mapping past the end is refused, and so is one from the first range into the second. Mirrors `dma_buf_mmap_internal`, which
/// answers EINVAL.
pub fn mapping_past_the_end_is_refused<S: UserMappingSut>(sut: &S) {
    let buffer = buffer(sut);
    for (first, count) in [
        (0, PAGES + 1),
        (0, 2 * PAGES),
        (PAGES - 1, 2),
        (2 * PAGES, 1),
        (2 * PAGES - 1, 2),
        (u64::MAX / 2, 1),
    ] {
        refused(sut.map_user(&buffer, first, count, ReadOnly), Errno::EINVAL);
    }
    must(sut.map_user(&buffer, PAGES - 1, 1, ReadOnly));
}

/// C1: a sum that wraps is refused as such. Mirrors `dma_buf_mmap`, which answers EOVERFLOW.
pub fn mapping_that_wraps_is_refused<S: UserMappingSut>(sut: &S) {
    let buffer = buffer(sut);
    for (first, count) in [(u64::MAX, 1), (1, u64::MAX), (u64::MAX, u64::MAX)] {
        refused(sut.map_user(&buffer, first, count, ReadOnly), Errno::EOVERFLOW);
    }
}

/// C1: a mapping has a page at least. Mirrors `mmap`, which answers EINVAL.
pub fn mapping_of_nothing_is_refused<S: UserMappingSut>(sut: &S) {
    let buffer = buffer(sut);
    for first in [0, PAGES - 1, PAGES] {
        refused(sut.map_user(&buffer, first, 0, ReadOnly), Errno::EINVAL);
    }
}

/// C1: a touch behind a mapping is an error, never a signal: nothing of the buffer beyond the part that was mapped is there.
pub fn touch_behind_the_mapping_is_an_error<S: UserMappingSut>(sut: &S) {
    let mapping = must(sut.map_user(&buffer(sut), 1, 2, ReadWrite));
    for offset in [2 * PAGE_BYTES, 3 * PAGE_BYTES, 1 << 40] {
        refused(sut.user_read(&mapping, offset, &mut [0]), Errno::EINVAL);
        refused(sut.user_write(&mapping, offset, &[1]), Errno::EINVAL);
    }
}

/// C1: a read-only handle gives no writable mapping, and `protect` makes none of one. Mirrors `mmap` and `mprotect`, which answer EACCES.
pub fn read_only_handle_gives_no_writable_mapping<S: UserMappingSut>(sut: &S) {
    let buffer = buffer(sut);
    let viewer = must(sut.read_only(&buffer));
    refused(sut.map_user(&viewer, 0, PAGES, ReadWrite), Errno::EACCES);
    let mapping = must(sut.map_user(&viewer, 0, PAGES, ReadOnly));
    must(sut.user_read(&mapping, 0, &mut [0]));
    refused(sut.protect(&mapping, ReadWrite), Errno::EACCES);
    refused(sut.user_write(&mapping, 0, &[1]), Errno::EACCES);
    drop(mapping);
    assert_eq!(sut.look(&buffer, 0, 1), [0], "written all the same");
}

/// C1: what may be done with a mapping can be changed there and back. Mirrors `mprotect`.
pub fn protection_can_be_changed<S: UserMappingSut>(sut: &S) {
    let mapping = must(sut.map_user(&buffer(sut), 0, PAGES, ReadWrite));
    must(sut.user_write(&mapping, 0, &[1]));
    must(sut.protect(&mapping, ReadOnly));
    refused(sut.user_write(&mapping, 0, &[2]), Errno::EACCES);
    let mut seen = [0];
    must(sut.user_read(&mapping, 0, &mut seen));
    assert_eq!(seen, [1], "the write that was refused is there");
    must(sut.protect(&mapping, ReadWrite));
    must(sut.user_write(&mapping, 0, &[3]));
}

/// C2: users are told how a mapping stays coherent: as the exporter declared, each time the same.
pub fn declaration_is_told<S: UserMappingSut>(sut: &S) {
    let buffer = buffer(sut);
    for (first, count) in [(0, PAGES), (1, 1), (0, 1)] {
        let mapping = must(sut.map_user(&buffer, first, count, ReadOnly));
        assert_eq!(sut.coherency(&mapping), sut.declared());
    }
}

/// C4: the second range shows the same pages.
pub fn second_range_shows_the_same_pages<S: UserMappingSut>(sut: &S) {
    let buffer = buffer(sut);
    let first = must(sut.map_user(&buffer, 1, 2, ReadWrite));
    let second = must(sut.map_user(&buffer, PAGES + 1, 2, ReadWrite));
    must(sut.user_write(&second, PAGE_BYTES + 1, &[42]));
    let mut seen = [0];
    must(sut.user_read(&first, PAGE_BYTES + 1, &mut seen));
    assert_eq!(seen, [42]);
}

/// C4: the second range is explicitly managed where the exporter supports it, and like the first where not.
pub fn second_range_is_explicit_or_like_the_first<S: UserMappingSut>(sut: &S) {
    let mapping = must(sut.map_user(&buffer(sut), PAGES, PAGES, ReadOnly));
    let expected = if sut.has_second_range() {
        Coherency::Explicit
    } else {
        sut.declared()
    };
    assert_eq!(sut.coherency(&mapping), expected);
}
