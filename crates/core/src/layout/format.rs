//! Pixel formats and their modifiers, numbered as in DRM.

use std::fmt;
use std::str::FromStr;

use crate::InvalidText;
use crate::text::{by_text, number};

/// A pixel format by its four-character code, as in `drm_fourcc.h`.
///
/// ```
/// use wharf_core::layout::Fourcc;
/// assert_eq!(Fourcc::YUV420, Fourcc::from_bytes(*b"YU12"));
/// assert_eq!(Fourcc::YUV420.to_string(), "YU12");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fourcc(u32);

impl Fourcc {
    /// Planar Y, U, V with chroma halved both ways; also called I420.
    #[doc(alias = "I420")]
    pub const YUV420: Self = Self::from_bytes(*b"YU12");
    /// Planar Y, U, V with chroma halved horizontally; also called I422.
    #[doc(alias = "I422")]
    pub const YUV422: Self = Self::from_bytes(*b"YU16");
    /// Planar Y, U, V with full chroma; also called I444.
    #[doc(alias = "I444")]
    pub const YUV444: Self = Self::from_bytes(*b"YU24");
    /// Plane of Y and plane of U and V in turn, chroma halved both ways.
    pub const NV12: Self = Self::from_bytes(*b"NV12");
    /// One plane of 8 bits per pixel: luma only. V4L2 calls it `GREY`.
    #[doc(alias = "GREY")]
    pub const R8: Self = Self::from_bytes(*b"R8  ");
    /// Blue, green, red and an unused byte per pixel, in this order in memory.
    pub const XRGB8888: Self = Self::from_bytes(*b"XR24");

    /// Makes the code of four characters.
    pub const fn from_bytes(characters: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(characters))
    }

    /// Takes any number, for example from a shared page; whether the format is known shows when it is used.
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// Returns the number.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// Returns how many planes pictures of the format have; `None` for a format that is not known.
    pub fn plane_count(self) -> Option<usize> {
        Some(self.format()?.len())
    }

    /// Returns the bytes of a row of a plane that hold samples, in a picture `width` pixels wide; `None` if there is no such plane.
    pub fn row_bytes(self, plane: usize, width: u32) -> Option<u64> {
        let plane = self.format()?.get(plane)?;
        Some(u64::from(width.div_ceil(plane.pixels_across)) * u64::from(plane.sample_bytes))
    }

    /// Returns the rows of a plane in a picture `height` pixels high; `None` if there is no such plane.
    pub fn rows(self, plane: usize, height: u32) -> Option<u64> {
        let plane = self.format()?.get(plane)?;
        Some(u64::from(height.div_ceil(plane.rows_down)))
    }

    pub(super) fn format(self) -> Option<&'static [PlaneFormat]> {
        FORMATS
            .iter()
            .find(|(fourcc, _)| *fourcc == self)
            .map(|(_, planes)| *planes)
    }
}

impl fmt::Display for Fourcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let characters = self.0.to_le_bytes();
        match str::from_utf8(&characters) {
            Ok(text) if is_readable(text.trim_end_matches(' ')) => f.write_str(text.trim_end_matches(' ')),
            _ => write!(f, "{:#010x}", self.0),
        }
    }
}

/// Letters and digits; nothing else could be told from what stands around it in a file or report.
fn is_readable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl FromStr for Fourcc {
    type Err = InvalidText;

    /// Reads what `Display` writes.
    ///
    /// # Errors
    /// [`InvalidText`], EINVAL: neither 1 to 4 letters and digits, nor `0x` and 8 digits.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let code = match text.as_bytes() {
            [b'0', b'x', digits @ ..] if digits.len() == 8 => {
                number(text).and_then(|raw| raw.try_into().ok())
            }
            letters if letters.len() <= 4 && is_readable(text) => {
                let mut characters = [b' '; 4];
                characters[..letters.len()].copy_from_slice(letters);
                Some(u32::from_le_bytes(characters))
            }
            _ => None,
        };
        let need = "a pixel format such as NV12, or 0x and 8 digits";
        code.map(Self).ok_or_else(|| InvalidText::new(text, need))
    }
}

by_text!(Fourcc);

impl fmt::Debug for Fourcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How pixels are arranged in memory beyond their format, as in `drm_fourcc.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Modifier(u64);

impl Modifier {
    /// Row after row, each pixel after its left neighbour.
    pub const LINEAR: Self = Self(0);

    /// Takes any number; all but [`Modifier::LINEAR`] are refused by layouts.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// Returns the number.
    pub const fn raw(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Modifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}

/// What one plane of a format holds.
pub(super) struct PlaneFormat {
    /// How many pixels of a row share one sample.
    pub(super) pixels_across: u32,
    /// How many rows share one row of samples.
    pub(super) rows_down: u32,
    /// Size of one sample.
    pub(super) sample_bytes: u32,
}

impl PlaneFormat {
    /// Bytes of a row that hold samples. Cannot overflow for widths up to the longest side.
    pub(super) fn row_bytes(&self, width: u32) -> u32 {
        width.div_ceil(self.pixels_across) * self.sample_bytes
    }

    pub(super) fn rows(&self, height: u32) -> u32 {
        height.div_ceil(self.rows_down)
    }
}

const fn plane(pixels_across: u32, rows_down: u32, sample_bytes: u32) -> PlaneFormat {
    PlaneFormat {
        pixels_across,
        rows_down,
        sample_bytes,
    }
}

/// One plane of whole pixels.
const fn packed(sample_bytes: u32) -> [PlaneFormat; 1] {
    [plane(1, 1, sample_bytes)]
}

const fn known(code: &[u8; 4], planes: &'static [PlaneFormat]) -> (Fourcc, &'static [PlaneFormat]) {
    (Fourcc::from_bytes(*code), planes)
}

const PLANAR_420: &[PlaneFormat] = &[plane(1, 1, 1), plane(2, 2, 1), plane(2, 2, 1)];
const PLANAR_422: &[PlaneFormat] = &[plane(1, 1, 1), plane(2, 1, 1), plane(2, 1, 1)];
const PLANAR_444: &[PlaneFormat] = &[plane(1, 1, 1), plane(1, 1, 1), plane(1, 1, 1)];
const HALF_PLANAR_420: &[PlaneFormat] = &[plane(1, 1, 1), plane(2, 2, 2)];
const HALF_PLANAR_422: &[PlaneFormat] = &[plane(1, 1, 1), plane(2, 1, 2)];
const HALF_PLANAR_444: &[PlaneFormat] = &[plane(1, 1, 1), plane(1, 1, 2)];
const HALF_PLANAR_420_16: &[PlaneFormat] = &[plane(1, 1, 2), plane(2, 2, 4)];
const HALF_PLANAR_422_16: &[PlaneFormat] = &[plane(1, 1, 2), plane(2, 1, 4)];
/// Two pixels of one row share their chroma.
const PACKED_422: &[PlaneFormat] = &[plane(2, 1, 4)];
const BYTES_1: &[PlaneFormat] = &packed(1);
const BYTES_2: &[PlaneFormat] = &packed(2);
const BYTES_3: &[PlaneFormat] = &packed(3);
const BYTES_4: &[PlaneFormat] = &packed(4);
const BYTES_8: &[PlaneFormat] = &packed(8);

const FORMATS: &[(Fourcc, &[PlaneFormat])] = &[
    known(b"YU12", PLANAR_420),
    known(b"YV12", PLANAR_420),
    known(b"YU16", PLANAR_422),
    known(b"YV16", PLANAR_422),
    known(b"YU24", PLANAR_444),
    known(b"YV24", PLANAR_444),
    known(b"NV12", HALF_PLANAR_420),
    known(b"NV21", HALF_PLANAR_420),
    known(b"NV16", HALF_PLANAR_422),
    known(b"NV61", HALF_PLANAR_422),
    known(b"NV24", HALF_PLANAR_444),
    known(b"NV42", HALF_PLANAR_444),
    known(b"P010", HALF_PLANAR_420_16),
    known(b"P012", HALF_PLANAR_420_16),
    known(b"P016", HALF_PLANAR_420_16),
    known(b"P210", HALF_PLANAR_422_16),
    known(b"YUYV", PACKED_422),
    known(b"YVYU", PACKED_422),
    known(b"UYVY", PACKED_422),
    known(b"VYUY", PACKED_422),
    known(b"R8  ", BYTES_1),
    known(b"R16 ", BYTES_2),
    known(b"GR88", BYTES_2),
    known(b"RG16", BYTES_2),
    known(b"BG16", BYTES_2),
    known(b"AR15", BYTES_2),
    known(b"XR15", BYTES_2),
    known(b"AR12", BYTES_2),
    known(b"XR12", BYTES_2),
    known(b"RG24", BYTES_3),
    known(b"BG24", BYTES_3),
    known(b"XR24", BYTES_4),
    known(b"AR24", BYTES_4),
    known(b"XB24", BYTES_4),
    known(b"AB24", BYTES_4),
    known(b"RX24", BYTES_4),
    known(b"RA24", BYTES_4),
    known(b"BX24", BYTES_4),
    known(b"BA24", BYTES_4),
    known(b"XR30", BYTES_4),
    known(b"AR30", BYTES_4),
    known(b"XB30", BYTES_4),
    known(b"AB30", BYTES_4),
    known(b"XB4H", BYTES_8),
    known(b"AB4H", BYTES_8),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_codes_are_shown_as_text_and_others_as_numbers() {
        assert_eq!(Fourcc::R8.to_string(), "R8");
        assert_eq!(Fourcc::from_raw(0x0a1b_5b32).to_string(), "0x0a1b5b32");
        assert_eq!(Fourcc::from_raw(0xff).to_string(), "0x000000ff");
    }

    #[test]
    fn rows_are_as_long_as_the_samples_in_them() {
        let bytes = |code: &[u8; 4], plane| {
            let fourcc = Fourcc::from_bytes(*code);
            fourcc.row_bytes(plane, 101).zip(fourcc.rows(plane, 51))
        };
        assert_eq!(
            (bytes(b"NV21", 0), bytes(b"NV21", 1)),
            (Some((101, 51)), Some((102, 26)))
        );
        assert_eq!(
            (bytes(b"NV16", 1), bytes(b"YV12", 2)),
            (Some((102, 51)), Some((51, 26)))
        );
        assert_eq!(
            (bytes(b"P010", 0), bytes(b"P010", 1)),
            (Some((202, 51)), Some((204, 26)))
        );
        assert_eq!(
            (bytes(b"YUYV", 0), bytes(b"RG24", 0)),
            (Some((204, 51)), Some((303, 51)))
        );
        assert_eq!(
            (bytes(b"AB24", 0), bytes(b"RG16", 0)),
            (Some((404, 51)), Some((202, 51)))
        );
        assert_eq!((bytes(b"NV12", 2), bytes(b"????", 0)), (None, None));
    }

    #[test]
    fn every_format_is_known_once() {
        let codes: std::collections::BTreeSet<Fourcc> = FORMATS.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), FORMATS.len());
    }

    #[test]
    fn codes_are_read_as_they_are_shown() {
        for code in [
            *b"NV12",
            *b"R8  ",
            *b"0x12",
            *b"*   ",
            *b"A:B ",
            *b"    ",
            *b"A B ",
            *b"\0\0\0\0",
        ] {
            let code = Fourcc::from_bytes(code);
            assert_eq!(code.to_string().parse(), Ok(code));
        }
        for wrong in ["", "NV12 ", "*", "NV123", "0x0a1b5b3", "0x0a1b5b3g", "N\u{fc}1"] {
            assert!(wrong.parse::<Fourcc>().is_err(), "{wrong:?}");
        }
    }
}
