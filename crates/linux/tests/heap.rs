//! Buffers of the local heap.

use std::error::Error;
use std::fs;

use rustix::io::Errno;
use wharf_core::{AccessMode, BufferName, DataDirection};
use wharf_linux::{HeapError, Memfd, MemfdExporter, MemfdHeap};

type TestResult = Result<(), Box<dyn Error>>;

#[test]
fn sizes_are_rounded_up_to_whole_pages() -> TestResult {
    let page_bytes = u64::try_from(rustix::param::page_size())?;
    assert_eq!(MemfdHeap.allocate(1, None)?.size_bytes(), page_bytes);
    assert_eq!(MemfdHeap.allocate(page_bytes, None)?.size_bytes(), page_bytes);
    assert_eq!(
        MemfdHeap.allocate(page_bytes + 1, None)?.size_bytes(),
        2 * page_bytes
    );
    Ok(())
}

#[test]
fn impossible_sizes_are_refused() {
    for size_bytes in [0, u64::MAX, 1 << 63] {
        let refused = MemfdHeap.allocate(size_bytes, None).map(drop);
        assert!(
            matches!(refused, Err(HeapError::Size { .. })),
            "{size_bytes}: {refused:?}"
        );
        assert_eq!(refused.map_err(|error| error.errno()), Err(Errno::INVAL));
    }
}

#[test]
fn more_than_the_address_space_is_out_of_memory() {
    let refused = MemfdHeap.allocate(1 << 60, None).map(drop);
    assert_eq!(refused.map_err(|error| error.errno()), Err(Errno::NOMEM));
}

#[test]
fn a_new_buffer_is_zeroed_named_and_writable() -> TestResult {
    let buffer = MemfdHeap.allocate(8192, Some(BufferName::new("preview")?))?;
    assert_eq!(buffer.exporter_name(), "memfd");
    assert_eq!(buffer.name().as_ref().map(BufferName::as_str), Some("preview"));
    assert_eq!(buffer.access(), AccessMode::ReadWrite);

    let exporter = buffer.exporter::<MemfdExporter>().ok_or("another exporter")?;
    let mut contents = [0xff; 8192];
    exporter.mapping().view().copy_to(0, &mut contents)?;
    assert!(contents.iter().all(|byte| *byte == 0));

    let access = buffer.begin_cpu_access(.., DataDirection::Bidirectional)?;
    exporter.mapping().view_mut()?.copy_from(4000, b"across a page")?;
    access.end()?;
    let mut seen = [0; 13];
    rustix::io::pread(exporter.memfd(), &mut seen, 4000)?;
    assert_eq!(&seen, b"across a page");
    Ok(())
}

#[test]
fn a_released_buffers_memory_is_gone_and_not_recycled() -> TestResult {
    let first = MemfdHeap.allocate(4096, None)?;
    let exporter = first.exporter::<MemfdExporter>().ok_or("another exporter")?;
    exporter.mapping().view_mut()?.copy_from(0, b"secret")?;
    let first_id = exporter.memfd().inspect()?.id;
    drop(first);

    let second = MemfdHeap.allocate(4096, None)?;
    let exporter = second.exporter::<MemfdExporter>().ok_or("another exporter")?;
    assert_ne!(exporter.memfd().inspect()?.id, first_id);
    let mut seen = [0xff; 6];
    exporter.mapping().view().copy_to(0, &mut seen)?;
    assert_eq!(seen, [0; 6]);
    Ok(())
}

#[test]
fn releasing_a_buffer_closes_its_file_and_its_mapping() -> TestResult {
    let buffer = MemfdHeap.allocate(4096, Some(BufferName::new("leak check 7261")?))?;
    assert!(fs::read_to_string("/proc/self/maps")?.contains("leak check 7261"));
    let guard = buffer.begin_cpu_access(.., DataDirection::FromDevice)?;
    drop(buffer);
    assert!(
        fs::read_to_string("/proc/self/maps")?.contains("leak check 7261"),
        "the guard holds it"
    );
    drop(guard);
    assert!(!fs::read_to_string("/proc/self/maps")?.contains("leak check 7261"));
    for entry in fs::read_dir("/proc/self/fd")? {
        // Descriptors of other tests come and go; a vanished one is not ours.
        let target = fs::read_link(entry?.path()).unwrap_or_default();
        assert!(!target.to_string_lossy().contains("leak check 7261"));
    }
    Ok(())
}

#[test]
fn imported_memory_becomes_a_buffer_with_the_access_of_its_mapping() -> TestResult {
    let memfd = Memfd::create("imported", 4096)?;
    let received = Memfd::from_fd(memfd.reopen_read_only()?)?;
    let buffer = MemfdExporter::map(received, AccessMode::ReadOnly)?.export(None)?;
    assert_eq!(buffer.access(), AccessMode::ReadOnly);
    let refused = buffer.begin_cpu_access(.., DataDirection::ToDevice);
    assert_eq!(
        refused.map_err(|error| error.errno().raw()).err(),
        Some(13),
        "EACCES"
    );
    let exporter = buffer.exporter::<MemfdExporter>().ok_or("another exporter")?;
    assert!(exporter.mapping().view_mut().is_err());
    Ok(())
}

#[test]
fn memory_that_can_still_grow_does_not_become_a_buffer() -> TestResult {
    let raw = rustix::fs::memfd_create("growing", rustix::fs::MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&raw, 4096)?;
    rustix::fs::fcntl_add_seals(&raw, wharf_linux::SealFlags::SHRINK)?;
    let refused = MemfdExporter::map(Memfd::from_fd(raw)?, AccessMode::ReadOnly).map(drop);
    assert_eq!(refused.map_err(|error| error.errno()), Err(Errno::INVAL));
    Ok(())
}
