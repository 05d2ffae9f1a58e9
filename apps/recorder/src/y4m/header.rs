//! The first line of a stream.

use std::fmt;

use super::error::{Y4mError, quote};
use super::tag::Tag;
use crate::rate::FrameRate;
use crate::size::Size;

const MAGIC: &[u8] = b"YUV4MPEG2";

/// What the first line of a stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Size of each frame.
    pub size: Size,
    /// Frames per second; `None` if the file does not say (no `F` tag, or `F0:0`).
    pub rate: Option<FrameRate>,
    /// How chroma is stored in the file.
    pub chroma: Chroma,
    warnings: Vec<Warning>,
}

impl Header {
    /// What is in the file but not kept in the pictures. Empty for most files.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// How chroma is stored in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chroma {
    /// One chroma sample for 2×2 pixels.
    Yuv420,
    /// One chroma sample for 2×1 pixels.
    Yuv422,
    /// One chroma sample for each pixel.
    Yuv444,
    /// No chroma.
    Mono,
}

/// Something in a header that is not an error, but that people will notice in the pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The file is interlaced; both fields of a frame are shown and recorded as one picture.
    Interlaced,
    /// Pixels are not square; they are shown and recorded as if they were.
    PixelAspect {
        /// Width of a pixel in relation to `height`.
        width: u32,
        /// Height of a pixel in relation to `width`.
        height: u32,
    },
    /// Luma uses all of 0..=255; it is shown and recorded as if it used 16..=235.
    FullRange,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interlaced => f.write_str("input is interlaced: both fields are treated as one picture"),
            Self::PixelAspect { width, height } => {
                write!(
                    f,
                    "input has pixels of shape {width}:{height}: they are treated as square"
                )
            }
            Self::FullRange => f.write_str("input has full-range colors: they are treated as limited-range"),
        }
    }
}

/// Tags as they come, before they are put together.
#[derive(Default)]
struct Tags {
    width: Option<u32>,
    height: Option<u32>,
    rate: Option<Option<FrameRate>>,
    interlaced: Option<bool>,
    aspect: Option<(u32, u32)>,
    chroma: Option<Chroma>,
    full_range: bool,
}

/// Parses a first line without its end of line.
pub(super) fn parse(line: &[u8]) -> Result<Header, Y4mError> {
    let mut words = line.split(|&byte| byte == b' ');
    if words.next() != Some(MAGIC) {
        return Err(Y4mError::NotY4m { found: quote(line) });
    }
    let mut tags = Tags::default();
    for word in words.filter(|word| !word.is_empty()) {
        tags.take(word)?;
    }
    tags.finish()
}

impl Tags {
    fn take(&mut self, word: &[u8]) -> Result<(), Y4mError> {
        let unknown = || Y4mError::UnknownTag { text: quote(word) };
        let (&letter, value) = word.split_first().ok_or_else(unknown)?;
        let tag = Tag {
            letter: char::from(letter),
            value,
        };
        match letter {
            b'W' => tag.set(&mut self.width, tag.side()?),
            b'H' => tag.set(&mut self.height, tag.side()?),
            b'F' => tag.set(&mut self.rate, tag.rate()?),
            b'I' => tag.set(&mut self.interlaced, tag.interlaced()?),
            b'A' => tag.set(&mut self.aspect, tag.aspect()?),
            b'C' => tag.set(&mut self.chroma, tag.chroma()?),
            b'X' => {
                self.full_range |= value == b"COLORRANGE=FULL";
                Ok(())
            }
            _ => Err(unknown()),
        }
    }

    fn finish(self) -> Result<Header, Y4mError> {
        let width = self.width.ok_or(Y4mError::MissingTag { tag: 'W' })?;
        let height = self.height.ok_or(Y4mError::MissingTag { tag: 'H' })?;
        let mut warnings = Vec::new();
        if self.interlaced == Some(true) {
            warnings.push(Warning::Interlaced);
        }
        // 0:0 means unknown.
        if let Some((width, height)) = self.aspect.filter(|(width, height)| width != height) {
            warnings.push(Warning::PixelAspect { width, height });
        }
        if self.full_range {
            warnings.push(Warning::FullRange);
        }
        Ok(Header {
            size: Size::new(width, height)?,
            rate: self.rate.flatten(),
            chroma: self.chroma.unwrap_or(Chroma::Yuv420),
            warnings,
        })
    }
}

#[cfg(test)]
mod tests;
