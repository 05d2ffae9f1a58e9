//! The numbers and layouts are the kernel's: those of the reference, and those of this machine's headers.

use std::process::Command;

use wharf_testkit::skip;
use wharf_uapi::{Ioctl, dma_buf, dma_heap, drm, sw_sync, sync_file, udmabuf};

/// Each call: how C names it, our number, and the number written out.
const NUMBERS: &[(&str, Ioctl, u32)] = &[
    ("DMA_HEAP_IOCTL_ALLOC", dma_heap::ALLOC, 0xc018_4800),
    ("UDMABUF_CREATE", udmabuf::CREATE, 0x4018_7542),
    ("UDMABUF_CREATE_LIST", udmabuf::CREATE_LIST, 0x4008_7543),
    ("DMA_BUF_IOCTL_SYNC", dma_buf::SYNC, 0x4008_6200),
    ("DMA_BUF_SET_NAME_A", dma_buf::SET_NAME_A, 0x4004_6201),
    ("DMA_BUF_SET_NAME_B", dma_buf::SET_NAME_B, 0x4008_6201),
    (
        "DMA_BUF_IOCTL_EXPORT_SYNC_FILE",
        dma_buf::EXPORT_SYNC_FILE,
        0xc008_6202,
    ),
    (
        "DMA_BUF_IOCTL_IMPORT_SYNC_FILE",
        dma_buf::IMPORT_SYNC_FILE,
        0x4008_6203,
    ),
    ("SYNC_IOC_MERGE", sync_file::MERGE, 0xc030_3e03),
    ("SYNC_IOC_FILE_INFO", sync_file::FILE_INFO, 0xc038_3e04),
    ("SYNC_IOC_SET_DEADLINE", sync_file::SET_DEADLINE, 0x4010_3e05),
    ("SW_SYNC_IOC_CREATE_FENCE", sw_sync::CREATE_FENCE, 0xc028_5700),
    ("SW_SYNC_IOC_INC", sw_sync::INC, 0x4004_5701),
    ("SW_SYNC_GET_DEADLINE", sw_sync::GET_DEADLINE, 0xc010_5702),
    ("DRM_IOCTL_VERSION", drm::VERSION, 0xc040_6400),
    ("DRM_IOCTL_GEM_CLOSE", drm::GEM_CLOSE, 0x4008_6409),
    ("DRM_IOCTL_GET_CAP", drm::GET_CAP, 0xc010_640c),
    (
        "DRM_IOCTL_PRIME_HANDLE_TO_FD",
        drm::PRIME_HANDLE_TO_FD,
        0xc00c_642d,
    ),
    (
        "DRM_IOCTL_PRIME_FD_TO_HANDLE",
        drm::PRIME_FD_TO_HANDLE,
        0xc00c_642e,
    ),
    ("DRM_IOCTL_MODE_CREATE_DUMB", drm::MODE_CREATE_DUMB, 0xc020_64b2),
    ("DRM_IOCTL_MODE_MAP_DUMB", drm::MODE_MAP_DUMB, 0xc010_64b3),
    ("DRM_IOCTL_MODE_DESTROY_DUMB", drm::MODE_DESTROY_DUMB, 0xc004_64b4),
    ("DRM_IOCTL_VGEM_FENCE_ATTACH", drm::VGEM_FENCE_ATTACH, 0xc010_6441),
    ("DRM_IOCTL_VGEM_FENCE_SIGNAL", drm::VGEM_FENCE_SIGNAL, 0x4008_6442),
];

/// Each field: the structure in C, the field, our offset.
macro_rules! offsets {
    ($($c:literal, $type:ty { $($field:ident: $c_field:literal),* })*) => {
        [$($(($c, $c_field, std::mem::offset_of!($type, $field)),)*)*]
    };
}

fn fields() -> Vec<(&'static str, &'static str, usize)> {
    offsets! {
        "dma_heap_allocation_data", dma_heap::AllocationData { len: "len", fd: "fd", fd_flags: "fd_flags", heap_flags: "heap_flags" }
        "udmabuf_create", udmabuf::Create { memfd: "memfd", flags: "flags", offset: "offset", size: "size" }
        "udmabuf_create_list", udmabuf::CreateListHead { flags: "flags", count: "count" }
        "udmabuf_create_item", udmabuf::CreateItem { memfd: "memfd", pad: "__pad", offset: "offset", size: "size" }
        "dma_buf_sync", dma_buf::Sync { flags: "flags" }
        "dma_buf_export_sync_file", dma_buf::ExportSyncFile { flags: "flags", fd: "fd" }
        "dma_buf_import_sync_file", dma_buf::ImportSyncFile { flags: "flags", fd: "fd" }
        "sync_merge_data", sync_file::MergeData { name: "name", fd2: "fd2", fence: "fence", flags: "flags", pad: "pad" }
        "sync_fence_info", sync_file::FenceInfo { obj_name: "obj_name", driver_name: "driver_name", status: "status", flags: "flags", timestamp_ns: "timestamp_ns" }
        "sync_file_info", sync_file::FileInfo { name: "name", status: "status", flags: "flags", num_fences: "num_fences", pad: "pad", sync_fence_info: "sync_fence_info" }
    }
    .into()
}

#[test]
fn numbers_are_those_of_the_kernel() {
    for (name, ours, kernels) in NUMBERS {
        assert_eq!(ours.raw(), *kernels, "{name}");
    }
}

#[test]
fn bytes_are_in_the_order_of_the_fields() {
    let asked = dma_heap::AllocationData {
        len: 1,
        fd: 2,
        fd_flags: 3,
        heap_flags: 4,
    };
    let bytes = asked.to_bytes();
    for (value, at, length) in [(1, 0, 8), (2, 8, 4), (3, 12, 4), (4, 16, 8)] {
        let mut field = [0; 8];
        field[..length].copy_from_slice(&bytes[at..at + length]);
        assert_eq!(u64::from_le_bytes(field), value, "at {at}");
    }
    assert_eq!(dma_heap::AllocationData::from_bytes(&bytes), asked);
}

#[test]
fn missing_bytes_are_zeros() {
    let bytes = dma_heap::AllocationData {
        len: 1,
        fd: 2,
        fd_flags: 3,
        heap_flags: 4,
    }
    .to_bytes();
    let read = dma_heap::AllocationData::from_bytes(&bytes[..14]);
    assert_eq!(
        read,
        dma_heap::AllocationData {
            len: 1,
            fd: 2,
            fd_flags: 3,
            heap_flags: 0
        }
    );
}

/// A C program prints what the headers say of each number, size and offset; kernel headers older than a name leave it out.
#[test]
fn layouts_are_those_of_this_machines_headers() {
    let directory = tempfile::tempdir().unwrap();
    let (source, program) = (directory.path().join("layout.c"), directory.path().join("layout"));
    std::fs::write(&source, c_program()).unwrap();
    let compiled = Command::new("cc").arg(&source).arg("-o").arg(&program).output();
    match compiled {
        Err(error) => {
            return skip(&format!(
                "no C compiler to read the system's headers with: {error}"
            ));
        }
        Ok(output) if !output.status.success() => {
            return skip(&format!(
                "the system's headers lack dma-bufs: {}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        Ok(_) => {}
    }
    let output = Command::new(&program).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut compared = 0;
    for line in said.lines() {
        let (what, value) = line.split_once('=').unwrap();
        let ours = ours(what).unwrap_or_else(|| panic!("{what} is not ours"));
        assert_eq!(ours, value.parse::<u64>().unwrap(), "{what}");
        compared += 1;
    }
    assert!(
        compared >= fields().len(),
        "only {compared} were compared:\n{said}"
    );
}

fn ours(what: &str) -> Option<u64> {
    let number = NUMBERS
        .iter()
        .find(|(name, ..)| *name == what)
        .map(|(_, ours, _)| u64::from(ours.raw()));
    let offset = || {
        let (structure, field) = what.split_once('.')?;
        let found = fields()
            .into_iter()
            .find(|(c, name, _)| *c == structure && *name == field);
        found.map(|(.., offset)| offset as u64)
    };
    number.or_else(offset)
}

fn c_program() -> String {
    let numbers: String = NUMBERS
        .iter()
        .map(|(name, ..)| {
            format!(
                "#ifdef {name}\nprintf(\"{name}=%lu\\n\", (unsigned long)(unsigned int){name});\n#endif\n"
            )
        })
        .collect();
    let offsets: String = fields()
        .iter()
        .map(|(c, field, _)| format!("printf(\"{c}.{field}=%lu\\n\", offsetof(struct {c}, {field}));\n"))
        .collect();
    format!(
        "#include <stdio.h>\n#include <stddef.h>\n#include <linux/types.h>\n#include <linux/dma-buf.h>\n\
         #include <linux/dma-heap.h>\n#include <linux/udmabuf.h>\n#include <linux/sync_file.h>\n\
         #if __has_include(<drm/drm.h>)\n#include <drm/drm.h>\n#endif\n\
         int main(void) {{\n{numbers}{offsets}return 0;\n}}\n"
    )
}
