//! What is in a frame: a stamp in its first bytes, and the same byte everywhere else if everything is written.

use crate::Outcome;
use wharf::now_ns;

/// Bytes of a stamp at the start of a frame.
pub(crate) const STAMP_BYTES: usize = 16;

/// How much of a frame is written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// The stamp.
    Header,
    /// Every byte; the consumer adds them up and compares.
    Full,
}

/// Which frame it is, and when it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) seq: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub(crate) time_ns: u64,
}

impl Stamp {
    /// In place of a time: to be replaced by the time of sending, after the content was written.
    const WHEN_SENT: u64 = u64::MAX;
    /// The number of the frame after which none follows.
    const LAST: u64 = u64::MAX;

    /// A frame whose time of sending nobody asks for.
    pub(crate) fn untimed(seq: u64) -> Self {
        Self { seq, time_ns: 0 }
    }

    /// A frame that carries its time of sending.
    pub(crate) fn timed(seq: u64) -> Self {
        let time_ns = Self::WHEN_SENT;
        Self { seq, time_ns }
    }

    pub(crate) fn last() -> Self {
        Self::untimed(Self::LAST)
    }

    pub(crate) fn is_last(self) -> bool {
        self.seq == Self::LAST
    }

    /// The bytes to write, at the moment of sending.
    pub(crate) fn to_bytes(self) -> [u8; STAMP_BYTES] {
        let time_ns = match self.time_ns {
            Self::WHEN_SENT => now_ns(),
            time_ns => time_ns,
        };
        let mut bytes = [0; STAMP_BYTES];
        bytes[..8].copy_from_slice(&self.seq.to_le_bytes());
        bytes[8..].copy_from_slice(&time_ns.to_le_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: [u8; STAMP_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self {
            seq: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            time_ns: u64::from_le_bytes([i, j, k, l, m, n, o, p]),
        }
    }
}

/// The byte of which a frame's content is made.
pub(crate) fn filler(seq: u64) -> u8 {
    seq.to_le_bytes()[0]
}

/// Writes a frame.
pub(crate) fn write(frame: &mut [u8], stamp: Stamp, content: Content) {
    if content == Content::Full {
        frame[STAMP_BYTES..].fill(filler(stamp.seq));
    }
    frame[..STAMP_BYTES].copy_from_slice(&stamp.to_bytes());
}

/// Reads a frame.
pub(crate) fn read(frame: &[u8], content: Content) -> Outcome<Stamp> {
    let (header, body) = frame.split_first_chunk().ok_or("a frame without a stamp")?;
    let stamp = Stamp::from_bytes(*header);
    if content == Content::Full {
        check(sum(body), body.len(), stamp)?;
    }
    Ok(stamp)
}

/// Adds up bytes, eight at a time. Frames are multiples of eight bytes.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words
        .iter()
        .fold(0, |sum: u64, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
}

/// Compares what `len_bytes` bytes of content added up to with what was written.
pub(crate) fn check(sum: u64, len_bytes: usize, stamp: Stamp) -> Outcome<()> {
    let words = (len_bytes / 8) as u64;
    if sum == u64::from_ne_bytes([filler(stamp.seq); 8]).wrapping_mul(words) {
        return Ok(());
    }
    Err(format!("the content of frame {} is not what was written", stamp.seq).into())
}
