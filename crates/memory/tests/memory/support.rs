//! Memfds and mappings to test with.

use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use wharf_memory::{Access, Mapping};

/// A memfd of this size and with these seals.
pub(crate) fn memfd_with(size_bytes: usize, seals: SealFlags) -> OwnedFd {
    let fd = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&fd, size_bytes as u64).unwrap();
    fcntl_add_seals(&fd, seals).unwrap();
    fd
}

/// A memfd of this size as Wharf shares it.
pub(crate) fn memfd(size_bytes: usize) -> OwnedFd {
    memfd_with(size_bytes, SealFlags::SHRINK | SealFlags::GROW)
}

/// A writable mapping of a whole new memfd.
pub(crate) fn mapping(size_bytes: usize) -> Mapping {
    Mapping::map(memfd(size_bytes), size_bytes, Access::ReadWrite).unwrap()
}

/// Every byte of a mapping.
pub(crate) fn contents(mapping: &Mapping) -> Vec<u8> {
    let mut bytes = vec![0; mapping.len_bytes()];
    mapping.view().copy_to(0, &mut bytes).unwrap();
    bytes
}
