//! Random devices, and a check of what they map that knows nothing of the framework's.

use arbitrary::Unstructured;
use wharf_core::dma::{DeviceError, DeviceUse, LimitsError};
use wharf_core::{Device, DmaLimits, Errno, SgSegment};

use super::byte;

/// What one function of a device can address.
#[derive(Debug, Clone, Copy)]
struct Reach {
    address_mask: u64,
    max_segments: Option<u32>,
    max_segment_bytes: Option<u64>,
    boundary_mask: Option<u64>,
    base_align_bytes: Option<u64>,
    contiguous: bool,
}

/// A device of one or two functions, which are used together.
#[derive(Debug, Clone)]
pub(super) struct Spec(Vec<Reach>);

/// Why there is no such device.
#[derive(Debug)]
pub(super) enum NoDevice {
    Limits(LimitsError),
    Device(DeviceError),
}

impl NoDevice {
    pub(super) fn errno(&self) -> Errno {
        match self {
            Self::Limits(error) => error.errno(),
            Self::Device(error) => error.errno(),
        }
    }
}

impl std::fmt::Display for NoDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Limits(error) => error.fmt(f),
            Self::Device(error) => error.fmt(f),
        }
    }
}

impl Reach {
    fn read(script: &mut Unstructured<'_>) -> Self {
        let mut pick = |choices: &[u64]| choices[usize::from(byte(script)) % choices.len()];
        let some = |number: u64| (number > 0).then_some(number);
        Self {
            address_mask: pick(&[u64::MAX, u64::MAX, 0xffff_ffff, 0xf_ffff, (1 << 36) - 1, 0x123]),
            max_segments: some(pick(&[0, 0, 1, 2, 4, 16])).map(|number| number as u32),
            max_segment_bytes: some(pick(&[0, 0, 4096, 8192, 1 << 16, 100, 6000])),
            boundary_mask: some(pick(&[0, 0, 0xfff, 0x3fff, 0xffff_ffff, 0x1234])),
            base_align_bytes: some(pick(&[0, 0, 4096, 1 << 16, 3])),
            contiguous: pick(&[0, 0, 0, 1]) == 1,
        }
    }

    fn limits(&self) -> Result<DmaLimits, LimitsError> {
        let mut limits = DmaLimits::builder().address_mask(self.address_mask);
        if let Some(segments) = self.max_segments {
            limits = limits.max_segments(segments);
        }
        if let Some(bytes) = self.max_segment_bytes {
            limits = limits.max_segment_bytes(bytes);
        }
        if let Some(mask) = self.boundary_mask {
            limits = limits.boundary_mask(mask);
        }
        if let Some(bytes) = self.base_align_bytes {
            limits = limits.base_align_bytes(bytes);
        }
        if self.contiguous {
            limits = limits.contiguous();
        }
        limits.build()
    }

    fn check(&self, segments: &[SgSegment]) {
        let what = || format!("{self:?}: {segments:x?}");
        for segment in segments {
            assert!(segment.length_bytes > 0, "{}", what());
            let last = segment.address.checked_add(segment.length_bytes - 1);
            let last = last.expect("a segment ends where addresses do");
            assert!(last <= self.address_mask, "{}", what());
            let longest = self.max_segment_bytes.unwrap_or(u64::MAX);
            assert!(segment.length_bytes <= longest, "{}", what());
            if let Some(mask) = self.boundary_mask {
                assert_eq!(segment.address & !mask, last & !mask, "{}", what());
            }
        }
        if let (Some(align_bytes), Some(first)) = (self.base_align_bytes, segments.first()) {
            assert!(first.address.is_multiple_of(align_bytes), "{}", what());
        }
        let most = self.max_segments.map_or(usize::MAX, |most| most as usize);
        assert!(segments.len() <= most, "{}", what());
        if self.contiguous {
            let follows = |pair: &[SgSegment]| pair[0].address + pair[0].length_bytes == pair[1].address;
            assert!(segments.windows(2).all(follows), "{}", what());
        }
    }
}

impl Spec {
    pub(super) fn read(script: &mut Unstructured<'_>) -> Self {
        let count = 1 + usize::from(byte(script) % 4 == 3);
        Self((0..count).map(|_| Reach::read(script)).collect())
    }

    pub(super) fn device(&self) -> Result<DeviceUse, NoDevice> {
        let mut device = Device::builder("device");
        for (number, reach) in self.0.iter().enumerate() {
            let limits = reach.limits().map_err(NoDevice::Limits)?;
            device = device.function(&format!("function {number}"), limits);
        }
        let device = device.build().map_err(NoDevice::Device)?;
        device.using_all().map_err(NoDevice::Device)
    }

    /// Checks that a mapping is the whole buffer, and that all functions can use it.
    pub(super) fn check(&self, segments: &[SgSegment], size_bytes: u64) {
        let total: u64 = segments.iter().map(|segment| segment.length_bytes).sum();
        assert_eq!(total, size_bytes, "{segments:x?}");
        self.0.iter().for_each(|reach| reach.check(segments));
    }
}
