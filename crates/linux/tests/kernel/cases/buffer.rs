//! Buffers, whoever exported them.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use wharf_core::{AccessMode, BufferName, DataDirection};
use wharf_linux::dma_buf::{ImportedBuffer, KernelBuffer};

use super::{PAGE, buffer};

pub(crate) fn descriptors_of_one_buffer_have_one_identity() {
    let (Some(first), Some(other)) = (buffer(), buffer()) else {
        return;
    };
    let again = KernelBuffer::from_fd(OwnedFd::from(first.try_clone().unwrap())).unwrap();
    assert_eq!(again.id(), first.id());
    assert_ne!(other.id(), first.id());
    assert_eq!(
        (again.size_bytes(), again.access()),
        (first.size_bytes(), first.access())
    );
}

pub(crate) fn kernel_tells_who_exported_it_and_its_name() {
    let Some(buffer) = buffer() else { return };
    let forged = BufferName::new("preview exp_name: vgem").unwrap();
    buffer.set_name(&forged).unwrap();
    match buffer.names() {
        Ok(names) => {
            assert!(!buffer.is_emulated());
            assert_eq!(names.exporter, "system");
            assert_eq!(names.name.as_deref(), Some(forged.as_str()));
            assert!(names.references.is_some_and(|count| count >= 1), "{names:?}");
        }
        Err(error) => {
            assert!(buffer.is_emulated(), "{error}");
            assert_eq!(error.errno(), Errno::OPNOTSUPP);
        }
    }
}

pub(crate) fn mappings_show_the_same_bytes() {
    let Some(buffer) = buffer() else { return };
    let writer = buffer.map(AccessMode::ReadWrite).unwrap();
    let reader = buffer.try_clone().unwrap().map(AccessMode::ReadOnly).unwrap();
    let end = 2 * PAGE - 4;
    writer.view_mut().unwrap().copy_from(end, b"last").unwrap();
    let mut seen = [0; 4];
    reader.view().copy_to(end, &mut seen).unwrap();
    assert_eq!(&seen, b"last");
    assert!(reader.view_mut().is_err());
    assert!(
        writer.view_mut().unwrap().copy_from(end + 1, b"past").is_err(),
        "past its end. Contract: C1"
    );
}

pub(crate) fn brackets_begin_and_end() {
    let Some(buffer) = buffer() else { return };
    for direction in [
        DataDirection::FromDevice,
        DataDirection::ToDevice,
        DataDirection::Bidirectional,
    ] {
        buffer.begin_access(direction).unwrap().end().unwrap();
        drop(buffer.begin_access(direction).unwrap());
    }
    let outer = buffer.begin_access(DataDirection::ToDevice).unwrap();
    buffer
        .begin_access(DataDirection::FromDevice)
        .unwrap()
        .end()
        .unwrap();
    outer.end().unwrap();
}

pub(crate) fn imported_buffer_is_one_of_the_framework() {
    let Some(kernel) = buffer() else { return };
    kernel.set_name(&BufferName::new("preview").unwrap()).unwrap();
    let emulated = kernel.is_emulated();
    let other = kernel.try_clone().unwrap();
    let imported = ImportedBuffer::import(kernel.into()).unwrap();
    assert_eq!(
        (imported.size_bytes(), imported.exporter_name()),
        (2 * PAGE as u64, "dma-buf")
    );
    assert_eq!(imported.access(), AccessMode::ReadWrite);
    assert_eq!(
        imported.name().is_some(),
        !emulated,
        "the stand-in tells no names"
    );
    let access = imported.begin_cpu_access(.., DataDirection::ToDevice).unwrap();
    access.page_mut(1).unwrap().write_at(8, b"frame").unwrap();
    access.end().unwrap();
    let mut seen = [0; 5];
    other
        .map(AccessMode::ReadOnly)
        .unwrap()
        .view()
        .copy_to(PAGE + 8, &mut seen)
        .unwrap();
    assert_eq!(&seen, b"frame");
    let refused = imported
        .to_read_only()
        .begin_cpu_access(.., DataDirection::ToDevice)
        .unwrap_err();
    assert_eq!(refused.errno(), wharf_core::Errno::EACCES);
    let beyond = imported
        .begin_cpu_access(..=2 * PAGE as u64, DataDirection::FromDevice)
        .unwrap_err();
    assert_eq!(beyond.errno(), wharf_core::Errno::EINVAL);
}
