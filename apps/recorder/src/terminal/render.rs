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
mod tests {
    use super::*;
    use crate::picture::{Picture, RowSink};

    const RED: [u8; 3] = [255, 0, 0];
    const BLUE: [u8; 3] = [0, 0, 255];

    /// A picture with one color in its upper and another in its lower half.
    fn two_colors(size: Size, upper: [u8; 3], lower: [u8; 3]) -> Picture {
        let mut picture = Picture::black(size);
        for (part, plane) in Plane::ALL.into_iter().enumerate() {
            for row in 0..size.rows(plane) {
                let rgb = if row < size.rows(plane) / 2 { upper } else { lower };
                let value = Matrix::for_size(size).to_yuv(rgb)[part];
                picture
                    .put_row(plane, row, &vec![value; size.row_bytes(plane)])
                    .unwrap();
            }
        }
        picture
    }

    fn size(width: u32, height: u32) -> Size {
        Size::new(width, height).unwrap()
    }

    #[test]
    fn cell_has_its_upper_and_lower_color() {
        let picture = two_colors(size(16, 16), RED, BLUE);
        let mut renderer = Renderer::new();
        let [up, down] = [RED, BLUE].map(|rgb| {
            Matrix::Bt601
                .to_rgb(Matrix::Bt601.to_yuv(rgb))
                .map(|part| part.to_string())
                .join(";")
        });
        let text = renderer.render(&picture, 2, 2, "ok").unwrap();
        let expected = format!(
            "\x1b[?2026h\x1b[0m\x1b[2J\x1b[1;1H\x1b[38;2;{up}m\x1b[48;2;{down}m▀▀\x1b[0m\x1b[2;1Hok\x1b[K\x1b[?2026l"
        );
        assert_eq!(text, expected);
        let again = renderer.render(&picture, 2, 2, "ok").unwrap();
        assert_eq!(again, expected.replace("\x1b[0m\x1b[2J", ""), "cleared only once");
        assert!(
            renderer.render(&picture, 3, 2, "ok").unwrap().contains("\x1b[2J"),
            "cleared after a resize"
        );
    }

    #[test]
    fn picture_keeps_its_shape_and_is_centered() {
        let wide = size(1280, 720);
        assert_eq!(
            place(wide, 160, 91),
            Some(Place {
                left: 0,
                top: 22,
                columns: 160,
                pixel_rows: 90
            })
        );
        assert_eq!(
            place(wide, 160, 46),
            Some(Place {
                left: 0,
                top: 0,
                columns: 160,
                pixel_rows: 90
            })
        );
        assert_eq!(
            place(wide, 300, 46),
            Some(Place {
                left: 70,
                top: 0,
                columns: 160,
                pixel_rows: 90
            })
        );
        assert_eq!(
            place(size(16, 3840), 80, 25),
            Some(Place {
                left: 39,
                top: 0,
                columns: 1,
                pixel_rows: 48
            })
        );
    }

    #[test]
    fn odd_last_pixel_row_is_padded_with_black() {
        let picture = two_colors(size(32, 16), RED, RED);
        let mut renderer = Renderer::new();
        let text = renderer.render(&picture, 6, 4, "").unwrap();
        assert_eq!(text.matches("\x1b[48;2;0;0;0m").count(), 1, "{text:?}");
        assert_eq!(text.matches(UPPER_HALF).count(), 12);
    }

    #[test]
    fn every_terminal_size_is_served() {
        let picture = two_colors(size(3840, 16), RED, BLUE);
        let mut renderer = Renderer::new();
        for (columns, rows) in [
            (0, 0),
            (0, 9),
            (9, 0),
            (1, 1),
            (1, 2),
            (9, 1),
            (80, 24),
            (u16::MAX, u16::MAX),
        ] {
            let text = renderer.render(&picture, columns, rows, "status").unwrap();
            assert!(text.len() < 4 << 20);
            assert_eq!(
                text.contains("status"),
                columns >= 6 && rows > 0,
                "{columns}x{rows}"
            );
        }
    }

    #[test]
    fn status_is_cut_and_cannot_send_escapes() {
        let picture = two_colors(size(16, 16), RED, RED);
        let mut renderer = Renderer::new();
        let text = renderer.render(&picture, 5, 1, "a\x1b[2Jbcdef").unwrap();
        assert!(text.ends_with("\x1b[1;1Ha?[2J\x1b[K\x1b[?2026l"), "{text:?}");
    }
}
