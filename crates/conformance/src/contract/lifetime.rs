//! How long a buffer lives: as long as somebody has something of it, and no longer. Contract: B1; the order does not matter.

use wharf_core::dma::DmaLimits;

use super::{
    AccessMode, Contract, CpuSut, DataDirection, DeviceSut, LifetimeSut, PAGE_BYTES, UserMappingSut,
};
use super::{VmapSut, buffer, must};

/// B2: the last handle keeps a buffer, a read-only one too; then it is released. Mirrors `dma_buf_put`.
pub fn last_handle_releases<S: LifetimeSut>(sut: &S) {
    let first = buffer(sut);
    let id = sut.id(&first);
    let (second, viewer) = (sut.another_handle(&first), must(sut.read_only(&first)));
    drop(first);
    assert!(sut.is_alive(id), "released with two handles left");
    drop(second);
    assert!(sut.is_alive(id), "released with a read-only handle left");
    drop(viewer);
    assert!(!sut.is_alive(id), "never released");
}

/// C3: an open bracket keeps the buffer.
pub fn bracket_keeps_the_buffer<S: LifetimeSut + CpuSut>(sut: &S) {
    let buffer = buffer(sut);
    let id = sut.id(&buffer);
    let access = must(sut.begin_all(&buffer, DataDirection::Bidirectional));
    drop(buffer);
    assert!(sut.is_alive(id), "released in a bracket");
    must(sut.write(&access, 0, &[1]));
    must(sut.end(access));
    assert!(!sut.is_alive(id), "never released");
}

/// C1: a user mapping keeps the buffer. Mirrors that the mapping of a dma-buf holds its file.
pub fn user_mapping_keeps_the_buffer<S: LifetimeSut + UserMappingSut>(sut: &S) {
    let buffer = buffer(sut);
    let id = sut.id(&buffer);
    let mapping = must(sut.map_user(&buffer, 0, 1, AccessMode::ReadWrite));
    drop(buffer);
    assert!(sut.is_alive(id), "released while a user has it mapped");
    must(sut.user_write(&mapping, 0, &[1]));
    drop(mapping);
    assert!(!sut.is_alive(id), "never released");
}

/// C5: a mapping in the process keeps the buffer. The kernel has a `BUG_ON` for a buffer that is released while it is mapped so.
pub fn vmap_keeps_the_buffer<S: LifetimeSut + VmapSut>(sut: &S) {
    let buffer = buffer(sut);
    let id = sut.id(&buffer);
    let vmap = must(sut.vmap(&buffer));
    drop(buffer);
    assert!(sut.is_alive(id), "released while it is mapped");
    must(sut.vmap_write(&vmap, PAGE_BYTES, &[1]));
    drop(vmap);
    assert!(!sut.is_alive(id), "never released");
}

/// A1: an attachment keeps the buffer, and a mapping keeps both, in any order. The kernel warns of attachments that are left at release.
pub fn devices_keep_the_buffer<S: LifetimeSut + DeviceSut>(sut: &S) {
    let device = sut.simple_device(DmaLimits::unconstrained());
    for contract in [Contract::Static, Contract::Dynamic, Contract::Revocable] {
        let buffer = buffer(sut);
        let id = sut.id(&buffer);
        let attachment = must(sut.attach_simple(&buffer, &device, contract));
        let mapping = must(sut.map(&attachment, DataDirection::Bidirectional));
        drop(buffer);
        drop(attachment);
        assert!(sut.is_alive(id), "released while a device has it mapped");
        must(sut.device_fill(&device, &mapping, 0..PAGE_BYTES, 1));
        drop(mapping);
        assert!(!sut.is_alive(id), "never released");
    }
}
