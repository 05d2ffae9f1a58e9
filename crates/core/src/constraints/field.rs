//! The vocabulary: one row per field, which merging, checking, reports, files and property tests are driven by.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::{
    Buffers, Bytes, CpuUse, Mask, Names, Pixels, Rows, Rules, Segments, Sizes, Typed, Value, ValueType,
};
use crate::dma::{Coherency, Translation, Windows};

/// What the numbers of a field count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Segments or runs.
    Segments,
    /// Addresses in bytes.
    Addresses,
    /// Pixels.
    Pixels,
    /// Rows of pixels.
    Rows,
    /// Buffers.
    Buffers,
    /// No number.
    None,
}

/// How the values of several participants become one.
///
/// All kinds are commutative and associative; all but [`MergeKind::Sum`] are idempotent. A sum stays independent of order because
/// every participant is counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MergeKind {
    /// The smallest: upper bounds.
    Min,
    /// The largest: lower bounds, and alignments that are powers of two, of which the largest is the least common multiple.
    Max,
    /// The least common multiple, which may be too large for 64 bits.
    Lcm,
    /// The bits in all: boundary masks. These are of the form 2^k - 1, so that it is the smallest.
    And,
    /// What is in all: addresses, names.
    Intersection,
    /// Needed as soon as one needs it.
    Or,
    /// Equal for all that state it.
    Equal,
    /// The sum over participants.
    Sum,
    /// What any of them lists, without what others contain.
    Union,
    /// All rules, each of which has to hold.
    Rules,
}

/// What a field speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// How a device addresses memory: see [`DmaLimits`](crate::DmaLimits).
    Device,
    /// What the memory is like, whatever is in it.
    Memory,
    /// How a picture lies in it, for one format.
    Image,
    /// One plane of a picture.
    Plane,
    /// The buffers of a set together.
    Set,
    /// Nothing anybody states: it is worked out.
    Derived,
}

impl Scope {
    /// What people call it.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Device => "how a device addresses memory",
            Self::Memory => "memory",
            Self::Image => "a picture",
            Self::Plane => "the planes of a picture",
            Self::Set => "the set of buffers",
            Self::Derived => "what is worked out",
        }
    }
}

/// A field with the type of its values, so that a value of the wrong unit does not compile.
///
/// ```compile_fail
/// use wharf_core::constraints::{Pixels, Record, key};
/// let _ = Record::new().with(key::MIN_STRIDE, Pixels(64));
/// ```
#[derive(Debug)]
pub struct Key<T> {
    field: Field,
    value: PhantomData<fn(T)>,
}

impl<T> Key<T> {
    const fn new(field: Field) -> Self {
        Self {
            field,
            value: PhantomData,
        }
    }

    /// Returns the field.
    pub const fn field(&self) -> Field {
        self.field
    }
}

/// The values of [`Field::CacheModes`]: how the CPU's mapping can be cached.
pub const CACHE_MODES: [&str; 3] = ["cached", "write_combined", "uncached"];

/// One row of the table.
struct Row {
    name: &'static str,
    value: ValueType,
    unit: Unit,
    kind: MergeKind,
    scope: Scope,
    relation: &'static str,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident $key:ident: $type:ty = $name:literal, $unit:ident, $kind:ident, $scope:ident, $relation:literal;)*) => {
        /// A field of what participants state of a buffer, or of what follows from it. In the order of reports.
        ///
        /// ```
        /// use wharf_core::constraints::{Field, MergeKind, Scope, Unit};
        /// assert_eq!(Field::MaxSegmentBytes.name(), "max_segment_bytes");
        /// assert_eq!(Field::MaxSegmentBytes.unit(), Unit::Bytes);
        /// assert_eq!(Field::MaxSegmentBytes.merge_kind(), MergeKind::Min);
        /// assert_eq!(Field::Camping.scope(), Scope::Set);
        /// assert_eq!(Field::from_name("stride_align_bytes"), Some(Field::StrideAlign));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Field {
            $($(#[$doc])* $variant,)*
        }

        impl Field {
            /// All fields.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$variant => Row {
                        name: $name,
                        value: <$type as Typed>::TYPE,
                        unit: Unit::$unit,
                        kind: MergeKind::$kind,
                        scope: Scope::$scope,
                        relation: $relation,
                    },)*
                }
            }
        }

        /// The fields, each with the type of its values.
        pub mod key {
            use super::*;
            $($(#[$doc])* pub const $key: Key<$type> = Key::new(Field::$variant);)*
        }
    };
}

fields! {
    /// The addresses reached.
    Windows WINDOWS: Windows = "windows", Addresses, Intersection, Device, "inside";
    /// How device addresses come from physical ones.
    Translation TRANSLATION: Translation = "translation", None, Equal, Device, "translated by";
    /// The number of segments in a table.
    MaxSegments MAX_SEGMENTS: Segments = "max_segments", Segments, Min, Device, "at most";
    /// The length of a segment.
    MaxSegmentBytes MAX_SEGMENT_BYTES: Bytes = "max_segment_bytes", Bytes, Min, Device, "at most";
    /// Boundaries that no segment crosses.
    BoundaryMask BOUNDARY_MASK: Mask = "boundary_mask", Addresses, And, Device, "within one block of";
    /// The alignment of the first segment.
    BaseAlign BASE_ALIGN: Bytes = "base_align_bytes", Bytes, Max, Device, "a multiple of";
    /// The alignment of every segment.
    SegmentAlign SEGMENT_ALIGN: Bytes = "segment_align_bytes", Bytes, Max, Device, "a multiple of";
    /// What every segment's length is a multiple of.
    LengthGranule LENGTH_GRANULE: Bytes = "length_granule_bytes", Bytes, Max, Device, "a non-zero multiple of";
    /// What every run's address and length is a multiple of, for an IOMMU to map it.
    PageGranule PAGE_GRANULE: Bytes = "page_granule_bytes", Bytes, Max, Derived, "a multiple of";
    /// All in one segment.
    Contiguous CONTIGUOUS: () = "contiguous", None, Or, Device, "at most";
    /// Chunks of memory that are long enough, each beginning at a multiple of its length: a power of two.
    MinChunk MIN_CHUNK: Bytes = "min_chunk_bytes", Bytes, Max, Memory, "a multiple of";
    /// Whether the device sees the CPU's caches.
    Coherency COHERENCY: Coherency = "coherency", None, Max, Device, "by";
    /// The size of the buffer.
    Size SIZE: Bytes = "size_bytes", Bytes, Equal, Derived, "exactly";
    /// Memory that the device reaches itself, without a hidden copy.
    NoBounce NO_BOUNCE: () = "no_bounce", None, Or, Memory, "is";
    /// The heaps allowed, by name: the last resort of who cannot say what it needs.
    Heaps HEAPS: Names = "heaps", None, Intersection, Memory, "one of";
    /// How the CPU's mapping may be cached: `cached`, `write_combined`, `uncached`.
    CacheModes CACHE_MODES: Names = "cache_modes", None, Intersection, Memory, "one of";
    /// That the CPU reads or writes the contents.
    CpuAccess CPU_ACCESS: CpuUse = "cpu_access", None, Max, Memory, "by the CPU";
    /// No cache maintenance at hand-overs: the participant cannot do any.
    NoSync NO_SYNC: () = "no_sync", None, Or, Memory, "is";
    /// The scheme that protects the contents; `none` is a scheme, too.
    Protection PROTECTION: Box<str> = "protection", None, Equal, Memory, "exactly";
    /// Zeroed before anybody sees it.
    Zeroed ZEROED: () = "zeroed", None, Or, Memory, "is";
    /// Never swapped out.
    Locked LOCKED: () = "locked", None, Or, Memory, "is";
    /// The smallest buffer.
    MinSize MIN_SIZE: Bytes = "min_size_bytes", Bytes, Max, Memory, "at least";
    /// The largest buffer.
    MaxSize MAX_SIZE: Bytes = "max_size_bytes", Bytes, Min, Memory, "at most";
    /// What the size of the buffer is a multiple of.
    SizeAlign SIZE_ALIGN: Bytes = "size_align_bytes", Bytes, Lcm, Memory, "a multiple of";
    /// The narrowest picture.
    MinWidth MIN_WIDTH: Pixels = "min_width", Pixels, Max, Image, "at least";
    /// The widest picture.
    MaxWidth MAX_WIDTH: Pixels = "max_width", Pixels, Min, Image, "at most";
    /// What the width of a picture is a multiple of.
    WidthAlign WIDTH_ALIGN: Pixels = "width_align", Pixels, Lcm, Image, "a multiple of";
    /// The lowest picture.
    MinHeight MIN_HEIGHT: Pixels = "min_height", Pixels, Max, Image, "at least";
    /// The highest picture.
    MaxHeight MAX_HEIGHT: Pixels = "max_height", Pixels, Min, Image, "at most";
    /// What the height of a picture is a multiple of.
    HeightAlign HEIGHT_ALIGN: Pixels = "height_align", Pixels, Lcm, Image, "a multiple of";
    /// The most pixels of a picture.
    MaxPixels MAX_PIXELS: Pixels = "max_pixels", Pixels, Min, Image, "at most";
    /// Sizes of pictures, each of which has to fit the buffer.
    RequiredSizes REQUIRED_SIZES: Sizes = "required_sizes", Pixels, Union, Image, "room for";
    /// What the rows allocated for a picture are a multiple of: more of them than it has, if need be.
    RowsAlign ROWS_ALIGN: Rows = "rows_align", Rows, Lcm, Image, "a multiple of";
    /// The colour spaces understood, by name.
    ColorSpaces COLOR_SPACES: Names = "color_spaces", None, Intersection, Image, "one of";
    /// What the alpha channel means.
    Alpha ALPHA: Box<str> = "alpha", None, Equal, Image, "exactly";
    /// Whether all planes are in one memory (`joint`) or each in its own (`separate`).
    PlaneMemory PLANE_MEMORY: Box<str> = "plane_memory", None, Equal, Image, "exactly";
    /// The shortest stride.
    MinStride MIN_STRIDE: Bytes = "min_stride_bytes", Bytes, Max, Plane, "at least";
    /// The longest stride.
    MaxStride MAX_STRIDE: Bytes = "max_stride_bytes", Bytes, Min, Plane, "at most";
    /// What a stride is any multiple of.
    StrideAlign STRIDE_ALIGN: Bytes = "stride_align_bytes", Bytes, Lcm, Plane, "a multiple of";
    /// Rules by which the width alone fixes the stride: hardware that refuses one that is longer than need be.
    StrideRules STRIDE_RULES: Rules = "stride_rules", Bytes, Rules, Plane, "exactly";
    /// What a plane's offset in its memory is a multiple of.
    OffsetAlign OFFSET_ALIGN: Bytes = "offset_align_bytes", Bytes, Lcm, Plane, "a multiple of";
    /// What the size of a plane is a multiple of.
    PlaneSizeAlign PLANE_SIZE_ALIGN: Bytes = "plane_size_align_bytes", Bytes, Lcm, Plane, "a multiple of";
    /// What is left free behind a plane.
    TailPad TAIL_PAD: Bytes = "tail_pad_bytes", Bytes, Max, Plane, "at least";
    /// Buffers a participant holds for longer than a moment.
    Camping CAMPING: Buffers = "camping", Buffers, Sum, Set, "together";
    /// Buffers a participant wants beyond those, for itself.
    DedicatedSlack DEDICATED_SLACK: Buffers = "dedicated_slack", Buffers, Sum, Set, "together";
    /// Buffers that participants want beyond those, for whoever needs them first.
    SharedSlack SHARED_SLACK: Buffers = "shared_slack", Buffers, Max, Set, "at least";
    /// The fewest buffers.
    MinBuffers MIN_BUFFERS: Buffers = "min_buffers", Buffers, Max, Set, "at least";
    /// The most buffers.
    MaxBuffers MAX_BUFFERS: Buffers = "max_buffers", Buffers, Min, Set, "at most";
    /// The most bytes of all buffers together.
    MaxTotal MAX_TOTAL: Bytes = "max_total_bytes", Bytes, Min, Set, "at most";
    /// The pixel format and its modifier.
    Format FORMAT: Names = "format", None, Intersection, Derived, "one of";
    /// Something that a vendor added to the vocabulary.
    Extension EXTENSION: Names = "extension", None, Equal, Derived, "understood";
}

impl Field {
    /// Returns the name that declarations, reports and files share.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the type of its values.
    pub const fn value_type(self) -> ValueType {
        self.row().value
    }

    /// Returns what the numbers of the field count.
    pub const fn unit(self) -> Unit {
        self.row().unit
    }

    /// Returns how the values of several participants become one.
    pub const fn merge_kind(self) -> MergeKind {
        self.row().kind
    }

    /// Returns what the field speaks of.
    pub const fn scope(self) -> Scope {
        self.row().scope
    }

    /// The words between what there is and what is needed.
    pub(crate) const fn relation(self) -> &'static str {
        self.row().relation
    }

    /// Returns the field of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }

    /// Returns the fields that can be stated of something.
    pub fn in_scope(scope: Scope) -> impl Iterator<Item = Self> {
        Self::ALL
            .iter()
            .copied()
            .filter(move |field| field.scope() == scope)
    }

    /// Returns the value that changes no other when merged with it: what a participant states that does not state the field.
    /// `None` where only silence is neutral.
    ///
    /// ```
    /// use wharf_core::constraints::{Bytes, Field, Value};
    /// assert_eq!(Field::StrideAlign.identity(), Some(Value::from(Bytes(1))));
    /// assert_eq!(Field::Protection.identity(), None);
    /// ```
    pub fn identity(self) -> Option<Value> {
        let number = match self.merge_kind() {
            MergeKind::Min | MergeKind::And => u64::MAX,
            MergeKind::Max | MergeKind::Sum => 0,
            MergeKind::Lcm => 1,
            MergeKind::Intersection if self == Self::Windows => return Some(Value::Windows(Windows::all())),
            MergeKind::Union => return Some(Value::Sizes(Sizes::default())),
            MergeKind::Rules => return Some(Value::Rules(Rules::default())),
            MergeKind::Intersection | MergeKind::Or | MergeKind::Equal => return None,
        };
        Value::of_number(self, number)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
