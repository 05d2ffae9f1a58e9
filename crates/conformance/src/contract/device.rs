//! Devices at buffers. Contracts: A1, A3, A4, A6, B3.

use wharf_core::Errno;
use wharf_core::dma::{DmaLimits, SgTable, Translation, Window};

use super::{AccessMode, Contract, DataDirection, DeviceSut, PAGE_BYTES, SIZE, buffer, must, refused};

pub(super) const CONTRACTS: [Contract; 3] = [Contract::Static, Contract::Dynamic, Contract::Revocable];

/// Returns limits that a buffer of single pages keeps, and one of one piece too.
pub(super) fn limits_of_pages() -> Vec<DmaLimits> {
    let builders = [
        DmaLimits::builder(),
        DmaLimits::builder().address_mask(0xffff_ffff),
        DmaLimits::builder().max_segment_bytes(PAGE_BYTES),
        DmaLimits::builder().boundary_mask(2 * PAGE_BYTES - 1),
        DmaLimits::builder()
            .segment_align_bytes(PAGE_BYTES)
            .max_segments(16),
    ];
    builders.map(built).into()
}

/// Builds limits that mean something.
pub(super) fn built(builder: wharf_core::dma::DmaLimitsBuilder) -> DmaLimits {
    match builder.build() {
        Ok(limits) => limits,
        Err(error) => panic!("{error}"),
    }
}

/// Returns limits of a device behind an IOMMU, which watches which way data moves: a direct one writes where it likes.
pub(super) fn watched() -> DmaLimits {
    built(DmaLimits::builder().translation(Translation::Iommu {
        aperture: Window {
            first: 0,
            last: 0xffff_ffff,
        },
        page_bytes: PAGE_BYTES,
        coalesce: false,
    }))
}

/// Checks that a table is of the whole buffer and keeps the limits of its device.
#[track_caller]
pub(super) fn assert_keeps<S: DeviceSut>(sut: &S, mapping: &S::Mapping, limits: &DmaLimits, size_bytes: u64) {
    let table = SgTable::new(sut.segments(mapping));
    if let Err(violation) = limits.check_table(&table, size_bytes) {
        panic!("{violation}: {table:?}");
    }
}

/// B3: a device finds nothing but zeroes in a new buffer.
pub fn devices_see_zeroes_at_first<S: DeviceSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(DmaLimits::unconstrained()));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Static));
    let mapping = must(sut.map(&attachment, DataDirection::ToDevice));
    assert_eq!(sut.device_sees(&device, &mapping, 0, &[0; 4 * 4096]), Ok(true));
}

/// A1, A4: what the CPU writes the device sees, and the other way round, with each contract. Mirrors `dma_buf_attach` and what follows.
pub fn cpu_and_device_see_each_others_writes<S: DeviceSut>(sut: &S) {
    let device = sut.simple_device(DmaLimits::unconstrained());
    for contract in CONTRACTS {
        let buffer = buffer(sut);
        sut.put(&buffer, PAGE_BYTES - 4, b"from CPU");
        let attachment = must(sut.attach_simple(&buffer, &device, contract));
        let mapping = must(sut.map(&attachment, DataDirection::ToDevice));
        assert_eq!(
            sut.device_sees(&device, &mapping, PAGE_BYTES - 4, b"from CPU"),
            Ok(true)
        );
        assert_eq!(
            sut.device_sees(&device, &mapping, PAGE_BYTES - 4, b"from cpu"),
            Ok(false)
        );
        sut.unmap(mapping);
        let mapping = must(sut.map(&attachment, DataDirection::FromDevice));
        must(sut.device_fill(&device, &mapping, 100..PAGE_BYTES + 2, 7));
        sut.unmap(mapping);
        assert_eq!(sut.look(&buffer, 99, 3), [0, 7, 7], "{contract:?}");
        assert_eq!(sut.look(&buffer, PAGE_BYTES + 1, 2), *b"\x07P", "{contract:?}");
    }
}

/// A4: there is one memory: what one device writes another sees, while both have it mapped. A hidden copy would not show it.
pub fn devices_share_the_memory<S: DeviceSut>(sut: &S) {
    let buffer = buffer(sut);
    let camera = sut.simple_device(DmaLimits::unconstrained());
    let encoder = sut.simple_device(built(DmaLimits::builder().address_mask(0xffff_ffff)));
    let (from, to) = (
        must(sut.attach_simple(&buffer, &camera, Contract::Dynamic)),
        must(sut.attach_simple(&buffer, &encoder, Contract::Dynamic)),
    );
    let written = must(sut.map(&from, DataDirection::FromDevice));
    let read = must(sut.map(&to, DataDirection::ToDevice));
    for value in [1, 2] {
        must(sut.device_fill(&camera, &written, 0..SIZE, value));
        assert_eq!(sut.device_sees(&encoder, &read, 0, &[value; 4 * 4096]), Ok(true));
    }
}

/// A4: tables are of the whole buffer and keep the limits of the device: window, count, length, boundary, alignment. Mirrors what
/// `dma_set_max_seg_size` and `dma_set_seg_boundary` promise, and the checks of `CONFIG_DMABUF_DEBUG`.
pub fn tables_keep_the_limits<S: DeviceSut>(sut: &S) {
    for limits in limits_of_pages().into_iter().chain([watched()]) {
        for contract in CONTRACTS {
            let (buffer, device) = (buffer(sut), sut.simple_device(limits.clone()));
            let attachment = must(sut.attach_simple(&buffer, &device, contract));
            for direction in [DataDirection::ToDevice, DataDirection::FromDevice] {
                let mapping = must(sut.map(&attachment, direction));
                assert_keeps(sut, &mapping, &limits, SIZE);
            }
        }
    }
}

/// A1: only the functions in use count: a display's overlay takes pages that its scan-out cannot. The buffer is of single pages, and held.
pub fn functions_in_use_count<S: DeviceSut>(sut: &S) {
    let buffer = buffer(sut);
    let display = sut.device(&[
        ("scanout", built(DmaLimits::builder().contiguous())),
        ("overlay", DmaLimits::unconstrained()),
    ]);
    let attach = |functions: &[&str]| {
        sut.attach(
            &buffer,
            &display,
            functions,
            AccessMode::ReadOnly,
            Contract::Static,
        )
    };
    let overlay = must(attach(&["overlay"]));
    let _held = must(sut.map(&overlay, DataDirection::ToDevice));
    refused(attach(&["scanout"]), Errno::EBUSY);
    refused(attach(&["overlay", "scanout"]), Errno::EBUSY);
    must(attach(&["overlay"]));
}

/// A1: a read-only handle attaches devices for reading only. The kernel does not look at the mode here.
pub fn read_only_handle_attaches_for_reading<S: DeviceSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(DmaLimits::unconstrained()));
    let viewer = must(sut.read_only(&buffer));
    for contract in CONTRACTS {
        refused(sut.attach_simple(&viewer, &device, contract), Errno::EACCES);
        let attachment = must(sut.attach(&viewer, &device, &["dma"], AccessMode::ReadOnly, contract));
        must(sut.map(&attachment, DataDirection::ToDevice));
    }
}

/// A3: a late device that the memory suits is attached, while others have it mapped.
pub fn late_device_that_fits_is_attached<S: DeviceSut>(sut: &S) {
    let buffer = buffer(sut);
    let first = sut.simple_device(DmaLimits::unconstrained());
    let attachment = must(sut.attach_simple(&buffer, &first, Contract::Static));
    let mapping = must(sut.map(&attachment, DataDirection::FromDevice));
    must(sut.device_fill(&first, &mapping, 0..SIZE, 3));
    sut.unmap(mapping);
    let _held = must(sut.map(&attachment, DataDirection::ToDevice));
    for limits in limits_of_pages() {
        let late = sut.simple_device(limits);
        let attachment = must(sut.attach_simple(&buffer, &late, Contract::Static));
        let mapping = must(sut.map(&attachment, DataDirection::ToDevice));
        assert_eq!(sut.device_sees(&late, &mapping, 0, &[3; 4 * 4096]), Ok(true));
    }
}

/// A3: a late device that the memory does not suit is refused while others have it mapped, and they do not notice. Mirrors EBUSY of an
/// exporter's `attach`: backing exists and cannot satisfy the device.
pub fn late_device_that_does_not_fit_is_refused<S: DeviceSut>(sut: &S) {
    let buffer = buffer(sut);
    let first = sut.simple_device(DmaLimits::unconstrained());
    let late = sut.simple_device(built(DmaLimits::builder().contiguous()));
    let attachment = must(sut.attach_simple(&buffer, &first, Contract::Static));
    let mapping = must(sut.map(&attachment, DataDirection::FromDevice));
    let before = sut.segments(&mapping);
    for contract in CONTRACTS {
        refused(sut.attach_simple(&buffer, &late, contract), Errno::EBUSY);
    }
    assert_eq!(sut.segments(&mapping), before);
    must(sut.device_fill(&first, &mapping, 0..SIZE, 5));
    sut.unmap(mapping);
    assert_eq!(sut.look(&buffer, SIZE - 1, 1), [5]);
}

/// A6: a read-only attachment is not mapped for writing, whatever the contract.
pub fn read_only_attachment_is_not_mapped_for_writing<S: DeviceSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(watched()));
    for contract in CONTRACTS {
        let attachment = must(sut.attach(&buffer, &device, &["dma"], AccessMode::ReadOnly, contract));
        for direction in [DataDirection::FromDevice, DataDirection::Bidirectional] {
            refused(sut.map(&attachment, direction), Errno::EACCES);
        }
        let mapping = must(sut.map(&attachment, DataDirection::ToDevice));
        assert!(
            sut.device_fill(&device, &mapping, 0..1, 1).is_err(),
            "{contract:?}: it wrote"
        );
    }
    assert_eq!(sut.look(&buffer, 0, 1), [0]);
}

/// A4: an attachment that is in use is not detached, and comes back; unmapped, it goes. The kernel leaves this to the importer.
pub fn attachment_in_use_is_not_detached<S: DeviceSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(DmaLimits::unconstrained()));
    for contract in CONTRACTS {
        let attachment = must(sut.attach_simple(&buffer, &device, contract));
        let mapping = must(sut.map(&attachment, DataDirection::ToDevice));
        let Err((errno, attachment)) = sut.detach(attachment) else {
            panic!("{contract:?}: detached while mapped");
        };
        assert_eq!(errno, Errno::EBUSY);
        sut.unmap(mapping);
        assert!(sut.detach(attachment).is_ok(), "{contract:?}: not detached");
    }
}

/// A4: an attachment is mapped as often as one likes, and each mapping ends by itself.
pub fn mappings_end_one_by_one<S: DeviceSut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(DmaLimits::unconstrained()));
    for contract in CONTRACTS {
        let attachment = must(sut.attach_simple(&buffer, &device, contract));
        let first = must(sut.map(&attachment, DataDirection::Bidirectional));
        let second = must(sut.map(&attachment, DataDirection::Bidirectional));
        sut.unmap(first);
        must(sut.device_fill(&device, &second, 0..SIZE, 9));
        sut.unmap(second);
        assert_eq!(sut.look(&buffer, 0, 1), [9], "{contract:?}");
        sut.put(&buffer, 0, &[0]);
    }
}
