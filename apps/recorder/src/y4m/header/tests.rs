//! Tests of the first line.

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
        "W", "W-16", "W1x", "H+16", "F30", "F30:", "F:1", "Fa:b", "F1:2:3", "Ix", "I", "A1", "A0:1", "A1:0",
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
