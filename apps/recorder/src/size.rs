//! Picture sizes and planes: planar 4:2:0 at 8 bits (I420), a full-size luma plane followed by two chroma
//! planes of half the width and half the height.

use std::fmt;
use std::str::FromStr;

/// The longer side of a picture is at most this many pixels: what the H.264 encoder takes.
pub const MAX_LONG_SIDE: u16 = 3840;
/// The shorter side of a picture is at most this many pixels: what the H.264 encoder takes.
pub const MAX_SHORT_SIDE: u16 = 2160;
/// Each side of a picture is at least this many pixels: one macroblock of the H.264 encoder.
pub const MIN_SIDE: u16 = 16;

/// One of the three planes of a picture, in the order in which they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plane {
    /// Brightness, one byte for each pixel.
    Luma,
    /// Blue difference (U, Cb), one byte for each 2×2 pixels.
    ChromaBlue,
    /// Red difference (V, Cr), one byte for each 2×2 pixels.
    ChromaRed,
}

impl Plane {
    /// All planes in storage order.
    pub const ALL: [Self; 3] = [Self::Luma, Self::ChromaBlue, Self::ChromaRed];
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Luma => "Y",
            Self::ChromaBlue => "U",
            Self::ChromaRed => "V",
        })
    }
}

/// The size of a picture in pixels.
///
/// # Invariants
///
/// Both sides are even and at least [`MIN_SIDE`]; the longer is at most [`MAX_LONG_SIDE`], the shorter at
/// most [`MAX_SHORT_SIDE`]. So no computation on a size overflows, and a picture has at most 12 441 600
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    width: u16,
    height: u16,
}

impl Size {
    /// Checks a width and a height in pixels.
    ///
    /// # Errors
    ///
    /// [`SizeError`] names the rule that is broken, each EINVAL.
    pub fn new(width: u32, height: u32) -> Result<Self, SizeError> {
        if width == 0 || height == 0 {
            return Err(SizeError::Zero { width, height });
        }
        let too_large = SizeError::TooLarge { width, height };
        let (Ok(w), Ok(h)) = (u16::try_from(width), u16::try_from(height)) else {
            return Err(too_large);
        };
        if w.max(h) > MAX_LONG_SIDE || w.min(h) > MAX_SHORT_SIDE {
            return Err(too_large);
        }
        if w % 2 != 0 || h % 2 != 0 {
            return Err(SizeError::Odd { width, height });
        }
        if w < MIN_SIDE || h < MIN_SIDE {
            return Err(SizeError::TooSmall { width, height });
        }
        Ok(Self { width: w, height: h })
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(self) -> u16 {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(self) -> u16 {
        self.height
    }

    /// Bytes in one row of `plane`, without padding.
    #[must_use]
    pub fn row_bytes(self, plane: Plane) -> usize {
        match plane {
            Plane::Luma => usize::from(self.width),
            Plane::ChromaBlue | Plane::ChromaRed => usize::from(self.width / 2),
        }
    }

    /// Rows in `plane`.
    #[must_use]
    pub fn rows(self, plane: Plane) -> usize {
        match plane {
            Plane::Luma => usize::from(self.height),
            Plane::ChromaBlue | Plane::ChromaRed => usize::from(self.height / 2),
        }
    }

    /// Bytes in `plane`, without padding.
    #[must_use]
    pub fn plane_bytes(self, plane: Plane) -> usize {
        self.row_bytes(plane) * self.rows(plane)
    }

    /// Where `plane` begins in a picture that is stored without padding, in bytes from its beginning.
    #[must_use]
    pub fn plane_offset_bytes(self, plane: Plane) -> usize {
        match plane {
            Plane::Luma => 0,
            Plane::ChromaBlue => self.plane_bytes(Plane::Luma),
            Plane::ChromaRed => self.plane_bytes(Plane::Luma) + self.plane_bytes(Plane::ChromaBlue),
        }
    }

    /// Bytes in a whole picture that is stored without padding.
    #[must_use]
    pub fn picture_bytes(self) -> usize {
        Plane::ALL.iter().map(|&plane| self.plane_bytes(plane)).sum()
    }
}

impl Default for Size {
    /// 1280×720.
    fn default() -> Self {
        Self {
            width: 1280,
            height: 720,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Size {
    type Err = SizeError;

    /// Parses `WIDTHxHEIGHT`, for example `1280x720`.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let malformed = || SizeError::Malformed {
            text: text.escape_default().take(40).collect(),
        };
        let (width, height) = text.split_once('x').ok_or_else(malformed)?;
        Self::new(
            parse_side(width).ok_or_else(malformed)?,
            parse_side(height).ok_or_else(malformed)?,
        )
    }
}

/// Parses one side of a size. A number that is too large for `u32` becomes `u32::MAX`, which [`Size::new`]
/// calls too large.
pub(crate) fn parse_side(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}

/// Why a picture size is refused. The errno of each is EINVAL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizeError {
    /// The text is not `WIDTHxHEIGHT`.
    #[error("size \"{text}\" is not WIDTHxHEIGHT in pixels, for example 1280x720")]
    Malformed {
        /// What was given, escaped and cut to 40 characters.
        text: String,
    },
    /// A side is zero.
    #[error("size {width}x{height} is empty: neither side may be zero")]
    Zero {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A side is odd, which 4:2:0 chroma cannot represent.
    #[error("size {width}x{height} is odd: 4:2:0 pictures need an even width and an even height")]
    Odd {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A side is shorter than [`MIN_SIDE`].
    #[error("size {width}x{height} is too small: each side must be at least {MIN_SIDE} pixels")]
    TooSmall {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A side is longer than the encoder takes.
    #[error(
        "size {}x{} is too large: the H.264 encoder takes at most {MAX_LONG_SIDE}x{MAX_SHORT_SIDE} (or upright)",
        Side(*width), Side(*height)
    )]
    TooLarge {
        /// Width in pixels; `u32::MAX` stands for anything larger.
        width: u32,
        /// Height in pixels; `u32::MAX` stands for anything larger.
        height: u32,
    },
}

/// Shows the stand-in for "does not even fit 32 bits" as what it means.
struct Side(u32);

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            u32::MAX => f.write_str("(over 4294967294)"),
            side => write!(f, "{side}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_tile_the_picture() {
        let size = Size::new(18, 16).unwrap();
        let mut next = 0;
        for plane in Plane::ALL {
            assert_eq!(size.plane_offset_bytes(plane), next);
            next += size.plane_bytes(plane);
        }
        assert_eq!(next, size.picture_bytes());
        assert_eq!(next, 18 * 16 + 2 * 9 * 8);
    }

    #[test]
    fn usual_sizes_parse() {
        for (text, width, height) in [
            ("1280x720", 1280, 720),
            ("16x16", 16, 16),
            ("2160x3840", 2160, 3840),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.width(), size.height()), (width, height));
            assert_eq!(size.to_string(), text);
        }
    }

    #[test]
    fn bad_sizes_are_refused_by_rule() {
        use SizeError as E;
        let parse = |text: &str| text.parse::<Size>().unwrap_err();
        for text in [
            "", "x", "720", "1280x", "x720", "1280X720", "-2x2", "+2x2", "2x2x2", "2 x2", "1e3x2", "٣x٣",
        ] {
            assert!(matches!(parse(text), E::Malformed { .. }), "{text}");
        }
        assert!(matches!(parse("0x720"), E::Zero { .. }));
        assert!(matches!(parse("1280x0"), E::Zero { .. }));
        assert!(matches!(parse("1281x720"), E::Odd { .. }));
        assert!(matches!(parse("1280x721"), E::Odd { .. }));
        assert!(matches!(parse("14x720"), E::TooSmall { .. }));
        assert!(matches!(parse("3842x2160"), E::TooLarge { .. }));
        assert!(matches!(parse("3840x2162"), E::TooLarge { .. }));
        assert!(matches!(parse("65536x65536"), E::TooLarge { .. }));
        assert!(matches!(
            parse("4294967296x2"),
            E::TooLarge { width: u32::MAX, .. }
        ));
        assert!(matches!(
            parse("99999999999999999999x99999999999999999999"),
            E::TooLarge { .. }
        ));
    }

    #[test]
    fn size_errors_fit_one_line() {
        let error = format!("{}\n\x1b[31m", "9".repeat(500))
            .parse::<Size>()
            .unwrap_err()
            .to_string();
        assert!(!error.contains(['\n', '\x1b']) && error.len() < 160, "{error}");
    }
}
