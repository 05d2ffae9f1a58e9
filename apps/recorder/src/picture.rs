//! Pictures and ways to move rows of pixels in and out of them.
//!
//! Pixels travel a row at a time through [`RowSink`] and [`RowSource`], because a shared buffer is never a
//! Rust slice (contract C7): its views copy rows in and out, and nothing here needs more than that.

pub use crate::size::{Plane, Size, SizeError};

/// A row does not fit the picture it was meant for: a bug of the caller, or a shared buffer that is smaller
/// than its layout says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("row {row} of plane {plane} with {len_bytes} bytes does not fit the picture")]
pub struct RowOutOfBounds {
    /// Plane asked for.
    pub plane: Plane,
    /// Row asked for, counted from 0 at the top.
    pub row: usize,
    /// Bytes that were to be copied.
    pub len_bytes: usize,
}

/// Takes a picture a row at a time.
pub trait RowSink {
    /// Stores one row of `plane`; `row` counts from 0 at the top, `pixels` is one whole row.
    ///
    /// # Errors
    ///
    /// [`RowOutOfBounds`] (EINVAL) if there is no such row or it has another length.
    fn put_row(&mut self, plane: Plane, row: usize, pixels: &[u8]) -> Result<(), RowOutOfBounds>;
}

/// Gives a picture a row at a time.
pub trait RowSource {
    /// The size of the picture.
    fn size(&self) -> Size;

    /// Copies one row of `plane` to `pixels`, which holds exactly one row; `row` counts from 0 at the top.
    ///
    /// # Errors
    ///
    /// [`RowOutOfBounds`] (EINVAL) if there is no such row or it has another length.
    fn copy_row(&self, plane: Plane, row: usize, pixels: &mut [u8]) -> Result<(), RowOutOfBounds>;
}

/// A picture in memory of this process's own, stored without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    size: Size,
    bytes: Vec<u8>,
}

impl Picture {
    /// Makes a black picture.
    #[must_use]
    pub fn black(size: Size) -> Self {
        let mut bytes = vec![128; size.picture_bytes()];
        bytes[..size.plane_bytes(Plane::Luma)].fill(16);
        Self { size, bytes }
    }

    /// The pixels of one plane, row after row.
    #[must_use]
    pub fn plane(&self, plane: Plane) -> &[u8] {
        &self.bytes[self.size.plane_offset_bytes(plane)..][..self.size.plane_bytes(plane)]
    }

    /// All three planes, one after the other.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Overwrites this picture with another one of the same size.
    ///
    /// # Errors
    ///
    /// [`RowOutOfBounds`] (EINVAL) if `source` refuses a row of this picture's size.
    pub fn copy_from(&mut self, source: &impl RowSource) -> Result<(), RowOutOfBounds> {
        for plane in Plane::ALL {
            let start = self.size.plane_offset_bytes(plane);
            let rows = &mut self.bytes[start..start + self.size.plane_bytes(plane)];
            for (row, pixels) in rows.chunks_exact_mut(self.size.row_bytes(plane)).enumerate() {
                source.copy_row(plane, row, pixels)?;
            }
        }
        Ok(())
    }

    fn row_range(
        &self,
        plane: Plane,
        row: usize,
        len_bytes: usize,
    ) -> Result<std::ops::Range<usize>, RowOutOfBounds> {
        if row >= self.size.rows(plane) || len_bytes != self.size.row_bytes(plane) {
            return Err(RowOutOfBounds {
                plane,
                row,
                len_bytes,
            });
        }
        let start = self.size.plane_offset_bytes(plane) + row * len_bytes;
        Ok(start..start + len_bytes)
    }
}

impl RowSink for Picture {
    fn put_row(&mut self, plane: Plane, row: usize, pixels: &[u8]) -> Result<(), RowOutOfBounds> {
        let range = self.row_range(plane, row, pixels.len())?;
        self.bytes[range].copy_from_slice(pixels);
        Ok(())
    }
}

impl RowSource for Picture {
    fn size(&self) -> Size {
        self.size
    }

    fn copy_row(&self, plane: Plane, row: usize, pixels: &mut [u8]) -> Result<(), RowOutOfBounds> {
        let range = self.row_range(plane, row, pixels.len())?;
        pixels.copy_from_slice(&self.bytes[range]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_outside_the_picture_are_refused() {
        let size = Size::new(16, 16).unwrap();
        let mut picture = Picture::black(size);
        let bad = |plane, row, len_bytes| {
            Err(RowOutOfBounds {
                plane,
                row,
                len_bytes,
            })
        };
        assert_eq!(
            picture.put_row(Plane::Luma, 16, &[0; 16]),
            bad(Plane::Luma, 16, 16)
        );
        assert_eq!(picture.put_row(Plane::Luma, 0, &[0; 8]), bad(Plane::Luma, 0, 8));
        assert_eq!(
            picture.copy_row(Plane::ChromaRed, 8, &mut [0; 8]),
            bad(Plane::ChromaRed, 8, 8)
        );
        assert_eq!(
            picture.copy_row(Plane::ChromaRed, usize::MAX, &mut [0; 8]),
            bad(Plane::ChromaRed, usize::MAX, 8)
        );
    }

    #[test]
    fn rows_come_back_where_they_were_put() {
        let size = Size::new(16, 16).unwrap();
        let mut picture = Picture::black(size);
        for plane in Plane::ALL {
            picture
                .put_row(plane, 3, &vec![plane as u8 + 1; size.row_bytes(plane)])
                .unwrap();
        }
        let mut copy = Picture::black(size);
        copy.copy_from(&picture).unwrap();
        assert_eq!(copy, picture);
        assert_eq!(copy.plane(Plane::ChromaBlue)[3 * 8..4 * 8], [2; 8]);
    }
}
