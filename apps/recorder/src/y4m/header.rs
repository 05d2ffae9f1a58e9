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
mod tests {
    use super::*;
    use crate::rate::RateError;
    use crate::size::SizeError;

    fn parse_text(text: &str) -> Result<Header, Y4mError> {
        parse(text.as_bytes())
    }

    #[test]
    fn header_of_ffmpeg_is_understood() {
        let header =
            parse_text("YUV4MPEG2 W320 H240 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=LIMITED")
                .unwrap();
        assert_eq!(header.size.to_string(), "320x240");
        assert_eq!(header.rate, FrameRate::new(30_000, 1001).ok());
        assert_eq!(header.chroma, Chroma::Yuv420);
        assert!(header.warnings().is_empty());
    }

    #[test]
    fn smallest_header_is_420_with_unknown_rate() {
        for text in [
            "YUV4MPEG2 W16 H16",
            "YUV4MPEG2  H16  W16 ",
            "YUV4MPEG2 W16 H16 F0:0 A0:0 I?",
        ] {
            let header = parse_text(text).unwrap();
            assert_eq!((header.rate, header.chroma), (None, Chroma::Yuv420));
            assert!(header.warnings().is_empty());
        }
    }

    #[test]
    fn every_supported_chroma_is_named() {
        use Chroma::{Mono, Yuv420, Yuv422, Yuv444};
        let kinds = [
            ("420", Yuv420),
            ("420jpeg", Yuv420),
            ("420paldv", Yuv420),
            ("420mpeg2", Yuv420),
        ];
        for (name, chroma) in kinds
            .into_iter()
            .chain([("422", Yuv422), ("444", Yuv444), ("mono", Mono)])
        {
            assert_eq!(
                parse_text(&format!("YUV4MPEG2 W16 H16 C{name}")).unwrap().chroma,
                chroma
            );
        }
    }

    #[test]
    fn unsupported_chroma_is_refused_by_name() {
        for name in [
            "411", "444alpha", "420p10", "422p12", "444p16", "mono10", "mono16", "", "420 ", "4:2:0",
        ] {
            let error = parse_text(&format!("YUV4MPEG2 W16 H16 C{name}")).map(|_| ());
            if name.trim() == "420" {
                assert!(error.is_ok());
                continue;
            }
            let error = error.unwrap_err();
            assert!(
                matches!(&error, Y4mError::UnsupportedChroma { value } if value == name),
                "{error}"
            );
        }
    }

    #[test]
    fn lossy_properties_are_warned_about() {
        let header = parse_text("YUV4MPEG2 W16 H16 It A32:27 XCOLORRANGE=FULL").unwrap();
        let expected = [
            Warning::Interlaced,
            Warning::PixelAspect {
                width: 32,
                height: 27,
            },
            Warning::FullRange,
        ];
        assert_eq!(header.warnings(), expected);
    }

    #[test]
    fn missing_and_duplicate_tags_are_named() {
        assert!(matches!(
            parse_text("YUV4MPEG2 H16"),
            Err(Y4mError::MissingTag { tag: 'W' })
        ));
        assert!(matches!(
            parse_text("YUV4MPEG2 W16 F30:1"),
            Err(Y4mError::MissingTag { tag: 'H' })
        ));
        for (letter, word) in [
            ('W', "W16"),
            ('H', "H16"),
            ('F', "F0:0"),
            ('I', "Ip"),
            ('A', "A0:0"),
            ('C', "C420"),
        ] {
            let text = format!("YUV4MPEG2 W16 H16 F0:0 Ip A0:0 C420 {word}");
            assert!(
                matches!(parse_text(&text), Err(Y4mError::DuplicateTag { tag, .. }) if tag == letter),
                "{text}"
            );
        }
    }

    #[test]
    fn malformed_values_name_tag_and_value() {
        for word in [
            "W", "W-16", "W1x", "H+16", "F30", "F30:", "F:1", "Fa:b", "F1:2:3", "Ix", "I", "A1", "A0:1",
            "A1:0",
        ] {
            let error = parse_text(&format!("YUV4MPEG2 {word}")).unwrap_err();
            let (letter, rest) = word.split_at(1);
            match &error {
                Y4mError::BadValue { tag, value, .. } => {
                    assert_eq!((tag.to_string().as_str(), value.as_str()), (letter, rest))
                }
                other => panic!("{word}: {other}"),
            }
        }
    }

    #[test]
    fn unknown_tags_are_refused() {
        for word in ["w16", "Z1", "\u{1b}[2J", "YUV4MPEG2"] {
            let error = parse_text(&format!("YUV4MPEG2 W16 H16 {word}")).unwrap_err();
            assert!(matches!(error, Y4mError::UnknownTag { .. }), "{error}");
            assert!(!error.to_string().contains('\u{1b}'));
        }
    }

    #[test]
    fn bad_sizes_and_rates_keep_their_cause() {
        let size = |text: &str| match parse_text(text) {
            Err(Y4mError::BadSize(error)) => error,
            other => panic!("{text}: {other:?}"),
        };
        assert!(matches!(size("YUV4MPEG2 W0 H16"), SizeError::Zero { .. }));
        assert!(matches!(size("YUV4MPEG2 W17 H16"), SizeError::Odd { .. }));
        assert!(matches!(
            size("YUV4MPEG2 W99999999999 H99999999999"),
            SizeError::TooLarge { .. }
        ));
        assert!(matches!(
            size("YUV4MPEG2 W65534 H65534"),
            SizeError::TooLarge { .. }
        ));
        let rate = |text: &str| match parse_text(text) {
            Err(Y4mError::BadRate(error)) => error,
            other => panic!("{text}: {other:?}"),
        };
        assert!(matches!(rate("YUV4MPEG2 F30:0"), RateError::Zero { .. }));
        assert!(matches!(rate("YUV4MPEG2 F100000:1"), RateError::TooFast { .. }));
        assert!(matches!(rate("YUV4MPEG2 F1:100000"), RateError::TooSlow { .. }));
    }

    #[test]
    fn other_files_are_told_apart() {
        for text in [
            "",
            "RIFF1234AVI ",
            "YUV4MPEG W16 H16",
            "YUV4MPEG2W16 H16",
            "yuv4mpeg2 W16 H16",
        ] {
            assert!(matches!(parse_text(text), Err(Y4mError::NotY4m { .. })), "{text}");
        }
    }
}
