//! Buffers made of memory files.

use std::os::fd::AsFd;

use rustix::io::Errno;
use wharf_core::AccessMode;
use wharf_linux::Memfd;
use wharf_linux::udmabuf::MemoryPart;
use wharf_memory::{Access, Mapping};
use wharf_testkit::skip;

use super::{PAGE, udmabuf};

const SIZE: usize = 4 * PAGE;

fn memory() -> (Memfd, Mapping) {
    let memory = Memfd::create("memory", SIZE as u64).unwrap();
    let mapping = Mapping::map(&memory, SIZE, Access::ReadWrite).unwrap();
    (memory, mapping)
}

fn seen(mapping: &Mapping, offset: usize) -> [u8; 4] {
    let mut bytes = [0; 4];
    mapping.view().copy_to(offset, &mut bytes).unwrap();
    bytes
}

pub(crate) fn buffer_and_memory_file_are_the_same_pages() {
    let Some(device) = udmabuf() else { return };
    let (memory, mapping) = memory();
    mapping.view_mut().unwrap().copy_from(0, b"mem ").unwrap();
    let buffer = device.create(&memory).unwrap();
    assert_eq!(buffer.size_bytes(), SIZE as u64);
    let both = buffer.map(AccessMode::ReadWrite).unwrap();
    assert_eq!(&seen(&both, 0), b"mem ");
    both.view_mut().unwrap().copy_from(PAGE, b"buf ").unwrap();
    assert_eq!(&seen(&mapping, PAGE), b"buf ");
    // What is sealed afterwards stays a buffer, which whoever has it can write: the seal is the memory file's.
    memory.seal_future_writes().unwrap();
    both.view_mut().unwrap().copy_from(2 * PAGE, b"late").unwrap();
    assert_eq!(&seen(&mapping, 2 * PAGE), b"late");
    drop((both, buffer));
    assert_eq!(&seen(&mapping, PAGE), b"buf ");
}

pub(crate) fn sealed_memory_is_refused() {
    let Some(device) = udmabuf() else { return };
    let (memory, _mapping) = memory();
    memory.seal_future_writes().unwrap();
    let refused = device.create(&memory).unwrap_err();
    assert_eq!(refused.errno(), Errno::INVAL);
    assert!(refused.to_string().contains("not against writing"), "{refused}");
}

fn part(memory: &Memfd, page: usize, pages: usize) -> MemoryPart<'_> {
    MemoryPart {
        memory: memory.as_fd(),
        offset_bytes: (page * PAGE) as u64,
        len_bytes: (pages * PAGE) as u64,
    }
}

pub(crate) fn part_becomes_a_buffer() {
    let Some(device) = udmabuf() else { return };
    let (memory, mapping) = memory();
    if device.create(&memory).unwrap().is_emulated() {
        let refused = device.create_of_part(part(&memory, 1, 2)).unwrap_err();
        return assert_eq!(refused.errno(), Errno::INVAL);
    }
    let buffer = device.create_of_part(part(&memory, 1, 2)).unwrap();
    assert_eq!(buffer.size_bytes(), 2 * PAGE as u64);
    mapping.view_mut().unwrap().copy_from(2 * PAGE, b"two ").unwrap();
    assert_eq!(&seen(&buffer.map(AccessMode::ReadOnly).unwrap(), PAGE), b"two ");
    for odd in [part(&memory, 3, 2), part(&memory, 0, 0)] {
        assert_eq!(
            device.create_of_part(odd).unwrap_err().errno(),
            Errno::INVAL,
            "{odd:?}"
        );
    }
}

pub(crate) fn parts_become_one_buffer() {
    let Some(device) = udmabuf() else { return };
    let ((memory, mapping), (other, other_mapping)) = (memory(), memory());
    if device.create(&memory).unwrap().is_emulated() {
        return skip("lists of parts are refused under wharf run");
    }
    let buffer = device.create_list(&[part(&memory, 3, 1), part(&other, 0, 2), part(&memory, 0, 1)]);
    let buffer = buffer.unwrap();
    assert_eq!(buffer.size_bytes(), 4 * PAGE as u64);
    mapping.view_mut().unwrap().copy_from(3 * PAGE, b"a3  ").unwrap();
    other_mapping
        .view_mut()
        .unwrap()
        .copy_from(PAGE, b"b1  ")
        .unwrap();
    mapping.view_mut().unwrap().copy_from(0, b"a0  ").unwrap();
    let view = buffer.map(AccessMode::ReadOnly).unwrap();
    let all = [0, 2 * PAGE, 3 * PAGE].map(|offset| seen(&view, offset));
    assert_eq!(all, [*b"a3  ", *b"b1  ", *b"a0  "]);
    assert_eq!(device.create_list(&[]).unwrap_err().errno(), Errno::INVAL);
}
