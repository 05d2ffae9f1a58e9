//! Frame layouts.

use super::format::PlaneFormat;
use super::{Fourcc, LayoutError, MAX_PLANES, MAX_SIDE_PIXELS, MAX_STRIDE_ALIGNMENT_BYTES, Modifier};

/// Where one plane is in its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Plane {
    /// Where the first row begins, in bytes from the start of the buffer.
    pub offset_bytes: u32,
    /// From the start of one row to the start of the next, in bytes.
    pub stride_bytes: u32,
}

/// Where one plane is in its buffer, and how much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlaneExtent {
    /// Where the first row begins, in bytes from the start of the buffer.
    pub offset_bytes: u32,
    /// From the start of one row to the start of the next, in bytes; at least `row_bytes`.
    pub stride_bytes: u32,
    /// Number of rows.
    pub rows: u32,
    /// Bytes of a row that hold samples; the rest up to the stride is padding.
    pub row_bytes: u32,
}

impl PlaneExtent {
    /// One past the last byte, counting the padding of the last row.
    fn end_bytes(&self) -> u64 {
        // Fits: both factors are below 2^32, so the product leaves room for an offset below 2^32.
        u64::from(self.offset_bytes) + u64::from(self.stride_bytes) * u64::from(self.rows)
    }
}

/// Where the samples of one picture are in a buffer.
///
/// DIFFERENCE: sides need not be multiples of the chroma subsampling as in DRM; chroma is rounded up, as video files do.
///
/// # Invariants
/// The format is known and linear; both sides are from 1 to [`MAX_SIDE_PIXELS`]; there are as many planes as the format
/// has; strides are not shorter than rows; planes do not overlap.
///
/// # References
/// include/uapi/drm/drm_mode.h `struct drm_mode_fb_cmd2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameLayout {
    fourcc: Fourcc,
    modifier: Modifier,
    width: u32,
    height: u32,
    /// Those beyond the format's are zero.
    planes: [Plane; MAX_PLANES],
}

impl FrameLayout {
    /// Lays out a linear frame of `width` × `height` pixels: plane after plane, each row padded to a multiple of
    /// `stride_alignment_bytes` (a power of two from 1 to 65536).
    ///
    /// # Errors
    /// [`LayoutError::Side`], [`LayoutError::Format`], [`LayoutError::StrideAlignment`]: EINVAL.
    /// [`LayoutError::Offset`]: ERANGE, a plane would begin above 4 GiB.
    pub fn linear(
        fourcc: Fourcc,
        width: u32,
        height: u32,
        stride_alignment_bytes: u32,
    ) -> Result<Self, LayoutError> {
        let formats = check_format(fourcc, Modifier::LINEAR, width, height)?;
        if !stride_alignment_bytes.is_power_of_two() || stride_alignment_bytes > MAX_STRIDE_ALIGNMENT_BYTES {
            return Err(LayoutError::StrideAlignment {
                alignment_bytes: stride_alignment_bytes,
            });
        }
        let mut planes = [Plane::default(); MAX_PLANES];
        let mut next_bytes = 0_u64;
        for (index, (slot, format)) in planes.iter_mut().zip(formats).enumerate() {
            let offset_bytes = u32::try_from(next_bytes).map_err(|_| LayoutError::Offset {
                plane: index,
                offset_bytes: next_bytes,
            })?;
            // Rows are at most 256 KiB and the alignment at most 64 KiB, so neither line can overflow.
            let stride_bytes = format.row_bytes(width).next_multiple_of(stride_alignment_bytes);
            next_bytes += u64::from(stride_bytes) * u64::from(format.rows(height));
            *slot = Plane {
                offset_bytes,
                stride_bytes,
            };
        }
        Ok(Self {
            fourcc,
            modifier: Modifier::LINEAR,
            width,
            height,
            planes,
        })
    }

    /// Takes a layout that somebody else made, believing nothing of it.
    ///
    /// # Errors
    /// [`LayoutError::Side`], [`LayoutError::Format`], [`LayoutError::Modifier`], [`LayoutError::PlaneCount`],
    /// [`LayoutError::Stride`], [`LayoutError::Overlap`]: EINVAL.
    pub fn from_planes(
        fourcc: Fourcc,
        modifier: Modifier,
        width: u32,
        height: u32,
        planes: &[Plane],
    ) -> Result<Self, LayoutError> {
        let formats = check_format(fourcc, modifier, width, height)?;
        if planes.len() != formats.len() {
            return Err(LayoutError::PlaneCount {
                fourcc,
                expected: formats.len(),
                actual: planes.len(),
            });
        }
        let mut slots = [Plane::default(); MAX_PLANES];
        for (index, ((slot, plane), format)) in slots.iter_mut().zip(planes).zip(formats).enumerate() {
            let row_bytes = format.row_bytes(width);
            if plane.stride_bytes < row_bytes {
                return Err(LayoutError::Stride {
                    plane: index,
                    stride_bytes: plane.stride_bytes,
                    row_bytes,
                });
            }
            *slot = *plane;
        }
        let layout = Self {
            fourcc,
            modifier,
            width,
            height,
            planes: slots,
        };
        layout.check_overlap()?;
        Ok(layout)
    }

    /// Returns the pixel format.
    pub fn fourcc(&self) -> Fourcc {
        self.fourcc
    }

    /// Returns the arrangement of pixels.
    pub fn modifier(&self) -> Modifier {
        self.modifier
    }

    /// Returns the width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Returns the height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Returns the planes, as many as the format has.
    pub fn planes(&self) -> &[Plane] {
        let count = self.fourcc.format().map_or(0, <[PlaneFormat]>::len);
        self.planes.get(..count).unwrap_or_default()
    }

    /// Returns plane `index` (from 0) with its rows, or `None` if the format has no such plane.
    pub fn plane(&self, index: usize) -> Option<PlaneExtent> {
        let format = self.fourcc.format()?.get(index)?;
        let plane = self.planes.get(index)?;
        Some(PlaneExtent {
            offset_bytes: plane.offset_bytes,
            stride_bytes: plane.stride_bytes,
            rows: format.rows(self.height),
            row_bytes: format.row_bytes(self.width),
        })
    }

    /// Returns how many bytes the frame needs from the start of its buffer, with the padding of all rows.
    pub fn size_bytes(&self) -> u64 {
        self.extents()
            .map(|(_, extent)| extent.end_bytes())
            .max()
            .unwrap_or(0)
    }

    /// Checks that the frame lies within a buffer of `buffer_bytes`.
    ///
    /// # Errors
    /// [`LayoutError::BufferTooSmall`]: EINVAL.
    pub fn validate(&self, buffer_bytes: u64) -> Result<(), LayoutError> {
        let needed_bytes = self.size_bytes();
        if needed_bytes > buffer_bytes {
            return Err(LayoutError::BufferTooSmall {
                needed_bytes,
                buffer_bytes,
            });
        }
        Ok(())
    }

    fn extents(&self) -> impl Iterator<Item = (usize, PlaneExtent)> {
        (0..MAX_PLANES).filter_map(|index| Some((index, self.plane(index)?)))
    }

    fn check_overlap(&self) -> Result<(), LayoutError> {
        for (first, earlier) in self.extents() {
            for (second, later) in self.extents().filter(|(second, _)| *second != first) {
                let (begin_bytes, end_bytes) = (u64::from(later.offset_bytes), earlier.end_bytes());
                if earlier.offset_bytes <= later.offset_bytes && begin_bytes < end_bytes {
                    return Err(LayoutError::Overlap {
                        first,
                        second,
                        begin_bytes,
                        end_bytes,
                    });
                }
            }
        }
        Ok(())
    }
}

fn check_format(
    fourcc: Fourcc,
    modifier: Modifier,
    width: u32,
    height: u32,
) -> Result<&'static [PlaneFormat], LayoutError> {
    for (side, pixels) in [("width", width), ("height", height)] {
        if pixels == 0 || pixels > MAX_SIDE_PIXELS {
            return Err(LayoutError::Side { side, pixels });
        }
    }
    if modifier != Modifier::LINEAR {
        return Err(LayoutError::Modifier { modifier });
    }
    fourcc.format().ok_or(LayoutError::Format { fourcc })
}
