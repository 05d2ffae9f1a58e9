//! Where a buffer's memory is.

use crate::{Errno, PAGE_BYTES};

use super::Window;

/// A stretch of physical memory without a hole, in the exporter's address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PhysicalRun {
    /// Address of the first byte.
    pub address: u64,
    /// Length in bytes.
    pub length_bytes: u64,
}

/// The memory of a buffer: runs in the order of the buffer's bytes.
///
/// # Invariants
/// At least one run. Addresses and lengths are multiples of [`PAGE_BYTES`], lengths are not zero, no run ends past the
/// last 64-bit address, no two overlap, and the total fits in 64 bits. A run that begins where the one before it ends has
/// been joined to it.
///
/// # Examples
/// ```
/// use wharf_core::dma::{PhysicalRun, Storage};
///
/// let storage = Storage::new([
///     PhysicalRun { address: 0x1000, length_bytes: 0x1000 },
///     PhysicalRun { address: 0x2000, length_bytes: 0x3000 },
///     PhysicalRun { address: 0x9000, length_bytes: 0x1000 },
/// ])?;
/// assert_eq!(storage.size_bytes(), 0x5000);
/// assert_eq!(storage.runs().len(), 2);
/// assert_eq!(storage.runs()[0], PhysicalRun { address: 0x1000, length_bytes: 0x4000 });
/// # Ok::<(), wharf_core::dma::StorageError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Storage {
    runs: Box<[PhysicalRun]>,
    size_bytes: u64,
}

/// Why a list of runs cannot be the memory of a buffer.
///
/// Runs are numbered from 0, as they were given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// There is no run.
    #[error("storage without memory; give at least one run")]
    Empty,
    /// A run is empty, or does not begin and end at page boundaries.
    #[error(
        "run {run} at {address:#x} has {length_bytes} bytes; both must be multiples of {PAGE_BYTES}, and the \
         length not zero"
    )]
    Unaligned {
        /// Which run.
        run: usize,
        /// Where it begins.
        address: u64,
        /// Its length in bytes.
        length_bytes: u64,
    },
    /// A run ends past the last 64-bit address, or the runs together are longer than 64 bits can say.
    #[error("run {run} at {address:#x} of {length_bytes} bytes goes past the end of 64-bit numbers")]
    Overflow {
        /// Which run.
        run: usize,
        /// Where it begins.
        address: u64,
        /// Its length in bytes.
        length_bytes: u64,
    },
    /// Two runs share memory.
    #[error("runs {first} and {second} share the memory at {address:#x}")]
    Overlap {
        /// The run given first.
        first: usize,
        /// The run given second.
        second: usize,
        /// The first address in both.
        address: u64,
    },
}

impl StorageError {
    /// Returns EOVERFLOW for numbers too large, and EINVAL otherwise.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Overflow { .. } => Errno::EOVERFLOW,
            Self::Empty | Self::Unaligned { .. } | Self::Overlap { .. } => Errno::EINVAL,
        }
    }
}

impl PhysicalRun {
    fn last(self) -> u64 {
        self.address + (self.length_bytes - 1)
    }

    /// The addresses of a run of checked storage.
    pub(super) fn window(self) -> Window {
        Window {
            first: self.address,
            last: self.last(),
        }
    }
}

impl Storage {
    /// Checks a list of runs.
    ///
    /// # Errors
    /// [`StorageError::Overflow`]: EOVERFLOW when a number does not fit in 64 bits. All others: EINVAL.
    pub fn new(runs: impl IntoIterator<Item = PhysicalRun>) -> Result<Self, StorageError> {
        let given: Vec<PhysicalRun> = runs.into_iter().collect();
        if given.is_empty() {
            return Err(StorageError::Empty);
        }
        let size_bytes = check_each(&given)?;
        check_overlap(&given)?;
        Ok(Self {
            runs: join(given),
            size_bytes,
        })
    }

    /// Returns the runs, in the order of the buffer's bytes.
    pub fn runs(&self) -> &[PhysicalRun] {
        &self.runs
    }

    /// Returns the length of all runs together, in bytes: the size of the buffer.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Says whether the memory is one run.
    pub fn is_contiguous(&self) -> bool {
        self.runs.len() == 1
    }
}

/// Checks every run by itself and returns their total length in bytes.
fn check_each(runs: &[PhysicalRun]) -> Result<u64, StorageError> {
    let mut total: u64 = 0;
    for (
        run,
        &PhysicalRun {
            address,
            length_bytes,
        },
    ) in runs.iter().enumerate()
    {
        if length_bytes == 0 || !(address | length_bytes).is_multiple_of(PAGE_BYTES) {
            return Err(StorageError::Unaligned {
                run,
                address,
                length_bytes,
            });
        }
        let fits = address.checked_add(length_bytes - 1).is_some();
        total = match total.checked_add(length_bytes) {
            Some(total) if fits => total,
            _ => {
                return Err(StorageError::Overflow {
                    run,
                    address,
                    length_bytes,
                });
            }
        };
    }
    Ok(total)
}

fn check_overlap(runs: &[PhysicalRun]) -> Result<(), StorageError> {
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_unstable_by_key(|&run| (runs[run].address, run));
    for pair in order.windows(2) {
        let (low, high) = (pair[0], pair[1]);
        if runs[high].address <= runs[low].last() {
            return Err(StorageError::Overlap {
                first: low.min(high),
                second: low.max(high),
                address: runs[high].address,
            });
        }
    }
    Ok(())
}

/// Joins runs that follow each other without a gap.
fn join(runs: Vec<PhysicalRun>) -> Box<[PhysicalRun]> {
    let mut joined: Vec<PhysicalRun> = Vec::with_capacity(runs.len());
    for run in runs {
        match joined.last_mut() {
            Some(before) if before.last().checked_add(1) == Some(run.address) => {
                before.length_bytes += run.length_bytes;
            }
            _ => joined.push(run),
        }
    }
    joined.into_boxed_slice()
}
