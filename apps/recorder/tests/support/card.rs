//! Reads the frame number back from a test card.

use recorder::size::Size;
use recorder::testcard::STRIP_BITS;

/// The frame number in the strip at the bottom of a picture, given its luma plane. Needs pictures at least 64
/// pixels wide and high.
pub(crate) fn frame_number(size: Size, luma: &[u8]) -> u32 {
    let (width, height) = (usize::from(size.width()), usize::from(size.height()));
    let row = &luma[(height * 31 / 32) * width..][..width];
    let bits = (0..STRIP_BITS).map(|bit| row[(2 * bit + 1) * width / (2 * STRIP_BITS)] > 128);
    bits.fold(0, |number, bit| number << 1 | u32::from(bit))
}
