//! From a picture to what a terminal must be sent.

use std::fmt::Write;
use std::ops::Range;

use crate::color::Matrix;
use crate::picture::{Plane, RowOutOfBounds, RowSource};
use crate::size::Size;

/// A terminal with more columns or rows than this is used in part, so that a picture is never more than a few
/// MiB of text.
const MAX_COLUMNS: u16 = 400;
const MAX_ROWS: u16 = 200;
/// The character whose upper half has the foreground color and whose lower half has the background color.
const UPPER_HALF: char = '▀';
const BLACK: [u8; 3] = [0; 3];

/// Turns pictures into escape sequences: two pixels per cell, one above the other, which makes them about
/// square.
///
/// The last row is the status line; the picture keeps its shape and is centered in the rest.
#[derive(Debug, Default)]
pub struct Renderer {
    text: String,
    /// For what the terminal was last cleared.
    cleared_for: Option<(u16, u16, Size)>,
    luma: Vec<u8>,
    chroma: [Vec<u8>; 2],
}

/// Where a picture goes: in cells from the upper left corner, and its size there in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    left: usize,
    top: usize,
    columns: usize,
    pixel_rows: usize,
}

impl Renderer {
    /// Makes a renderer that begins by clearing the terminal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What to send to a terminal of `columns` × `rows` cells to show `picture` above the line `status`.
    /// Control characters in `status` become `?`, and what does not fit is cut off.
    ///
    /// # Errors
    ///
    /// What `picture` reports for a row of its own size.
    pub fn render(
        &mut self,
        picture: &impl RowSource,
        columns: u16,
        rows: u16,
        status: &str,
    ) -> Result<&str, RowOutOfBounds> {
        let (columns, rows) = (columns.min(MAX_COLUMNS), rows.min(MAX_ROWS));
        let size = picture.size();
        self.text.clear();
        // Terminals that know synchronized updates show no half-drawn picture; others ignore this.
        self.text.push_str("\x1b[?2026h");
        if self.cleared_for != Some((columns, rows, size)) {
            self.text.push_str("\x1b[0m\x1b[2J");
            self.cleared_for = Some((columns, rows, size));
        }
        if let Some(place) = place(size, columns, rows) {
            self.draw(picture, place)?;
        }
        self.draw_status(columns, rows, status);
        self.text.push_str("\x1b[?2026l");
        Ok(&self.text)
    }

    fn draw(&mut self, picture: &impl RowSource, place: Place) -> Result<(), RowOutOfBounds> {
        let (mut upper, mut lower) = (Vec::new(), Vec::new());
        for cell_row in 0..place.pixel_rows.div_ceil(2) {
            self.sample(picture, place, 2 * cell_row, &mut upper)?;
            if 2 * cell_row + 1 < place.pixel_rows {
                self.sample(picture, place, 2 * cell_row + 1, &mut lower)?;
            } else {
                lower.clear();
                lower.resize(place.columns, BLACK);
            }
            self.move_to(place.top + cell_row, place.left);
            self.draw_cells(&upper, &lower);
        }
        Ok(())
    }

    /// Computes one row of pixels of the terminal.
    fn sample(
        &mut self,
        picture: &impl RowSource,
        place: Place,
        pixel_row: usize,
        out: &mut Vec<[u8; 3]>,
    ) -> Result<(), RowOutOfBounds> {
        let size = picture.size();
        let matrix = Matrix::for_size(size);
        let row_of = |plane| (2 * pixel_row + 1) * size.rows(plane) / (2 * place.pixel_rows);
        self.luma.resize(size.row_bytes(Plane::Luma), 0);
        picture.copy_row(Plane::Luma, row_of(Plane::Luma), &mut self.luma)?;
        for (pixels, plane) in self.chroma.iter_mut().zip([Plane::ChromaBlue, Plane::ChromaRed]) {
            pixels.resize(size.row_bytes(plane), 128);
            picture.copy_row(plane, row_of(plane), pixels)?;
        }
        let [blue, red] = &self.chroma;
        let pixel = |column| {
            matrix.to_rgb(
                [&self.luma, blue, red]
                    .map(|pixels| mean(&pixels[span(column, place.columns, pixels.len())])),
            )
        };
        out.clear();
        out.extend((0..place.columns).map(pixel));
        Ok(())
    }

    fn draw_cells(&mut self, upper: &[[u8; 3]], lower: &[[u8; 3]]) {
        let mut colors = (None, None);
        for (&up, &down) in upper.iter().zip(lower) {
            if colors.0 != Some(up) {
                self.push_color(38, up);
            }
            if colors.1 != Some(down) {
                self.push_color(48, down);
            }
            colors = (Some(up), Some(down));
            self.text.push(UPPER_HALF);
        }
        self.text.push_str("\x1b[0m");
    }

    fn draw_status(&mut self, columns: u16, rows: u16, status: &str) {
        if columns == 0 || rows == 0 {
            return;
        }
        self.move_to(usize::from(rows) - 1, 0);
        let printable = |c: char| if c.is_control() { '?' } else { c };
        self.text
            .extend(status.chars().map(printable).take(usize::from(columns)));
        self.text.push_str("\x1b[K");
    }

    /// Moves to a cell, counted from 0.
    fn move_to(&mut self, row: usize, column: usize) {
        // Writing to a string does not fail.
        let _ = write!(self.text, "\x1b[{};{}H", row + 1, column + 1);
    }

    /// Sets a color; `kind` is 38 for the foreground or 48 for the background.
    fn push_color(&mut self, kind: u8, [red, green, blue]: [u8; 3]) {
        let _ = write!(self.text, "\x1b[{kind};2;{red};{green};{blue}m");
    }
}

/// The largest place for a picture in a terminal without its last row; `None` if there is no room for a
/// single pixel.
fn place(size: Size, columns: u16, rows: u16) -> Option<Place> {
    let (width, height) = (usize::from(size.width()), usize::from(size.height()));
    let (columns, cell_rows) = (usize::from(columns), usize::from(rows).checked_sub(1)?);
    if columns == 0 || cell_rows == 0 {
        return None;
    }
    let room = 2 * cell_rows;
    let (wide, high) = if columns * height <= room * width {
        (columns, (columns * height / width).max(1))
    } else {
        ((room * width / height).max(1), room)
    };
    Some(Place {
        left: (columns - wide) / 2,
        top: (cell_rows - high.div_ceil(2)) / 2,
        columns: wide,
        pixel_rows: high,
    })
}

/// The part of `len` pixels that makes up pixel `index` of `count`; never empty.
fn span(index: usize, count: usize, len: usize) -> Range<usize> {
    let start = index * len / count;
    start..((index + 1) * len / count).max(start + 1)
}

fn mean(pixels: &[u8]) -> u8 {
    let sum: usize = pixels.iter().map(|&pixel| usize::from(pixel)).sum();
    u8::try_from(sum / pixels.len().max(1)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests;
