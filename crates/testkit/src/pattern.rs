//! Frames whose content proves itself.

use crate::rng::{Rng, mix};
use serde::{Deserialize, Serialize};
use wharf::{OutOfBounds, View, ViewMut};

/// Bytes that are made once for a frame and repeated, each time with their position stamped in.
const TILE_BYTES: usize = 1024;
const STAMP_BYTES: usize = 8;
/// How many frames before and after the expected one are tried to say which frame damaged bytes are from.
const NEIGHBORS: u64 = 64;

/// What to fill frames with: bytes that depend, everywhere, on the stream's seed, the frame's number and the position.
///
/// Equal patterns give equal bytes in every process, so the consumer makes anew what the producer wrote and compares. A frame
/// that is half one and half another, or another than it says it is, differs in nearly every byte concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// Tells streams apart.
    pub seed: u64,
    /// How many bytes from the start of each frame carry the pattern; what lies behind is neither filled nor looked at.
    pub len_bytes: u64,
}

/// Where a frame is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "frame {seq} is damaged at byte {offset_bytes}: {found:#04x} instead of {expected:#04x}, {}",
    lies_there(*.found_seq)
)]
pub struct Damage {
    /// The frame's number.
    pub seq: u64,
    /// First byte that differs, from the start of the frame.
    pub offset_bytes: usize,
    /// What should be there.
    pub expected: u8,
    /// What is there.
    pub found: u8,
    /// The frame whose bytes lie there instead, if it is one near in number.
    pub found_seq: Option<u64>,
}

fn lies_there(seq: Option<u64>) -> String {
    seq.map_or("of no frame near it".to_owned(), |seq| format!("of frame {seq}"))
}

/// Why a frame could not be shown to be whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It is not.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The view changed its length, which none does.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
}

impl Pattern {
    /// Fills whole frames.
    pub fn whole(seed: u64) -> Self {
        Self {
            seed,
            len_bytes: u64::MAX,
        }
    }

    /// Fills a frame that will be number `seq`.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`]: never, since no more than the view is filled.
    pub fn fill(&self, view: &ViewMut<'_>, seq: u64) -> Result<(), OutOfBounds> {
        let mut tile = self.tile(seq);
        for (number, offset, len) in self.tiles(view.len_bytes()) {
            stamp(&mut tile, seq, number);
            view.copy_from(offset, &tile[..len])?;
        }
        Ok(())
    }

    /// Compares every byte with what frame `seq` must have.
    ///
    /// # Errors
    ///
    /// [`PatternError::Damaged`] says where the first difference is and from which frame it comes.
    pub fn verify(&self, view: &View<'_>, seq: u64) -> Result<(), PatternError> {
        let mut tile = self.tile(seq);
        let mut found = [0; TILE_BYTES];
        for (number, offset, len) in self.tiles(view.len_bytes()) {
            stamp(&mut tile, seq, number);
            view.copy_to(offset, &mut found[..len])?;
            if tile[..len] != found[..len] {
                return Err(self
                    .describe(seq, (number, offset), &tile[..len], &found[..len])
                    .into());
            }
        }
        Ok(())
    }

    /// Number, offset and length of each tile of a frame.
    fn tiles(&self, view_bytes: usize) -> impl Iterator<Item = (u64, usize, usize)> {
        let len_bytes = usize::try_from(self.len_bytes)
            .unwrap_or(usize::MAX)
            .min(view_bytes);
        let offsets = (0..len_bytes).step_by(TILE_BYTES);
        (0..)
            .zip(offsets)
            .map(move |(number, offset)| (number, offset, TILE_BYTES.min(len_bytes - offset)))
    }

    fn tile(&self, seq: u64) -> [u8; TILE_BYTES] {
        let mut rng = Rng::new(mix(self.seed) ^ mix(seq));
        let mut tile = [0; TILE_BYTES];
        for word in tile.chunks_exact_mut(8) {
            word.copy_from_slice(&rng.next_u64().to_le_bytes());
        }
        tile
    }

    fn describe(&self, seq: u64, (number, offset): (u64, usize), expected: &[u8], found: &[u8]) -> Damage {
        let at = expected
            .iter()
            .zip(found)
            .position(|(expected, found)| expected != found)
            .unwrap_or(0);
        let is_from = |other: &u64| {
            let mut tile = self.tile(*other);
            stamp(&mut tile, *other, number);
            // Eight bytes do not agree by chance; fewer say nothing.
            found
                .get(at..at + 8)
                .is_some_and(|bytes| bytes == &tile[at..at + 8])
        };
        let neighbors = seq.saturating_sub(NEIGHBORS)..=seq.saturating_add(NEIGHBORS);
        Damage {
            seq,
            offset_bytes: offset + at,
            expected: expected[at],
            found: found[at],
            found_seq: neighbors.into_iter().find(is_from),
        }
    }
}

/// Makes a tile differ by its position, so that bytes of the right frame in the wrong place are seen.
fn stamp(tile: &mut [u8; TILE_BYTES], seq: u64, number: u64) {
    tile[..STAMP_BYTES].copy_from_slice(&mix(seq.rotate_left(32) ^ number).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_linux::Memfd;
    use wharf_memory::{Access, Mapping};

    const PATTERN: Pattern = Pattern {
        seed: 9,
        len_bytes: u64::MAX,
    };

    fn memory() -> Mapping {
        let memfd = Memfd::create("frame", 8192).unwrap();
        Mapping::map(&memfd, 8192, Access::ReadWrite).unwrap()
    }

    fn damage(memory: &Mapping, len: usize, seq: u64) -> Damage {
        match PATTERN.verify(&memory.view().subview(0, len).unwrap(), seq) {
            Err(PatternError::Damaged(damage)) => damage,
            other => panic!("not damaged: {other:?}"),
        }
    }

    #[test]
    fn frame_that_was_filled_is_whole_at_any_length() {
        let memory = memory();
        for len in [0, 1, 7, 1024, 1025, 5000, 8192] {
            PATTERN
                .fill(&memory.view_mut().unwrap().subview(0, len).unwrap(), 3)
                .unwrap();
            assert_eq!(PATTERN.verify(&memory.view().subview(0, len).unwrap(), 3), Ok(()));
        }
    }

    #[test]
    fn refilled_frame_is_told_and_named() {
        let memory = memory();
        PATTERN.fill(&memory.view_mut().unwrap(), 12).unwrap();
        let damage = damage(&memory, 8192, 4);
        assert_eq!(
            (damage.seq, damage.offset_bytes, damage.found_seq),
            (4, 0, Some(12))
        );
        assert!(damage.to_string().contains("frame 12"), "{damage}");
    }

    #[test]
    fn torn_frame_is_told_where_the_tear_is() {
        let memory = memory();
        PATTERN.fill(&memory.view_mut().unwrap(), 4).unwrap();
        PATTERN
            .fill(&memory.view_mut().unwrap().subview(0, 3000).unwrap(), 5)
            .unwrap();
        assert_eq!(damage(&memory, 8192, 4).found_seq, Some(5));
        let damage = damage(&memory, 8192, 5);
        assert!((3000..3003).contains(&damage.offset_bytes), "{damage}");
        assert_eq!(damage.found_seq, Some(4));
    }

    #[test]
    fn single_changed_byte_is_found() {
        let memory = memory();
        let view = memory.view_mut().unwrap();
        PATTERN.fill(&view, 1).unwrap();
        let mut last = [0];
        view.as_view().copy_to(8191, &mut last).unwrap();
        view.copy_from(8191, &[!last[0]]).unwrap();
        let damage = damage(&memory, 8192, 1);
        assert_eq!(
            (damage.offset_bytes, damage.expected, damage.found_seq),
            (8191, last[0], None)
        );
    }

    #[test]
    fn other_seed_gives_another_frame() {
        let memory = memory();
        PATTERN.fill(&memory.view_mut().unwrap(), 1).unwrap();
        let other = Pattern { seed: 10, ..PATTERN };
        assert!(other.verify(&memory.view(), 1).is_err());
    }

    #[test]
    fn bytes_behind_the_pattern_are_left_alone() {
        let memory = memory();
        let pattern = Pattern {
            seed: 1,
            len_bytes: 10,
        };
        pattern.fill(&memory.view_mut().unwrap(), 1).unwrap();
        let mut bytes = [0; 20];
        memory.view().copy_to(0, &mut bytes).unwrap();
        assert_eq!(bytes[10..], [0; 10]);
        memory.view_mut().unwrap().fill(10, 100, 7).unwrap();
        assert_eq!(pattern.verify(&memory.view(), 1), Ok(()));
    }
}
