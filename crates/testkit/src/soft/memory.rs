//! Simulated physical memory: pages that exist while they are allocated, with who wrote which byte.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use wharf_core::dma::{PhysicalRun, Requirements, Storage, Windows};
use wharf_core::{Errno, PAGE_BYTES};

use super::writes::Stamp;

/// Where memory is to be, and in how many pieces.
///
/// ```
/// use wharf_testkit::soft::Placement;
///
/// let carveout = Placement::contiguous().within([0..=0x3fff_ffff]).aligned(0x10_0000);
/// let fragmented = Placement::scattered(0x4000);
/// assert_ne!(carveout, fragmented);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    windows: Option<Windows>,
    chunk_bytes: Option<u64>,
    align_bytes: u64,
}

impl Placement {
    /// One run anywhere.
    pub fn contiguous() -> Self {
        Self {
            windows: None,
            chunk_bytes: None,
            align_bytes: PAGE_BYTES,
        }
    }

    /// Runs of `chunk_bytes`, a power of two of at least a page, each at a multiple of it, with gaps between them.
    pub fn scattered(chunk_bytes: u64) -> Self {
        Self {
            windows: None,
            chunk_bytes: Some(chunk_bytes),
            align_bytes: chunk_bytes,
        }
    }

    /// Only at these addresses.
    pub fn within(mut self, ranges: impl IntoIterator<Item = RangeInclusive<u64>>) -> Self {
        self.windows = Some(ranges.into_iter().collect());
        self
    }

    /// The first run begins at a multiple of `align_bytes`, a power of two.
    pub fn aligned(mut self, align_bytes: u64) -> Self {
        self.align_bytes = self.align_bytes.max(align_bytes);
        self
    }

    /// As scattered as the requirements allow, and one run where they do not say how.
    pub(super) fn for_requirements(needs: &Requirements) -> Self {
        let chunk_bytes = needs.min_chunk_bytes().filter(|_| !needs.is_contiguous());
        Self {
            windows: needs.windows().cloned(),
            chunk_bytes,
            align_bytes: needs.base_align_bytes().max(needs.min_chunk_bytes().unwrap_or(1)),
        }
    }
}

/// There is no free memory that is as asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no {size_bytes} free bytes as {placement:?}")]
pub struct OutOfMemory {
    /// How much was asked for, in bytes.
    pub size_bytes: u64,
    /// Where.
    pub placement: Box<Placement>,
}

impl OutOfMemory {
    /// Returns ENOMEM.
    pub fn errno(&self) -> Errno {
        Errno::ENOMEM
    }
}

/// One page: its bytes, which write each of them is from, and which it should be from.
pub(super) struct Frame {
    pub(super) bytes: Box<[u8]>,
    pub(super) stamps: Box<[Stamp]>,
    pub(super) latest: Box<[Stamp]>,
    /// What the page belongs to.
    pub(super) label: Box<str>,
    /// Where its first byte is in what it belongs to.
    pub(super) offset: u64,
}

/// # Invariants
/// All frames are in banks.
pub(super) struct Memory {
    banks: Windows,
    /// By the address of their first byte.
    frames: BTreeMap<u64, Frame>,
}

impl Memory {
    pub(super) fn new(banks: Windows) -> Self {
        Self {
            banks,
            frames: BTreeMap::new(),
        }
    }

    pub(super) fn allocated_bytes(&self) -> u64 {
        self.frames.len() as u64 * PAGE_BYTES
    }

    /// Allocates zeroed memory.
    pub(super) fn allocate(
        &mut self,
        label: &str,
        size_bytes: u64,
        placement: &Placement,
    ) -> Result<Storage, OutOfMemory> {
        let failed = || OutOfMemory {
            size_bytes,
            placement: Box::new(placement.clone()),
        };
        let runs = self.find(size_bytes, placement).ok_or_else(failed)?;
        let storage = Storage::new(runs).map_err(|_| failed())?;
        let mut offset = 0;
        for run in storage.runs() {
            for page in 0..run.length_bytes / PAGE_BYTES {
                self.frames
                    .insert(run.address + page * PAGE_BYTES, Frame::new(label, offset));
                offset += PAGE_BYTES;
            }
        }
        Ok(storage)
    }

    /// Gives memory back; what is not allocated is left as it is.
    pub(super) fn free(&mut self, storage: &Storage) {
        for run in storage.runs() {
            for page in 0..run.length_bytes / PAGE_BYTES {
                self.frames.remove(&(run.address + page * PAGE_BYTES));
            }
        }
    }

    /// Copies pages, with who wrote what; both have the same size.
    pub(super) fn copy(&mut self, from: &Storage, to: &Storage) {
        let pages = |storage: &Storage| {
            let runs = storage.runs().to_vec();
            let of_run = |run: PhysicalRun| {
                (0..run.length_bytes / PAGE_BYTES).map(move |page| run.address + page * PAGE_BYTES)
            };
            runs.into_iter().flat_map(of_run)
        };
        for (from, to) in pages(from).zip(pages(to)) {
            let Some(source) = self.frames.get(&from) else {
                continue;
            };
            let (bytes, stamps, latest) =
                (source.bytes.clone(), source.stamps.clone(), source.latest.clone());
            if let Some(target) = self.frames.get_mut(&to) {
                (target.bytes, target.stamps, target.latest) = (bytes, stamps, latest);
            }
        }
    }

    fn find(&self, size_bytes: u64, placement: &Placement) -> Option<Vec<PhysicalRun>> {
        let windows = match &placement.windows {
            Some(windows) => self.banks.intersection(windows),
            None => self.banks.clone(),
        };
        let chunk = placement.chunk_bytes.unwrap_or(size_bytes);
        let (mut runs, mut left, mut from) = (Vec::new(), size_bytes, 0);
        while left > 0 {
            let length_bytes = left.min(chunk);
            let align = if runs.is_empty() {
                placement.align_bytes
            } else {
                chunk
            };
            let address = self.lowest(&windows, from, align, length_bytes)?;
            runs.push(PhysicalRun {
                address,
                length_bytes,
            });
            left -= length_bytes;
            from = address.checked_add(length_bytes)?.checked_add(PAGE_BYTES)?;
        }
        Some(runs)
    }

    /// The lowest free run from an address on.
    fn lowest(&self, windows: &Windows, from: u64, align: u64, length_bytes: u64) -> Option<u64> {
        for window in windows.as_slice() {
            let mut address = window.first.max(from).checked_next_multiple_of(align)?;
            while windows.contains(address, length_bytes) && address <= window.last {
                match self.frames.range(address..address + length_bytes).next_back() {
                    None => return Some(address),
                    Some((taken, _)) => address = (taken + PAGE_BYTES).checked_next_multiple_of(align)?,
                }
            }
        }
        None
    }

    /// The frame of an address, and where in it that is.
    pub(super) fn frame(&mut self, address: u64) -> Option<(&mut Frame, usize)> {
        let within = address % PAGE_BYTES;
        let frame = self.frames.get_mut(&(address - within))?;
        // CAST: less than a page.
        Some((frame, within as usize))
    }
}

impl Frame {
    fn new(label: &str, offset: u64) -> Self {
        // CAST: a page.
        let bytes = PAGE_BYTES as usize;
        Self {
            bytes: vec![0; bytes].into_boxed_slice(),
            stamps: vec![Stamp::ZEROED; bytes].into_boxed_slice(),
            latest: vec![Stamp::ZEROED; bytes].into_boxed_slice(),
            label: label.into(),
            offset,
        }
    }
}

/// The physical addresses of the bytes `range` of a buffer.
pub(super) fn runs_of(storage: &Storage, range: Range<u64>) -> Vec<PhysicalRun> {
    let mut offset = 0;
    let mut runs = Vec::new();
    for run in storage.runs() {
        let (begin, end) = (offset, offset + run.length_bytes);
        let (first, last) = (range.start.max(begin), range.end.min(end));
        if first < last {
            runs.push(PhysicalRun {
                address: run.address + (first - begin),
                length_bytes: last - first,
            });
        }
        offset = end;
    }
    runs
}
