//! One tag of the first line of a stream.

use super::error::{Y4mError, quote};
use super::header::Chroma;
use crate::rate::FrameRate;
use crate::size::parse_side;

/// One tag: a letter and the text that follows it.
pub(super) struct Tag<'a> {
    pub(super) letter: char,
    pub(super) value: &'a [u8],
}

impl Tag<'_> {
    fn bad(&self, expected: &'static str) -> Y4mError {
        Y4mError::BadValue {
            tag: self.letter,
            value: quote(self.value),
            expected,
        }
    }

    pub(super) fn set<T>(&self, slot: &mut Option<T>, value: T) -> Result<(), Y4mError> {
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(Y4mError::DuplicateTag {
                tag: self.letter,
                value: quote(self.value),
            }),
        }
    }

    pub(super) fn side(&self) -> Result<u32, Y4mError> {
        let text = str::from_utf8(self.value).ok();
        text.and_then(parse_side)
            .ok_or_else(|| self.bad("it must be a number of pixels"))
    }

    fn ratio(&self) -> Option<(u32, u32)> {
        let number = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => digits.parse().ok(),
            false => None,
        };
        let (upper, lower) = str::from_utf8(self.value).ok()?.split_once(':')?;
        Some((number(upper)?, number(lower)?))
    }

    pub(super) fn rate(&self) -> Result<Option<FrameRate>, Y4mError> {
        match self.ratio() {
            None => Err(self.bad("it must be a ratio of numbers such as 30:1")),
            Some((0, 0)) => Ok(None),
            Some((frames, seconds)) => Ok(Some(FrameRate::new(frames, seconds)?)),
        }
    }

    pub(super) fn interlaced(&self) -> Result<bool, Y4mError> {
        match self.value {
            b"p" | b"?" => Ok(false),
            b"t" | b"b" | b"m" => Ok(true),
            _ => Err(self.bad("it must be one of p, t, b, m, ?")),
        }
    }

    pub(super) fn aspect(&self) -> Result<(u32, u32), Y4mError> {
        let expected = "it must be a ratio of numbers such as 1:1, or 0:0";
        match self.ratio() {
            None | Some((0, 1..) | (1.., 0)) => Err(self.bad(expected)),
            Some(ratio) => Ok(ratio),
        }
    }

    pub(super) fn chroma(&self) -> Result<Chroma, Y4mError> {
        match self.value {
            b"420" | b"420jpeg" | b"420paldv" | b"420mpeg2" => Ok(Chroma::Yuv420),
            b"422" => Ok(Chroma::Yuv422),
            b"444" => Ok(Chroma::Yuv444),
            b"mono" => Ok(Chroma::Mono),
            other => Err(Y4mError::UnsupportedChroma { value: quote(other) }),
        }
    }
}
