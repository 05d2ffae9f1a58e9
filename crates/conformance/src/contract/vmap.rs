//! Buffers that are mapped within the process. Contract: C5.

use wharf_core::Errno;

use super::{DataDirection, PAGE_BYTES, SIZE, VmapSut, buffer, must, refused};

/// C5: the bytes are those of the buffer, within brackets. Mirrors `dma_buf_vmap`.
pub fn vmap_shows_the_bytes<S: VmapSut>(sut: &S) {
    let buffer = buffer(sut);
    sut.put(&buffer, PAGE_BYTES - 2, b"head");
    let vmap = must(sut.vmap(&buffer));
    let access = must(sut.begin_all(&buffer, DataDirection::Bidirectional));
    let mut seen = [0; 4];
    must(sut.vmap_read(&vmap, PAGE_BYTES - 2, &mut seen));
    assert_eq!(&seen, b"head");
    must(sut.vmap_write(&vmap, SIZE - 4, b"tail"));
    must(sut.end(access));
    drop(vmap);
    assert_eq!(sut.look(&buffer, SIZE - 4, 4), b"tail");
}

/// C5: mappings are counted: the others stay when one goes. Mirrors `vmapping_counter` of `struct dma_buf`.
pub fn vmaps_are_counted<S: VmapSut>(sut: &S) {
    let buffer = buffer(sut);
    let mut maps: Vec<_> = (0..3).map(|_| must(sut.vmap(&buffer))).collect();
    while let Some(vmap) = maps.pop() {
        must(sut.vmap_read(&vmap, 0, &mut [0; 16]));
        drop(vmap);
        if let Some(other) = maps.first() {
            must(sut.vmap_read(other, 0, &mut [0; 16]));
        }
    }
    must(sut.vmap_read(&must(sut.vmap(&buffer)), 0, &mut [0; 16]));
}

/// C5: bytes past the end do not exist, and offsets do not wrap.
pub fn vmap_ends_with_the_buffer<S: VmapSut>(sut: &S) {
    let vmap = must(sut.vmap(&buffer(sut)));
    refused(sut.vmap_read(&vmap, SIZE, &mut [0]), Errno::EINVAL);
    refused(sut.vmap_read(&vmap, SIZE - 1, &mut [0; 2]), Errno::EINVAL);
    refused(sut.vmap_write(&vmap, SIZE - 1, &[1; 2]), Errno::EINVAL);
    refused(sut.vmap_read(&vmap, u64::MAX, &mut [0; 2]), Errno::EOVERFLOW);
    refused(sut.vmap_write(&vmap, u64::MAX, &[1; 2]), Errno::EOVERFLOW);
}

/// C5: through a read-only handle it is for reading.
pub fn vmap_of_a_read_only_handle_cannot_write<S: VmapSut>(sut: &S) {
    let buffer = buffer(sut);
    let vmap = must(sut.vmap(&must(sut.read_only(&buffer))));
    refused(sut.vmap_write(&vmap, 0, &[1]), Errno::EACCES);
    must(sut.vmap_read(&vmap, 0, &mut [0]));
    assert_eq!(sut.look(&buffer, 0, 1), [0], "written all the same");
}
