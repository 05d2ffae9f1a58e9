//! Buffers as such. Contracts: B1 to B3.

use wharf_core::Errno;

use super::{BufferSut, CpuSut, DataDirection, PAGE_BYTES, SIZE, buffer, must, refused};

/// B1: a buffer has the size that was asked for, through every handle, and keeps it. The kernel has it in `i_size`, fixed for life.
pub fn size_is_what_was_asked_for<S: BufferSut>(sut: &S) {
    for pages in [1, 3, 16, 257] {
        let buffer = must(sut.create(pages * PAGE_BYTES));
        assert_eq!(sut.size_bytes(&buffer), pages * PAGE_BYTES);
        assert_eq!(sut.size_bytes(&sut.another_handle(&buffer)), pages * PAGE_BYTES);
        assert_eq!(sut.size_bytes(&must(sut.read_only(&buffer))), pages * PAGE_BYTES);
    }
}

/// B1: there is no buffer without bytes. Mirrors udmabuf, which answers EINVAL.
pub fn size_of_zero_is_refused<S: BufferSut>(sut: &S) {
    refused(sut.create(0), Errno::EINVAL);
}

/// B1: sizes are whole pages. Mirrors udmabuf, which answers EINVAL; the kernel's heaps round up, and leave this case out.
pub fn size_of_broken_pages_is_refused<S: BufferSut>(sut: &S) {
    for size_bytes in [1, PAGE_BYTES - 1, PAGE_BYTES + 1, SIZE + 512] {
        refused(sut.create(size_bytes), Errno::EINVAL);
    }
}

/// B1: sizes fit the offsets of files, which are signed.
pub fn size_that_no_file_has_is_refused<S: BufferSut>(sut: &S) {
    for size_bytes in [1 << 63, u64::MAX - (PAGE_BYTES - 1)] {
        refused(sut.create(size_bytes), Errno::EOVERFLOW);
    }
}

/// B2: no two buffers have the same number, not even if one of them is gone. Mirrors the inode numbers of dma-buf files, from a counter of
/// 64 bits.
pub fn numbers_are_never_used_twice<S: BufferSut>(sut: &S) {
    let kept = buffer(sut);
    let mut seen = vec![sut.id(&kept)];
    for _ in 0..8 {
        let id = sut.id(&buffer(sut));
        assert!(!seen.contains(&id), "number {id} was used before");
        seen.push(id);
    }
    assert_eq!(sut.id(&kept), seen[0], "a buffer's number has changed");
}

/// B2: all handles mean the same buffer, whatever they allow. Mirrors that all descriptors of a dma-buf share one file.
pub fn handles_mean_the_same_buffer<S: BufferSut>(sut: &S) {
    let (first, other) = (buffer(sut), buffer(sut));
    let (second, viewer) = (sut.another_handle(&first), must(sut.read_only(&first)));
    assert!(sut.is_same(&first, &second) && sut.is_same(&first, &viewer));
    assert!(!sut.is_same(&first, &other));
    assert_eq!(sut.id(&second), sut.id(&first));
    assert_eq!(sut.id(&viewer), sut.id(&first));
}

/// B2: every buffer has the name of its exporter. Mirrors `exp_name` in fdinfo and bufinfo.
pub fn exporters_have_names<S: BufferSut>(sut: &S) {
    let name = sut.exporter_name(&buffer(sut));
    assert!(
        (1..=31).contains(&name.len()),
        "'{name}' has {} bytes",
        name.len()
    );
    assert_eq!(sut.exporter_name(&buffer(sut)), name);
}

/// B2: a buffer has no name until it gets one, of up to 31 bytes, and all handles see it. Mirrors `DMA_BUF_SET_NAME`.
pub fn name_is_seen_through_all_handles<S: BufferSut>(sut: &S) {
    let (buffer, other) = (buffer(sut), buffer(sut));
    let viewer = must(sut.read_only(&buffer));
    assert_eq!(sut.name(&buffer), None);
    for name in ["preview", "0123456789abcdefghijklmnopqrstu"] {
        must(sut.set_name(&sut.another_handle(&buffer), name));
        assert_eq!(sut.name(&buffer).as_deref(), Some(name));
        assert_eq!(sut.name(&viewer).as_deref(), Some(name));
    }
    assert_eq!(sut.name(&other), None, "named another buffer as well");
}

/// B2: a name of 32 bytes is refused, and the old one stays. Mirrors `DMA_BUF_SET_NAME`, which answers EINVAL.
pub fn name_that_is_too_long_is_refused<S: BufferSut>(sut: &S) {
    let buffer = buffer(sut);
    must(sut.set_name(&buffer, "preview"));
    refused(
        sut.set_name(&buffer, "0123456789abcdefghijklmnopqrstuv"),
        Errno::EINVAL,
    );
    assert_eq!(sut.name(&buffer).as_deref(), Some("preview"));
}

/// B3: the CPU finds nothing but zeroes in a new buffer. Mirrors test_alloc_zeroed of the dmabuf-heaps selftest.
pub fn contents_are_zero_at_first<S: CpuSut>(sut: &S) {
    let buffer = buffer(sut);
    assert_eq!(sut.look(&buffer, 0, 4 * 4096), vec![0; 4 * 4096]);
}

/// B3: memory that comes back is zeroed before somebody else gets it. Mirrors test_alloc_zeroed of the dmabuf-heaps selftest, which also
/// fills, frees and allocates again.
pub fn memory_comes_back_zeroed<S: CpuSut>(sut: &S) {
    for _ in 0..4 {
        let secret = buffer(sut);
        sut.put(&secret, 0, &[0x5a; 4 * 4096]);
        drop(secret);
        let fresh = buffer(sut);
        assert_eq!(
            sut.look(&fresh, 0, 4 * 4096),
            vec![0; 4 * 4096],
            "a secret is seen"
        );
    }
}

/// B1, B2: what one buffer holds is not seen in another.
pub fn contents_are_the_buffers_own<S: CpuSut>(sut: &S) {
    let (left, right) = (buffer(sut), buffer(sut));
    sut.put(&left, 0, &[1; 4096]);
    sut.put(&right, 0, &[2; 4096]);
    assert_eq!(sut.look(&left, 0, 4096), [1; 4096]);
    assert_eq!(sut.look(&right, 0, 4096), [2; 4096]);
    must(sut.end(must(sut.begin_all(&left, DataDirection::Bidirectional))));
}
