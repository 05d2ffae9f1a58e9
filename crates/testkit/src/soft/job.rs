//! What DMA engines do.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use wharf_core::dma::SgTable;
use wharf_core::{Fence, SgSegment};

use super::dma::SoftDma;
use super::finding::DeviceFault;

/// How many bytes an engine moves at a time.
const BURST_BYTES: u64 = 4096;

/// Bytes of a buffer, as the device finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    table: SgTable,
    range: Range<u64>,
}

/// Something for an engine to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Writes one value to all bytes.
    Fill {
        /// Where.
        to: Span,
        /// What.
        value: u8,
    },
    /// Copies bytes; as many as both spans have.
    Copy {
        /// From where.
        from: Span,
        /// Where to.
        to: Span,
    },
    /// Computes the [`checksum`] of all bytes.
    Checksum {
        /// Of what.
        of: Span,
    },
}

/// A job that an engine was given.
#[derive(Debug, Clone)]
pub struct SoftJob {
    fence: Fence,
    outcome: Outcome,
}

/// What a job has come to; the number is the checksum, or how many bytes were written.
pub(super) type Outcome = Arc<OnceLock<Result<u64, DeviceFault>>>;

impl Span {
    /// All bytes of a buffer.
    pub fn all(table: &SgTable) -> Self {
        Self::new(table, 0..table.total_bytes())
    }

    /// Some bytes of a buffer; those behind its end are left out.
    pub fn new(table: &SgTable, range: Range<u64>) -> Self {
        Self {
            table: table.clone(),
            range,
        }
    }

    /// Divides the span so that no piece is longer than a burst.
    fn bursts(&self) -> impl Iterator<Item = SgSegment> {
        self.table.pieces(self.range.clone()).flat_map(|segment| {
            let bursts = 0..segment.length_bytes.div_ceil(BURST_BYTES);
            bursts.map(move |burst| SgSegment {
                address: segment.address.wrapping_add(burst * BURST_BYTES),
                length_bytes: BURST_BYTES.min(segment.length_bytes - burst * BURST_BYTES),
            })
        })
    }
}

impl SoftJob {
    pub(super) fn new(fence: Fence, outcome: Outcome) -> Self {
        Self { fence, outcome }
    }

    /// Returns the fence that is signaled when the job is done, with EIO if it failed.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Returns what the job has come to: the checksum, or how many bytes were written. `None` while it is not done.
    pub fn outcome(&self) -> Option<Result<u64, DeviceFault>> {
        self.outcome.get().cloned()
    }
}

/// Returns the 64-bit FNV-1a sum of some bytes: what [`Job::Checksum`] computes.
///
/// ```
/// use wharf_testkit::soft::checksum;
/// assert_eq!(checksum(b""), 0xcbf2_9ce4_8422_2325);
/// assert_eq!(checksum(b"a"), 0xaf63_dc4c_8601_ec8c);
/// ```
pub fn checksum(bytes: &[u8]) -> u64 {
    checksum_from(0xcbf2_9ce4_8422_2325, bytes)
}

fn checksum_from(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Does a job.
pub(super) fn run(job: &Job, dma: &SoftDma) -> Result<u64, DeviceFault> {
    match job {
        Job::Fill { to, value } => {
            let mut written = 0;
            for burst in to.bursts() {
                dma.write(burst, &vec![*value; length(burst)])?;
                written += burst.length_bytes;
            }
            Ok(written)
        }
        Job::Checksum { of } => {
            let mut sum = checksum(&[]);
            for burst in of.bursts() {
                sum = checksum_from(sum, &read(dma, burst)?);
            }
            Ok(sum)
        }
        Job::Copy { from, to } => copy(dma, from, to),
    }
}

fn copy(dma: &SoftDma, from: &Span, to: &Span) -> Result<u64, DeviceFault> {
    let mut written = 0;
    for burst in to.bursts() {
        let source = Span::new(&from.table, from.range.start + written..from.range.end);
        let mut bytes = Vec::new();
        for piece in source.bursts() {
            let left = burst.length_bytes - bytes.len() as u64;
            if left == 0 {
                break;
            }
            let piece = SgSegment {
                length_bytes: piece.length_bytes.min(left),
                ..piece
            };
            bytes.extend(read(dma, piece)?);
        }
        if bytes.is_empty() {
            break;
        }
        dma.write(
            SgSegment {
                length_bytes: bytes.len() as u64,
                ..burst
            },
            &bytes,
        )?;
        written += bytes.len() as u64;
    }
    Ok(written)
}

fn read(dma: &SoftDma, from: SgSegment) -> Result<Vec<u8>, DeviceFault> {
    let mut bytes = vec![0; length(from)];
    dma.read(from, &mut bytes)?;
    Ok(bytes)
}

/// The length of a burst.
fn length(burst: SgSegment) -> usize {
    usize::try_from(burst.length_bytes).unwrap_or(usize::MAX)
}
