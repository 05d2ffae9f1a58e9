//! Mappings that an importer hands on. Contract: C6.

use wharf_core::Errno;

use super::{PAGE_BYTES, RedirectSut, SIZE, buffer, must, refused};

/// What importers call the page where the buffer begins.
const THEIRS: u64 = 0x10_0000;

/// C6: a mapping that a user asked an importer for shows the exporter's pages. Mirrors `dma_buf_mmap`.
pub fn redirected_mapping_shows_the_buffer<S: RedirectSut>(sut: &S) {
    let buffer = buffer(sut);
    sut.put(&buffer, PAGE_BYTES, &[1; 4096]);
    let mapping = must(sut.redirect(&buffer, THEIRS, 1, 3));
    let mut seen = [0; 2];
    must(sut.user_read(&mapping, 4095, &mut seen));
    assert_eq!(seen, [1, 0]);
    assert_eq!(sut.coherency(&mapping), sut.declared());
}

/// C6: the bounds are the buffer's, whatever the importer calls its pages. Mirrors `dma_buf_mmap`: EINVAL past the end, EOVERFLOW for a
/// sum that wraps.
pub fn redirected_mapping_has_the_bounds_of_the_buffer<S: RedirectSut>(sut: &S) {
    let buffer = buffer(sut);
    let pages = SIZE / PAGE_BYTES;
    refused(sut.redirect(&buffer, 0, pages - 1, 2), Errno::EINVAL);
    refused(sut.redirect(&buffer, 0, 2 * pages, 1), Errno::EINVAL);
    refused(sut.redirect(&buffer, 0, u64::MAX, 2), Errno::EOVERFLOW);
    must(sut.redirect(&buffer, u64::MAX, pages - 1, 1));
}

/// C6: a read-only handle gives no writable mapping here either. In the kernel only the mode of the importer's own file counts.
pub fn redirected_mapping_obeys_the_handle<S: RedirectSut>(sut: &S) {
    let viewer = must(sut.read_only(&buffer(sut)));
    refused(sut.redirect(&viewer, THEIRS, 0, 1), Errno::EACCES);
}
