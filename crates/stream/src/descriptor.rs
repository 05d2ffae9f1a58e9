//! What a frame is, in the words that travel with it.

use crate::layout::ring as at;
use wharf_core::layout::{Fourcc, FrameLayout, LayoutError, MAX_PLANES, Modifier, Plane};
use wharf_memory::{CELL_BYTES, Ordering, ReadWords, WriteWords};

/// Most bytes of user data a frame carries.
pub const MAX_USER_BYTES: usize = 64;

// Cells of a slot, after its first word.
const TIMESTAMP: usize = 1;
const PUBLISHED: usize = 2;
const GENERATION: usize = at::GENERATION;
const USED_BYTES: usize = 4;
/// [`HAS_LAYOUT`] and [`HAS_POINT`] in the low byte, number of bytes of user data above.
const MORE: usize = 5;
const HAS_LAYOUT: u64 = 1;
const HAS_POINT: u64 = 2;
const USER_LEN_SHIFT: u32 = 8;

// Cells of what else there is to say.
/// Fourcc in the low half, number of planes above; 0 means that the frame is not a picture.
const FORMAT: usize = 0;
const MODIFIER: usize = 1;
/// Width in the low half, height above.
const SIDES: usize = 2;
/// One cell a plane: offset in the low half, stride above.
const PLANES: usize = 3;
const USER: usize = at::LINE_CELLS;
const USER_CELLS: usize = MAX_USER_BYTES / CELL_BYTES;

const _: () = assert!(MORE < at::LINE_CELLS && PLANES + MAX_PLANES <= USER);
const _: () = assert!(USER + USER_CELLS <= at::MORE_CELLS);

/// Where the description of a frame goes in the ring page: from these cells on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Its slot. The first cell there is the producer's own to write.
    pub slot: usize,
    /// What else there is to say.
    pub more: usize,
}

/// What a slot says of its frame, copied out of shared memory and not judged yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Common {
    timestamp_ns: u64,
    pub(crate) published_ns: u64,
    pub(crate) generation: u64,
    used_bytes: u64,
    more: u64,
}

impl Common {
    /// Copies from the slot at `first`. ORDERING: relaxed; the caller has seen the slot's first word, and looks at it again where the slot can
    /// be written meanwhile.
    pub(crate) fn copy<W: ReadWords>(words: &W, first: usize) -> Self {
        let get = |cell: usize| words.load_u64(first + cell, Ordering::Relaxed);
        Self {
            timestamp_ns: get(TIMESTAMP),
            published_ns: get(PUBLISHED),
            generation: get(GENERATION),
            used_bytes: get(USED_BYTES),
            more: get(MORE),
        }
    }

    /// Whether the contents are there only when the buffer's point with the frame's number is reached.
    pub(crate) fn has_point(&self) -> bool {
        self.more & HAS_POINT != 0
    }
}

/// When the contents of a frame are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Now.
    There,
    /// When the buffer's point with the frame's number is reached.
    AtPoint,
}

/// Up to [`MAX_USER_BYTES`] bytes of the producer's own that travel with a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserData {
    bytes: [u8; MAX_USER_BYTES],
    len: usize,
}

/// More user data than a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{len_bytes} bytes of user data do not fit a frame, which carries {MAX_USER_BYTES}")]
pub struct TooMuchUserData {
    /// Bytes offered.
    pub len_bytes: usize,
}

impl UserData {
    /// Takes a copy of `bytes`.
    ///
    /// # Errors
    ///
    /// [`TooMuchUserData`] above [`MAX_USER_BYTES`] bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, TooMuchUserData> {
        let mut data = Self::default();
        let room = data.bytes.get_mut(..bytes.len()).ok_or(TooMuchUserData {
            len_bytes: bytes.len(),
        })?;
        room.copy_from_slice(bytes);
        data.len = bytes.len();
        Ok(data)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Default for UserData {
    fn default() -> Self {
        Self {
            bytes: [0; MAX_USER_BYTES],
            len: 0,
        }
    }
}

impl std::fmt::Debug for UserData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("UserData").field(&self.as_bytes()).finish()
    }
}

/// What a frame is, besides its contents and its sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameInfo {
    /// When the contents were captured: `CLOCK_MONOTONIC` nanoseconds, or the producer's own time base.
    pub timestamp_ns: u64,
    /// Generation of the buffer set the frame lies in (contract N5).
    pub generation: u64,
    /// Bytes of the buffer that the frame uses, from its start.
    pub used_bytes: u64,
    /// How the picture lies in the buffer; `None` when the frame is not a picture.
    pub layout: Option<FrameLayout>,
    /// The producer's own bytes.
    pub user: UserData,
}

/// Something the producer wrote that makes no sense: its bug or its malice. Blame: the producer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Corrupt {
    /// The ring does not have a frame that the producer must keep.
    #[error("the producer's ring has no frame {seq}, which it must keep for a blocking consumer")]
    MissingFrame {
        /// The frame's sequence number.
        seq: u64,
    },
    /// More bytes used than the buffer has.
    #[error("the producer says that frame {seq} uses {used_bytes} bytes of a buffer of {size_bytes}")]
    UsedBytes {
        /// The frame's sequence number.
        seq: u64,
        /// What the producer says.
        used_bytes: u64,
        /// What the buffer has.
        size_bytes: u64,
    },
    /// A generation of the buffers that is none, or not any more.
    #[error(
        "the producer says that frame {seq} lies in generation {generation} of the buffers, which this consumer cannot have"
    )]
    Generation {
        /// The frame's sequence number.
        seq: u64,
        /// What the producer says.
        generation: u64,
    },
    /// A buffer that the generation does not have.
    #[error("the producer says that frame {seq} lies in buffer {buffer} of {count}")]
    Buffer {
        /// The frame's sequence number.
        seq: u64,
        /// What the producer says, counted from 0.
        buffer: usize,
        /// How many buffers the generation has.
        count: usize,
    },
    /// A layout that cannot be, or that does not fit the buffer.
    #[error("the producer's layout of frame {seq} is impossible: {reason}")]
    Layout {
        /// The frame's sequence number.
        seq: u64,
        /// What is wrong with it.
        reason: LayoutError,
    },
    /// More planes than any format has.
    #[error("the producer says that frame {seq} has {planes} planes; {MAX_PLANES} is the most there can be")]
    Planes {
        /// The frame's sequence number.
        seq: u64,
        /// What the producer says.
        planes: u32,
    },
    /// More user data than a frame carries.
    #[error(
        "the producer says that frame {seq} carries {len_bytes} bytes of user data; {MAX_USER_BYTES} is the most"
    )]
    UserData {
        /// The frame's sequence number.
        seq: u64,
        /// What the producer says.
        len_bytes: u64,
    },
}

fn pack(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

fn unpack(word: u64) -> (u32, u32) {
    // CAST: the two halves are meant.
    (word as u32, (word >> 32) as u32)
}

/// Writes a description, with the time of publication; `generation` counts, not that in `info`. A frame without layout and user data is one cache line.
///
/// ORDERING: relaxed throughout; the store that makes the frame valid publishes them.
pub(crate) fn store<W: WriteWords>(
    words: &W,
    places: Places,
    (generation, published_ns): (u64, u64),
    info: &FrameInfo,
    contents: Contents,
) {
    let put = |cell: usize, value: u64| words.store_u64(places.slot + cell, value, Ordering::Relaxed);
    put(TIMESTAMP, info.timestamp_ns);
    put(PUBLISHED, published_ns);
    put(GENERATION, generation);
    put(USED_BYTES, info.used_bytes);
    let has_layout = if info.layout.is_some() { HAS_LAYOUT } else { 0 };
    let has_point = if contents == Contents::AtPoint {
        HAS_POINT
    } else {
        0
    };
    // CAST: at most MAX_USER_BYTES.
    put(
        MORE,
        has_layout | has_point | (info.user.len as u64) << USER_LEN_SHIFT,
    );
    let put = |cell: usize, value: u64| words.store_u64(places.more + cell, value, Ordering::Relaxed);
    if let Some(layout) = &info.layout {
        let planes = layout.planes();
        // CAST: a format has at most MAX_PLANES planes.
        put(FORMAT, pack(layout.fourcc().raw(), planes.len() as u32));
        put(MODIFIER, layout.modifier().raw());
        put(SIDES, pack(layout.width(), layout.height()));
        for (index, plane) in planes.iter().enumerate() {
            put(PLANES + index, pack(plane.offset_bytes, plane.stride_bytes));
        }
    }
    let user = info.user.bytes.as_chunks::<CELL_BYTES>().0;
    for (index, bytes) in user.iter().enumerate().take(info.user.len.div_ceil(CELL_BYTES)) {
        put(USER + index, u64::from_le_bytes(*bytes));
    }
}

/// Judges what a slot said of frame `seq`, reads what else there is from `more` on, and checks it against a buffer of `size_bytes`: the
/// frame's description and the time of its publication. Words are copied first and judged afterwards.
#[inline]
pub(crate) fn load<W: ReadWords>(
    words: &W,
    (common, more): (&Common, usize),
    seq: u64,
    size_bytes: u64,
) -> Result<(FrameInfo, u64), Corrupt> {
    let get = |cell: usize| words.load_u64(more + cell, Ordering::Relaxed);
    let used_bytes = common.used_bytes;
    if used_bytes > size_bytes {
        return Err(Corrupt::UsedBytes {
            seq,
            used_bytes,
            size_bytes,
        });
    }
    let layout = match common.more & HAS_LAYOUT {
        0 => None,
        _ => load_layout(get, seq, size_bytes)?,
    };
    let info = FrameInfo {
        timestamp_ns: common.timestamp_ns,
        generation: common.generation,
        used_bytes,
        layout,
        user: load_user(get, seq, common.more >> USER_LEN_SHIFT)?,
    };
    Ok((info, common.published_ns))
}

fn load_layout(
    get: impl Fn(usize) -> u64,
    seq: u64,
    size_bytes: u64,
) -> Result<Option<FrameLayout>, Corrupt> {
    let (fourcc, plane_count) = unpack(get(FORMAT));
    if fourcc == 0 {
        return Ok(None);
    }
    let mut planes = [Plane::default(); MAX_PLANES];
    for (index, plane) in planes.iter_mut().enumerate() {
        let (offset_bytes, stride_bytes) = unpack(get(PLANES + index));
        *plane = Plane {
            offset_bytes,
            stride_bytes,
        };
    }
    let planes = usize::try_from(plane_count)
        .ok()
        .and_then(|count| planes.get(..count));
    let planes = planes.ok_or(Corrupt::Planes {
        seq,
        planes: plane_count,
    })?;
    let (width, height) = unpack(get(SIDES));
    let modifier = Modifier::from_raw(get(MODIFIER));
    FrameLayout::from_planes(Fourcc::from_raw(fourcc), modifier, width, height, planes)
        .and_then(|layout| layout.validate(size_bytes).map(|()| Some(layout)))
        .map_err(|reason| Corrupt::Layout { seq, reason })
}

fn load_user(get: impl Fn(usize) -> u64, seq: u64, len_bytes: u64) -> Result<UserData, Corrupt> {
    if len_bytes == 0 {
        return Ok(UserData::default());
    }
    let len = usize::try_from(len_bytes)
        .ok()
        .filter(|len| *len <= MAX_USER_BYTES);
    let len = len.ok_or(Corrupt::UserData { seq, len_bytes })?;
    let mut user = UserData {
        bytes: [0; MAX_USER_BYTES],
        len,
    };
    let cells = user.bytes.as_chunks_mut::<CELL_BYTES>().0;
    for (index, bytes) in cells.iter_mut().enumerate().take(len.div_ceil(CELL_BYTES)) {
        *bytes = get(USER + index).to_le_bytes();
    }
    user.bytes[len..].fill(0);
    Ok(user)
}
