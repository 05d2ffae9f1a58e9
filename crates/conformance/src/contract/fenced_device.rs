//! Devices and those who work on the memory of a buffer. Contracts: F, R, A4. For systems whose exporters map anew each time.

use std::time::Duration;

use wharf_core::Errno;
use wharf_core::dma::DmaLimits;

use super::{Contract, DataDirection, FencedDeviceSut, Usage, buffer, must, refused};
use crate::PATIENCE;

/// R: a static importer is served: its mapping waits until memory has been moved or cleared, and for nobody else. Mirrors
/// `dma_buf_map_attachment`, which waits for fences of `DMA_RESV_USAGE_KERNEL`.
pub fn static_importer_waits_for_the_memory<S: FencedDeviceSut>(sut: &S) {
    let device = sut.simple_device(DmaLimits::unconstrained());
    for usage in [Usage::Kernel, Usage::Write, Usage::Read, Usage::Bookkeep] {
        let buffer = buffer(sut);
        let attachment = must(sut.attach_simple(&buffer, &device, Contract::Static));
        let work = sut.begin_work(&buffer, usage);
        let answer = sut.map_within(&attachment, DataDirection::ToDevice, Duration::ZERO);
        if usage == Usage::Kernel {
            refused(answer, Errno::ETIMEDOUT);
        } else {
            must(answer);
        }
        sut.finish(work, Ok(()));
        must(sut.map_within(&attachment, DataDirection::ToDevice, PATIENCE));
    }
}

/// A4: a mapping that was not waited for to the end is not there: the attachment can go.
pub fn mapping_that_timed_out_is_undone<S: FencedDeviceSut>(sut: &S) {
    let device = sut.simple_device(DmaLimits::unconstrained());
    let buffer = buffer(sut);
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Static));
    let work = sut.begin_work(&buffer, Usage::Kernel);
    refused(
        sut.map_within(&attachment, DataDirection::ToDevice, Duration::ZERO),
        Errno::ETIMEDOUT,
    );
    assert!(sut.detach(attachment).is_ok(), "something is left");
    sut.finish(work, Ok(()));
}
