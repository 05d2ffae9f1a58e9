//! The vocabulary: one row per field, which merging, checking and reports are driven by.

use std::fmt;

use super::{Coherency, Translation, Windows};

/// A field of a device's limits, or of what they ask of a buffer.
///
/// ```
/// use wharf_core::dma::{Field, MergeKind, Unit};
/// assert_eq!(Field::MaxSegmentBytes.name(), "max_segment_bytes");
/// assert_eq!(Field::MaxSegmentBytes.unit(), Unit::Bytes);
/// assert_eq!(Field::MaxSegmentBytes.merge_kind(), MergeKind::Min);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The addresses reached.
    Windows,
    /// How device addresses come from physical ones.
    Translation,
    /// The number of segments in a table.
    MaxSegments,
    /// The length of a segment.
    MaxSegmentBytes,
    /// Boundaries that no segment crosses.
    BoundaryMask,
    /// The alignment of the first segment.
    BaseAlign,
    /// The alignment of every segment.
    SegmentAlign,
    /// What every segment's length is a multiple of.
    LengthGranule,
    /// What every run's address and length is a multiple of, for an IOMMU to map it.
    PageGranule,
    /// All in one segment.
    Contiguous,
    /// Chunks of memory that are long enough, so that there are few.
    MinChunk,
    /// Whether the device sees the CPU's caches.
    Coherency,
    /// The size of the buffer.
    Size,
}

/// What the numbers of a field count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Segments or runs.
    Segments,
    /// Addresses in bytes.
    Addresses,
    /// No number.
    None,
}

/// How the values of several participants become one. All kinds are commutative, associative and idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MergeKind {
    /// The smallest: upper bounds.
    Min,
    /// The largest: alignments, which are powers of two, so that the largest is the least common multiple.
    Max,
    /// The bits in all: boundary masks. These are of the form 2^k - 1, so that it is the smallest.
    And,
    /// The addresses in all.
    Intersection,
    /// Needed as soon as one needs it.
    Or,
    /// Equal for all that state it.
    Equal,
}

/// A value of a field, as reports show it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Value {
    /// A number of bytes.
    Bytes(u64),
    /// A number of segments.
    Segments(u64),
    /// A boundary mask.
    Mask(u64),
    /// An address.
    Address(u64),
    /// A set of addresses.
    Windows(Windows),
    /// Addressing.
    Translation(Translation),
    /// Coherency.
    Coherency(Coherency),
    /// Needed.
    Needed,
}

impl Field {
    /// Returns the name that limits, reports and configuration share.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Returns what the numbers of the field count.
    pub fn unit(self) -> Unit {
        self.row().1
    }

    /// Returns how the values of several participants become one.
    pub fn merge_kind(self) -> MergeKind {
        self.row().2
    }

    /// The words between what there is and what is needed.
    pub(super) fn relation(self) -> &'static str {
        self.row().3
    }

    fn row(self) -> (&'static str, Unit, MergeKind, &'static str) {
        use MergeKind::{And, Equal, Intersection, Max, Min, Or};
        match self {
            Self::Windows => ("windows", Unit::Addresses, Intersection, "inside"),
            Self::Translation => ("translation", Unit::None, Equal, "translated by"),
            Self::MaxSegments => ("max_segments", Unit::Segments, Min, "at most"),
            Self::MaxSegmentBytes => ("max_segment_bytes", Unit::Bytes, Min, "at most"),
            Self::BoundaryMask => ("boundary_mask", Unit::Addresses, And, "within one block of"),
            Self::BaseAlign => ("base_align_bytes", Unit::Bytes, Max, "a multiple of"),
            Self::SegmentAlign => ("segment_align_bytes", Unit::Bytes, Max, "a multiple of"),
            Self::LengthGranule => ("length_granule_bytes", Unit::Bytes, Max, "a non-zero multiple of"),
            Self::PageGranule => ("page_granule_bytes", Unit::Bytes, Max, "a multiple of"),
            Self::Contiguous => ("contiguous", Unit::None, Or, "at most"),
            Self::MinChunk => ("min_chunk_bytes", Unit::Bytes, Max, "a multiple of"),
            Self::Coherency => ("coherency", Unit::None, Max, "by"),
            Self::Size => ("size_bytes", Unit::Bytes, Equal, "exactly"),
        }
    }
}

impl Value {
    pub(super) fn of_number(field: Field, number: u64) -> Self {
        match field {
            Field::MaxSegments => Self::Segments(number),
            Field::BoundaryMask => Self::Mask(number),
            Field::Contiguous => Self::Needed,
            Field::Coherency if number == 0 => Self::Coherency(Coherency::Snoops),
            Field::Coherency => Self::Coherency(Coherency::NeedsSync),
            Field::Windows
            | Field::Translation
            | Field::MaxSegmentBytes
            | Field::BaseAlign
            | Field::SegmentAlign
            | Field::LengthGranule
            | Field::PageGranule
            | Field::MinChunk
            | Field::Size => Self::Bytes(number),
        }
    }

    /// The number in a slot that this value was made from.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Bytes(number) | Self::Segments(number) | Self::Mask(number) | Self::Address(number) => {
                Some(*number)
            }
            Self::Coherency(Coherency::Snoops) => Some(0),
            Self::Coherency(Coherency::NeedsSync) | Self::Needed => Some(1),
            Self::Windows(_) | Self::Translation(_) => None,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(1) => f.write_str("1 byte"),
            Self::Bytes(bytes) => write!(f, "{bytes} bytes"),
            Self::Segments(1) => f.write_str("1 segment"),
            Self::Segments(segments) => write!(f, "{segments} segments"),
            Self::Mask(number) | Self::Address(number) => write!(f, "{number:#x}"),
            Self::Windows(windows) => windows.fmt(f),
            Self::Translation(translation) => translation.fmt(f),
            Self::Coherency(coherency) => coherency.fmt(f),
            Self::Needed => f.write_str("needed"),
        }
    }
}
