//! Pictures in shared buffers.

use std::cell::Cell;

use wharf::layout::{Fourcc, FrameLayout, LayoutError, Modifier, PlaneExtent};
use wharf::{Frame, OutOfBounds, View, ViewMut};

use crate::picture::{Plane, RowOutOfBounds, RowSink, RowSource};
use crate::size::{Size, SizeError};

/// How pictures of a size lie in buffers that were negotiated to have room for them: where `negotiated` says.
pub(crate) fn layout(negotiated: &FrameLayout, size: Size) -> Result<FrameLayout, LayoutError> {
    let (width, height) = (size.width().into(), size.height().into());
    FrameLayout::from_planes(
        Fourcc::YUV420,
        Modifier::LINEAR,
        width,
        height,
        negotiated.planes(),
    )
}

/// The camera's own number of a frame, which it writes in eight bytes beside it.
pub(crate) fn number(frame: &Frame) -> u64 {
    let number = frame.info().user.as_bytes().first_chunk().copied();
    number.map_or(frame.seq(), u64::from_le_bytes)
}

/// Why a frame is no picture for the recorder. Blame: the camera.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAPicture {
    /// It does not say how it is laid out.
    #[error("frame {seq} has no layout")]
    NoLayout { seq: u64 },
    /// It has another format.
    #[error("frame {seq} has the pixel format {fourcc} instead of {}", Fourcc::YUV420)]
    Format { seq: u64, fourcc: Fourcc },
    /// It has an impossible size.
    #[error("frame {seq}: {source}")]
    Size { seq: u64, source: SizeError },
    /// It is cut off.
    #[error("frame {seq}: {source}")]
    View { seq: u64, source: OutOfBounds },
}

/// A buffer that is being filled with a picture.
#[derive(Debug)]
pub(crate) struct SharedSink<'a> {
    view: ViewMut<'a>,
    layout: &'a FrameLayout,
}

impl<'a> SharedSink<'a> {
    pub(crate) fn new(view: ViewMut<'a>, layout: &'a FrameLayout) -> Self {
        Self { view, layout }
    }
}

impl RowSink for SharedSink<'_> {
    fn put_row(&mut self, plane: Plane, row: usize, pixels: &[u8]) -> Result<(), RowOutOfBounds> {
        let place = place(self.layout, plane, row, pixels.len())?;
        self.view
            .copy_from(place, pixels)
            .map_err(|_| out_of_bounds(plane, row, pixels.len()))
    }
}

/// A received frame with a picture. Its rows are copied out of the shared buffer, and counted.
#[derive(Debug)]
pub(crate) struct SharedSource<'a> {
    view: View<'a>,
    layout: &'a FrameLayout,
    size: Size,
    copied_bytes: Cell<u64>,
}

impl<'a> SharedSource<'a> {
    pub(crate) fn new(frame: &'a Frame) -> Result<Self, NotAPicture> {
        let seq = frame.seq();
        let layout = frame.layout().ok_or(NotAPicture::NoLayout { seq })?;
        let fourcc = layout.fourcc();
        if fourcc != Fourcc::YUV420 {
            return Err(NotAPicture::Format { seq, fourcc });
        }
        let size =
            Size::new(layout.width(), layout.height()).map_err(|source| NotAPicture::Size { seq, source })?;
        Ok(Self {
            view: frame.view().map_err(|source| NotAPicture::View { seq, source })?,
            layout,
            size,
            copied_bytes: Cell::new(0),
        })
    }

    /// Bytes copied out of the buffer so far.
    pub(crate) fn copied_bytes(&self) -> u64 {
        self.copied_bytes.get()
    }
}

impl RowSource for SharedSource<'_> {
    fn size(&self) -> Size {
        self.size
    }

    fn copy_row(&self, plane: Plane, row: usize, pixels: &mut [u8]) -> Result<(), RowOutOfBounds> {
        let len_bytes = pixels.len();
        let place = place(self.layout, plane, row, len_bytes)?;
        self.view
            .copy_to(place, pixels)
            .map_err(|_| out_of_bounds(plane, row, len_bytes))?;
        // CAST: usize is at most 64 bits wide on Linux.
        self.copied_bytes.set(self.copied_bytes.get() + len_bytes as u64);
        Ok(())
    }
}

fn out_of_bounds(plane: Plane, row: usize, len_bytes: usize) -> RowOutOfBounds {
    RowOutOfBounds {
        plane,
        row,
        len_bytes,
    }
}

/// Where a row begins, in bytes from the start of the buffer.
fn place(layout: &FrameLayout, plane: Plane, row: usize, len_bytes: usize) -> Result<usize, RowOutOfBounds> {
    let extent = layout.plane(index(plane));
    let fits = |extent: &PlaneExtent| {
        // CAST: u32 fits usize on Linux.
        row < extent.rows as usize && len_bytes == extent.row_bytes as usize
    };
    match extent.filter(fits) {
        // CAST: u32 fits usize on Linux. The product is below 2^32 times the number of rows.
        Some(extent) => Ok(extent.offset_bytes as usize + row * extent.stride_bytes as usize),
        None => Err(out_of_bounds(plane, row, len_bytes)),
    }
}

fn index(plane: Plane) -> usize {
    match plane {
        Plane::Luma => 0,
        Plane::ChromaBlue => 1,
        Plane::ChromaRed => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Planes as they come out of a negotiation in which somebody needs whole macroblocks and long rows.
    fn padded(size: Size) -> FrameLayout {
        let mut next_bytes = 0;
        let planes = Plane::ALL.map(|plane| {
            let bytes = |number: usize| u32::try_from(number).unwrap();
            let (stride_bytes, rows) = (
                bytes(size.row_bytes(plane)).next_multiple_of(128),
                bytes(size.rows(plane)).next_multiple_of(16),
            );
            let offset_bytes = next_bytes;
            next_bytes += stride_bytes * rows;
            wharf::layout::Plane {
                offset_bytes,
                stride_bytes,
            }
        });
        let (width, height) = (size.width().into(), size.height().into());
        FrameLayout::from_planes(Fourcc::YUV420, Modifier::LINEAR, width, height, &planes).unwrap()
    }

    #[test]
    fn rows_lie_apart_and_inside_the_frame() {
        let size = Size::new(18, 20).unwrap();
        let layout = layout(&padded(size), size).unwrap();
        let mut ends = vec![0];
        for plane in Plane::ALL {
            let row_bytes = size.row_bytes(plane);
            for row in 0..size.rows(plane) {
                let start = place(&layout, plane, row, row_bytes).unwrap();
                assert!(
                    start.is_multiple_of(128) && start >= ends[ends.len() - 1],
                    "{plane} {row}"
                );
                ends.push(start + row_bytes);
            }
            assert!(place(&layout, plane, size.rows(plane), row_bytes).is_err());
            assert!(place(&layout, plane, 0, row_bytes + 1).is_err());
        }
        assert!(ends[ends.len() - 1] <= usize::try_from(layout.size_bytes()).unwrap());
        assert_eq!(place(&layout, Plane::ChromaBlue, 0, 9).unwrap(), 128 * 32);
    }

    #[test]
    fn planes_too_small_for_the_picture_are_refused() {
        let [small, large] = ["16x16", "18x16"].map(|size| size.parse().unwrap());
        let negotiated = FrameLayout::linear(Fourcc::YUV420, 16, 16, 1).unwrap();
        assert_eq!(layout(&negotiated, small).unwrap(), negotiated);
        assert!(layout(&negotiated, large).is_err());
        let two_planes = FrameLayout::linear(Fourcc::NV12, 16, 16, 1).unwrap();
        assert!(layout(&two_planes, small).is_err());
    }
}
