//! Caches: who brackets sees what the other wrote, and who forgets is noticed. Contract: C3.

use wharf_core::dma::{Coherency, DmaLimits};

use super::device::built;
use super::{CoherencySut, Contract, DataDirection, PAGE_BYTES, buffer, must};

/// Returns limits of a device that does not see the CPU's caches.
pub(super) fn needs_sync() -> DmaLimits {
    built(DmaLimits::builder().coherency(Coherency::NeedsSync))
}

/// C3: brackets make caches right both ways, while a device has the buffer mapped. Mirrors what `begin_cpu_access` and `end_cpu_access` of an
/// exporter are for.
pub fn brackets_make_caches_right<S: CoherencySut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(needs_sync()));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Static));
    let mapping = must(sut.map(&attachment, DataDirection::Bidirectional));
    for value in 1..=3 {
        sut.put(&buffer, 0, &[value; 64]);
        assert_eq!(sut.device_sees(&device, &mapping, 0, &[value; 64]), Ok(true));
        must(sut.device_fill(&device, &mapping, 0..64, value + 100));
        assert_eq!(sut.look(&buffer, 0, 64), [value + 100; 64]);
    }
    assert!(sut.take_findings().is_empty());
}

/// C3: what the CPU wrote without a bracket a device does not see, and that is noticed.
pub fn write_without_bracket_is_noticed<S: CoherencySut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(needs_sync()));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Static));
    let mapping = must(sut.map(&attachment, DataDirection::Bidirectional));
    sut.write_unbracketed(&buffer, PAGE_BYTES, &[1; 64]);
    assert_eq!(sut.device_sees(&device, &mapping, PAGE_BYTES, &[0; 64]), Ok(true));
    assert!(!sut.take_findings().is_empty(), "nobody noticed");
}

/// C3: a CPU that reads without a bracket sees what was there before the device wrote, and that is noticed.
pub fn read_without_bracket_is_noticed<S: CoherencySut>(sut: &S) {
    let (buffer, device) = (buffer(sut), sut.simple_device(needs_sync()));
    let attachment = must(sut.attach_simple(&buffer, &device, Contract::Static));
    let mapping = must(sut.map(&attachment, DataDirection::Bidirectional));
    assert_eq!(sut.look(&buffer, 0, 64), [0; 64]);
    must(sut.device_fill(&device, &mapping, 0..64, 7));
    let mut seen = [0xee; 64];
    sut.read_unbracketed(&buffer, 0, &mut seen);
    assert_eq!(seen, [0; 64]);
    assert!(!sut.take_findings().is_empty(), "nobody noticed");
    assert_eq!(sut.look(&buffer, 0, 64), [7; 64]);
    assert!(sut.take_findings().is_empty());
}
