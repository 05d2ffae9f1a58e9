//! Comparing frames with what the camera had to draw.

use crate::picture::{Plane, RowOutOfBounds, RowSink, RowSource};
use crate::shared::SharedSource;
use crate::size::Size;
use crate::testcard::TestCard;

/// Knows what every frame has to look like.
#[derive(Debug)]
pub(super) struct Checker {
    card: TestCard,
    size: Size,
    row: Vec<u8>,
}

/// A frame that is being compared, row by row.
struct Comparison<'a> {
    frame: &'a SharedSource<'a>,
    row: &'a mut Vec<u8>,
    is_equal: bool,
}

impl Checker {
    pub(super) fn new(size: Size) -> Self {
        Self {
            card: TestCard::new(size),
            size,
            row: Vec::new(),
        }
    }

    /// Whether a frame is the test card of this number, to the last byte.
    pub(super) fn is_whole(&mut self, number: u64, frame: &SharedSource<'_>) -> bool {
        let mut comparison = Comparison {
            frame,
            row: &mut self.row,
            is_equal: frame.size() == self.size,
        };
        let compared = self.card.draw(number, &mut comparison);
        compared.is_ok() && comparison.is_equal
    }
}

impl RowSink for Comparison<'_> {
    fn put_row(&mut self, plane: Plane, row: usize, pixels: &[u8]) -> Result<(), RowOutOfBounds> {
        self.row.resize(pixels.len(), 0);
        self.frame.copy_row(plane, row, self.row)?;
        self.is_equal &= self.row == pixels;
        Ok(())
    }
}
