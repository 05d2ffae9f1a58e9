//! Memory that waits until it is known who needs it. Contracts: A2, A3.

use wharf_core::Errno;
use wharf_core::dma::DmaLimits;

use super::device::{assert_keeps, built, limits_of_pages};
use super::{Contract, DataDirection, DeferredSut, PAGE_BYTES, SIZE, must, refused};

/// A2: there is no memory before the first mapping. Mirrors what the documentation of `struct dma_buf_ops` lets exporters do: delay
/// allocating until then.
pub fn memory_comes_with_the_first_mapping<S: DeferredSut>(sut: &S) {
    let buffer = must(sut.create_deferred(SIZE));
    let device = sut.simple_device(DmaLimits::unconstrained());
    assert!(!sut.has_memory(&buffer), "allocated at export");
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Static));
    assert!(!sut.has_memory(&buffer), "allocated at attach");
    let mapping = must(sut.map(&attachment, DataDirection::FromDevice));
    assert!(sut.has_memory(&buffer));
    must(sut.device_fill(&device, &mapping, 0..SIZE, 1));
}

/// A2: memory suits all who are attached when it is allocated, together: reach, count, length, boundary, alignment.
pub fn memory_suits_all_attachments<S: DeferredSut>(sut: &S) {
    let buffer = must(sut.create_deferred(16 * PAGE_BYTES));
    let mut all = limits_of_pages();
    all.push(built(DmaLimits::builder().max_segments(2)));
    all.push(built(DmaLimits::builder().base_align_bytes(8 * PAGE_BYTES)));
    all.push(built(DmaLimits::builder().windows([0x10_0000..=0x3fff_ffff])));
    let devices: Vec<_> = all
        .iter()
        .map(|limits| sut.simple_device(limits.clone()))
        .collect();
    let attachments: Vec<_> = devices
        .iter()
        .map(|device| must(sut.attach_simple(&buffer, device, Contract::Static)))
        .collect();
    for (attachment, limits) in attachments.iter().zip(&all) {
        let mapping = must(sut.map(attachment, DataDirection::ToDevice));
        assert_keeps(sut, &mapping, limits, 16 * PAGE_BYTES);
    }
}

/// A2, B3: a CPU that comes first gets memory too, of zeroes, and it suits who is attached.
pub fn cpu_that_comes_first_gets_memory<S: DeferredSut>(sut: &S) {
    let buffer = must(sut.create_deferred(SIZE));
    let limits = built(DmaLimits::builder().contiguous());
    let device = sut.simple_device(limits.clone());
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Static));
    assert_eq!(sut.look(&buffer, 0, 4 * 4096), [0; 4 * 4096]);
    assert!(sut.has_memory(&buffer));
    let mapping = must(sut.map(&attachment, DataDirection::ToDevice));
    assert_keeps(sut, &mapping, &limits, SIZE);
}

/// A2, A3: needs that no memory meets are refused when the second of them is attached; the first goes on. Mirrors EBUSY of an exporter's
/// `attach`.
pub fn needs_that_contradict_are_refused<S: DeferredSut>(sut: &S) {
    let buffer = must(sut.create_deferred(SIZE));
    let low = sut.simple_device(built(DmaLimits::builder().windows([0..=0xf_ffff])));
    let high = sut.simple_device(built(DmaLimits::builder().windows([0x10_0000..=0xffff_ffff])));
    let attachment = must(sut.attach_simple(&buffer, &low, Contract::Static));
    refused(sut.attach_simple(&buffer, &high, Contract::Static), Errno::EBUSY);
    assert!(!sut.has_memory(&buffer));
    let mapping = must(sut.map(&attachment, DataDirection::FromDevice));
    must(sut.device_fill(&low, &mapping, 0..SIZE, 1));
}

/// A2: a device that has gone before anything is allocated does not count.
pub fn devices_that_have_gone_do_not_count<S: DeferredSut>(sut: &S) {
    let buffer = must(sut.create_deferred(SIZE));
    let low = sut.simple_device(built(DmaLimits::builder().windows([0..=0xf_ffff])));
    let high = sut.simple_device(built(DmaLimits::builder().windows([0x10_0000..=0xffff_ffff])));
    drop(must(sut.attach_simple(&buffer, &low, Contract::Static)));
    let attachment = must(sut.attach_simple(&buffer, &high, Contract::Static));
    must(sut.map(&attachment, DataDirection::ToDevice));
    refused(sut.attach_simple(&buffer, &low, Contract::Static), Errno::EBUSY);
}
