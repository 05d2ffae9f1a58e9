//! The built-in picture source: a moving test card.
//!
//! From top to bottom: color bars with the frame number in large digits and a bouncing box over them, a
//! moving gray ramp, and a strip of 32 squares that shows the frame number in binary (white is 1, most
//! significant left), so that programs can read it back even after lossy coding. The same size and number
//! always give the same picture.

use std::ops::Range;

use crate::color::Matrix;
use crate::picture::{Plane, RowOutOfBounds, RowSink};
use crate::size::Size;

/// How many squares the strip at the bottom has: the low bits of the frame number.
pub const STRIP_BITS: usize = 32;

/// Bars at 75 %, from left to right.
const BARS: [[u8; 3]; 8] = [
    [191, 191, 191],
    [191, 191, 0],
    [0, 191, 191],
    [0, 191, 0],
    [191, 0, 191],
    [191, 0, 0],
    [0, 0, 191],
    [0, 0, 0],
];
const BLACK: [u8; 3] = [16, 128, 128];
const WHITE: [u8; 3] = [235, 128, 128];
/// Segments of each digit. Bits from 0: top, upper right, lower right, bottom, lower left, upper left,
/// middle.
const SEGMENTS: [u8; 10] = [0x3f, 0x06, 0x5b, 0x4f, 0x66, 0x6d, 0x7d, 0x07, 0x7f, 0x6f];
/// The frame number is shown with at least this many digits.
const MIN_DIGITS: usize = 6;
/// Darkest value and number of values of the gray ramp.
const RAMP: (usize, usize) = (16, 220);

/// Draws test cards of one size.
#[derive(Debug, Clone)]
pub struct TestCard {
    size: Size,
    bars: [Vec<u8>; 3],
    box_color: [u8; 3],
}

/// A filled rectangle in pixels; all four numbers are even, so that it covers whole chroma samples.
struct Shape {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    color: [u8; 3],
}

impl TestCard {
    /// Prepares what is the same in every frame.
    #[must_use]
    pub fn new(size: Size) -> Self {
        let matrix = Matrix::for_size(size);
        let colors = BARS.map(|rgb| matrix.to_yuv(rgb));
        let bars = [0, 1, 2].map(|part| {
            let row_bytes = size.row_bytes(Plane::ALL[part]);
            (0..row_bytes)
                .map(|column| colors[column * BARS.len() / row_bytes][part])
                .collect()
        });
        Self {
            size,
            bars,
            box_color: matrix.to_yuv([255, 96, 0]),
        }
    }

    /// Draws frame number `frame` into `sink`: all rows of Y, then U, then V, each from the top.
    ///
    /// # Errors
    ///
    /// What `sink` reports, if it is of another size.
    pub fn draw(&self, frame: u64, sink: &mut impl RowSink) -> Result<(), RowOutOfBounds> {
        let shapes = self.shapes(frame);
        let ramp_rows = self.ramp_rows();
        for (part, plane) in Plane::ALL.into_iter().enumerate() {
            let scale = if part == 0 { 1 } else { 2 };
            let ramp = if part == 0 {
                self.ramp(frame)
            } else {
                vec![128; self.size.row_bytes(plane)]
            };
            let mut pixels = ramp.clone();
            for row in 0..self.size.rows(plane) {
                let background = if ramp_rows.contains(&(row * scale)) {
                    &ramp
                } else {
                    &self.bars[part]
                };
                pixels.copy_from_slice(background);
                for shape in shapes
                    .iter()
                    .filter(|shape| shape.rows().contains(&(row * scale)))
                {
                    let end = ((shape.left + shape.width) / scale).min(pixels.len());
                    let start = (shape.left / scale).min(end);
                    pixels[start..end].fill(shape.color[part]);
                }
                sink.put_row(plane, row, &pixels)?;
            }
        }
        Ok(())
    }

    fn width(&self) -> usize {
        usize::from(self.size.width())
    }

    fn height(&self) -> usize {
        usize::from(self.size.height())
    }

    fn ramp_rows(&self) -> Range<usize> {
        even(self.height() * 3 / 4)..self.height()
    }

    /// One row of the gray ramp, which moves to the left by two pixels a frame.
    fn ramp(&self, frame: u64) -> Vec<u8> {
        let (darkest, steps) = RAMP;
        let width = self.width();
        let shift = 2 * wrap(frame, width);
        // CAST: at most 16 + 219.
        (0..width)
            .map(|column| (darkest + (column + shift) % width * steps / width) as u8)
            .collect()
    }

    /// Everything that lies over the background, from back to front.
    fn shapes(&self, frame: u64) -> Vec<Shape> {
        let mut shapes = vec![self.bouncing_box(frame)];
        self.push_digits(frame, &mut shapes);
        self.push_strip(frame, &mut shapes);
        shapes
    }

    fn bouncing_box(&self, frame: u64) -> Shape {
        let side = even(self.height() / 5);
        let left = bounce(frame, 1 + self.width() / 160, self.width().saturating_sub(side));
        let top = bounce(
            frame,
            1 + self.height() / 180,
            self.ramp_rows().start.saturating_sub(side),
        );
        Shape {
            left,
            top,
            width: side,
            height: side,
            color: self.box_color,
        }
    }

    fn push_digits(&self, frame: u64, shapes: &mut Vec<Shape>) {
        let digits = format!("{frame:0MIN_DIGITS$}");
        let unit = even((self.height() / 36).min(self.width() / (6 * digits.len() + 12))).max(2);
        let width = (5 * digits.len() + 1) * unit;
        let left = even(self.width().saturating_sub(width) / 2);
        let top = even(self.height() / 4);
        shapes.push(Shape {
            left,
            top,
            width,
            height: 9 * unit,
            color: BLACK,
        });
        for (index, digit) in digits.bytes().enumerate() {
            push_digit(
                usize::from(digit - b'0'),
                left + (5 * index + 1) * unit,
                top + unit,
                unit,
                shapes,
            );
        }
    }

    fn push_strip(&self, frame: u64, shapes: &mut Vec<Shape>) {
        let top = even(self.height() * 15 / 16);
        for bit in 0..STRIP_BITS {
            let edge = |bit| even(bit * self.width() / STRIP_BITS);
            let color = if frame >> (STRIP_BITS - 1 - bit) & 1 == 1 {
                WHITE
            } else {
                BLACK
            };
            let (left, width) = (edge(bit), edge(bit + 1) - edge(bit));
            shapes.push(Shape {
                left,
                top,
                width,
                height: self.height() - top,
                color,
            });
        }
    }
}

impl Shape {
    fn rows(&self) -> Range<usize> {
        self.top..self.top + self.height
    }
}

/// Adds the lit segments of one digit, four units wide and seven high.
fn push_digit(digit: usize, left: usize, top: usize, unit: usize, shapes: &mut Vec<Shape>) {
    // Column, row, width, height of each segment, in units.
    const PLACES: [[usize; 4]; 7] = [
        [0, 0, 4, 1],
        [3, 0, 1, 4],
        [3, 3, 1, 4],
        [0, 6, 4, 1],
        [0, 3, 1, 4],
        [0, 0, 1, 4],
        [0, 3, 4, 1],
    ];
    for (bit, place) in PLACES.into_iter().enumerate() {
        if SEGMENTS[digit] >> bit & 1 == 1 {
            let [x, y, width, height] = place.map(|units| units * unit);
            shapes.push(Shape {
                left: left + x,
                top: top + y,
                width,
                height,
                color: WHITE,
            });
        }
    }
}

/// The next even number below or at `value`.
fn even(value: usize) -> usize {
    value & !1
}

/// `frame` modulo `modulus`, which is not zero.
fn wrap(frame: u64, modulus: usize) -> usize {
    let modulus = u64::try_from(modulus).unwrap_or(u64::MAX);
    usize::try_from(frame % modulus).unwrap_or(0)
}

/// A position that goes back and forth between 0 and `span`, an even number.
fn bounce(frame: u64, step: usize, span: usize) -> usize {
    if span == 0 {
        return 0;
    }
    let position = wrap(frame, 2 * span) * step % (2 * span);
    even(position.min(2 * span - position))
}

#[cfg(test)]
mod tests;
