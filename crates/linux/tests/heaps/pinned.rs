//! The heap "udmabuf".

use rustix::io::Errno;
use wharf_linux::udmabuf::{Udmabuf, size_limit_bytes};
use wharf_linux::{
    AllocationRequest, DMA_BUF, Heap, Heaps, Memfd, RefusalReason, Residency, UdmabufHeap, needs_dma_buf,
};
use wharf_memory::{Access, Mapping};
use wharf_testkit::skip;

/// The heap, where it works.
fn heap() -> Option<UdmabufHeap> {
    match Udmabuf::open() {
        Ok(_) => Some(UdmabufHeap),
        Err(error) => {
            skip(&error.to_string());
            None
        }
    }
}

#[test]
fn heap_is_there_where_the_device_is_and_says_why_elsewhere() {
    let found = Heaps::of_this_machine();
    let is_there = found.heaps.get(UdmabufHeap::NAME).is_some();
    let refusal = found
        .absent
        .iter()
        .find(|refusal| refusal.heap == UdmabufHeap::NAME);
    assert_ne!(is_there, refusal.is_some());
    assert_eq!(is_there, Udmabuf::open().is_ok());
    if let Some(refusal) = refusal {
        assert_eq!(refusal.errno(), Errno::OPNOTSUPP);
        assert!(refusal.to_string().contains("/dev/udmabuf"), "{refusal}");
    }
}

#[test]
fn only_this_heap_understands_what_drivers_need() {
    assert_eq!(needs_dma_buf().key.to_string(), DMA_BUF);
    for offer in Heaps::of_this_machine().heaps.offers() {
        let understands = offer.guarantees.extensions.contains(DMA_BUF);
        assert_eq!(understands, *offer.name == *UdmabufHeap::NAME, "{}", offer.name);
    }
}

#[test]
fn memory_is_pinned_zeroed_and_can_still_be_sealed() {
    let Some(heap) = heap() else { return };
    let memory = heap.allocate(&AllocationRequest::new("frame", 10_000)).unwrap();
    assert_eq!(
        (memory.size_bytes(), memory.chunk_bytes(), memory.is_locked()),
        (12_288, 4096, true)
    );
    let Residency::Pinned(pinned) = memory.residency() else {
        panic!("{memory:?}")
    };
    assert_eq!(pinned.size_bytes(), 12_288);
    let writer = Mapping::map(memory.memfd(), 12_288, Access::ReadWrite).unwrap();
    let mut bytes = [1; 64];
    writer.view().copy_to(12_288 - 64, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 64]);
    memory.memfd().seal_future_writes().unwrap();
    let sealed = Memfd::from_fd(memory.memfd().reopen_read_only().unwrap()).unwrap();
    assert!(Mapping::map(&sealed, 12_288, Access::ReadWrite).is_err());
    assert!(
        Udmabuf::open().unwrap().create(&sealed).is_err(),
        "no dma-buf of what is sealed"
    );
    writer.view_mut().unwrap().copy_from(0, b"seen").unwrap();
    let mut seen = [0; 4];
    pinned
        .map(wharf_core::AccessMode::ReadOnly)
        .unwrap()
        .view()
        .copy_to(0, &mut seen)
        .unwrap();
    assert_eq!(&seen, b"seen");
}

#[test]
fn more_than_the_module_allows_is_refused() {
    let Some(heap) = heap() else { return };
    let request = AllocationRequest::new("frame", size_limit_bytes() + 1);
    let refused = heap.allocate(&request).unwrap_err();
    assert!(matches!(refused.reason, RefusalReason::Size { .. }), "{refused}");
    assert_eq!(heap.guarantees().max_size_bytes, size_limit_bytes());
}
