//! The Y4M reader against a small writer, against random bytes, and against ffmpeg.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use proptest::prelude::*;
use recorder::picture::{Picture, Plane, RowOutOfBounds, RowSink, RowSource};
use recorder::size::Size;
use recorder::y4m::{Reader, Y4mError};
use std::io::{self, Read};
use support::ffmpeg;
use support::y4m::{Kind, stream};

/// Reads all frames; the pictures before the first error, and the error.
fn read_all(file: impl Read) -> (Vec<Picture>, Option<Y4mError>) {
    let mut pictures = Vec::new();
    let mut reader = match Reader::new(file) {
        Ok(reader) => reader,
        Err(error) => return (pictures, Some(error)),
    };
    loop {
        let mut picture = Picture::black(reader.header().size);
        match reader.read_frame(&mut picture) {
            Ok(Some(frame)) => assert_eq!(frame, u64::try_from(pictures.len()).unwrap()),
            Ok(None) => return (pictures, None),
            Err(error) => return (pictures, Some(error)),
        }
        pictures.push(picture);
    }
}

/// The 4:2:0 picture of a frame of a file, computed pixel by pixel from the definition.
fn expected(size: Size, kind: Kind, frame: &[u8]) -> Picture {
    let mut picture = Picture::black(size);
    let mut start = 0;
    for plane in Plane::ALL {
        let (width, height) = kind.plane(size, plane);
        let pixels = &frame[start..start + width * height];
        start += width * height;
        for row in 0..size.rows(plane) {
            let line: Vec<u8> = (0..size.row_bytes(plane))
                .map(|column| {
                    mean(
                        pixels,
                        width,
                        (column, row),
                        (size.row_bytes(plane), size.rows(plane)),
                    )
                })
                .collect();
            picture.put_row(plane, row, &line).unwrap();
        }
    }
    picture
}

/// The mean, rounded half up, of the pixels of the file that make up one pixel of a plane with the size
/// `target`.
fn mean(pixels: &[u8], width: usize, (column, row): (usize, usize), target: (usize, usize)) -> u8 {
    if pixels.is_empty() {
        return 128;
    }
    let (across, down) = (width / target.0, pixels.len() / width / target.1);
    let block =
        (0..down).flat_map(|y| (0..across).map(move |x| (row * down + y) * width + column * across + x));
    let values: Vec<usize> = block.map(|index| usize::from(pixels[index])).collect();
    u8::try_from((values.iter().sum::<usize>() + values.len() / 2) / values.len()).unwrap()
}

fn any_stream() -> impl Strategy<Value = (Size, Kind, Vec<Vec<u8>>)> {
    (8_u32..20, 8_u32..20, 0..Kind::ALL.len()).prop_flat_map(|(w, h, kind)| {
        let (size, kind) = (Size::new(2 * w, 2 * h).unwrap(), Kind::ALL[kind]);
        let frame = proptest::collection::vec(any::<u8>(), kind.frame_bytes(size));
        (Just(size), Just(kind), proptest::collection::vec(frame, 0..3))
    })
}

/// Gives its bytes in small pieces, with interruptions between them, as a pipe can.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = buffer.len().min(1 + self.1 % 7);
        self.0.read(&mut buffer[..len])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn written_streams_are_read_back((size, kind, frames) in any_stream()) {
        let (pictures, error) = read_all(&stream(size, kind, &frames)[..]);
        prop_assert!(error.is_none());
        prop_assert_eq!(pictures, frames.iter().map(|frame| expected(size, kind, frame)).collect::<Vec<_>>());
    }

    #[test]
    fn pieces_and_interruptions_change_nothing((size, kind, frames) in any_stream()) {
        let file = stream(size, kind, &frames);
        let (pictures, error) = read_all(Dribble(&file, 0));
        prop_assert!(error.is_none());
        prop_assert_eq!(pictures, read_all(&file[..]).0);
    }

    #[test]
    fn random_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let (pictures, error) = read_all(&bytes[..]);
        prop_assert!(pictures.is_empty() && error.is_some());
    }

    #[test]
    fn random_header_tags_never_panic(tags in "[WHFIACX0-9:a-z? \n-]{0,60}", rest in proptest::collection::vec(any::<u8>(), 0..1024)) {
        let (_, error) = read_all(&[b"YUV4MPEG2 W16 H16 ", tags.as_bytes(), b"\nFRAME\n", &rest].concat()[..]);
        if let Some(error) = error {
            let text = error.to_string();
            prop_assert!(text.len() < 200 && !text.contains(char::is_control), "{}", text);
        }
    }

    #[test]
    fn damaged_streams_never_panic((size, kind, frames) in any_stream(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut file = stream(size, kind, &frames);
        let at = at.index(file.len());
        file[at] = byte;
        // A damaged header can ask for a size that the file has no pixels for, at most.
        let _ = read_all(&file[..]);
    }
}

#[test]
fn cut_at_any_byte_is_an_error_or_a_clean_end() {
    let size = Size::new(16, 16).unwrap();
    for kind in Kind::ALL {
        let frames = vec![vec![7; kind.frame_bytes(size)]; 2];
        let file = stream(size, kind, &frames);
        let frame_bytes = kind.frame_bytes(size) + b"FRAME\n".len();
        let header_bytes = file.len() - 2 * frame_bytes;
        for len in 0..=file.len() {
            let (pictures, error) = read_all(&file[..len]);
            let whole = len.saturating_sub(header_bytes) / frame_bytes;
            assert_eq!(pictures.len(), whole, "{kind:?} cut at {len}");
            match len.checked_sub(header_bytes).map(|rest| rest % frame_bytes) {
                Some(0) => assert!(error.is_none(), "{kind:?} cut at {len}"),
                Some(rest) => assert_cut(error.unwrap(), whole, rest, kind.frame_bytes(size)),
                None if len == 0 => assert!(matches!(error, Some(Y4mError::Empty))),
                None if len < 9 => assert!(
                    matches!(error, Some(Y4mError::NotY4m { .. })),
                    "cut at {len}: {error:?}"
                ),
                None => assert!(
                    matches!(error, Some(Y4mError::TruncatedHeader { got_bytes }) if got_bytes == len)
                ),
            }
        }
    }
}

/// Checks the error for a stream that has `rest` bytes of frame number `whole`, of which the first six are
/// its header.
fn assert_cut(error: Y4mError, whole: usize, rest: usize, frame_bytes: usize) {
    let number = u64::try_from(whole).unwrap();
    match error {
        Y4mError::TruncatedFrameHeader { frame, got_bytes } => assert_eq!((frame, got_bytes), (number, rest)),
        Y4mError::TruncatedFrame {
            frame,
            missing_bytes,
            frame_bytes: of,
        } => {
            assert_eq!(
                (frame, missing_bytes, of),
                (number, frame_bytes + 6 - rest, frame_bytes)
            );
        }
        other => panic!("{other}"),
    }
}

#[test]
fn frame_parameters_are_taken_and_bad_frame_lines_refused() {
    let file = |line: &str| [b"YUV4MPEG2 W16 H16 Cmono\n", line.as_bytes(), &[0; 256]].concat();
    for line in ["FRAME\n", "FRAME Ippp\n", "FRAME Xcomment Ittp\n", "FRAME \n"] {
        assert_eq!(read_all(&file(line)[..]).0.len(), 1, "{line:?}");
    }
    for line in ["frame\n", "FRAMEx\n", "\n", " FRAME\n", "FRAM\n"] {
        let error = read_all(&file(line)[..]).1.unwrap();
        assert!(
            matches!(error, Y4mError::BadFrameHeader { frame: 0, .. }),
            "{line:?}: {error}"
        );
    }
    let error = read_all(&file(&format!("FRAME X{}\n", "y".repeat(300)))[..])
        .1
        .unwrap();
    assert!(
        matches!(
            error,
            Y4mError::FrameHeaderTooLong {
                frame: 0,
                limit_bytes: 256
            }
        ),
        "{error}"
    );
}

#[test]
fn endless_header_is_refused() {
    let endless = b"YUV4MPEG2 X".chain(io::repeat(b'x'));
    assert!(matches!(
        Reader::new(endless),
        Err(Y4mError::HeaderTooLong { limit_bytes: 1024 })
    ));
    assert!(matches!(
        Reader::new(io::repeat(b'x')),
        Err(Y4mError::NotY4m { .. })
    ));
}

#[test]
fn read_errors_and_refused_rows_name_the_frame() {
    #[derive(Debug)]
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is on fire"))
        }
    }
    struct Refuse;
    impl RowSink for Refuse {
        fn put_row(&mut self, plane: Plane, row: usize, pixels: &[u8]) -> Result<(), RowOutOfBounds> {
            Err(RowOutOfBounds {
                plane,
                row,
                len_bytes: pixels.len(),
            })
        }
    }
    let error = Reader::new(Broken).unwrap_err().to_string();
    assert_eq!(error, "cannot read Y4M input at the header: the disk is on fire");
    let header = &b"YUV4MPEG2 W16 H16 Cmono\nFRAME\n"[..];
    let (_, error) = read_all(header.chain(Broken));
    assert_eq!(
        error.unwrap().to_string(),
        "cannot read Y4M input at frame 0: the disk is on fire"
    );
    let error = Reader::new(header.chain(io::repeat(0)))
        .unwrap()
        .read_frame(&mut Refuse)
        .unwrap_err();
    assert!(matches!(error, Y4mError::Store { frame: 0, .. }), "{error}");
}

#[test]
fn streams_of_ffmpeg_are_read() {
    if !ffmpeg::available() {
        return;
    }
    let source = "testsrc2=size=320x240:rate=30000/1001";
    let (exact, error) = read_all(&ffmpeg::y4m(source, 3, "yuv420p")[..]);
    assert!(error.is_none() && exact.len() == 3);
    for pixel_format in ["gray", "yuv422p", "yuv444p"] {
        let (pictures, error) = read_all(&ffmpeg::y4m(source, 3, pixel_format)[..]);
        assert!(error.is_none(), "{pixel_format}: {error:?}");
        for (picture, exact) in pictures.iter().zip(&exact) {
            assert_eq!(picture.size(), exact.size());
            // The gray source goes through another luma conversion inside ffmpeg.
            assert!(
                pixel_format == "gray" || mean_difference(picture, exact) < 1.5,
                "{pixel_format}"
            );
        }
        assert_eq!(pictures.len(), 3, "{pixel_format}");
    }
}

fn mean_difference(a: &Picture, b: &Picture) -> f64 {
    let pairs = a.as_bytes().iter().zip(b.as_bytes());
    let sum: u64 = pairs.map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
    sum as f64 / a.as_bytes().len() as f64
}

#[test]
fn unsupported_formats_of_ffmpeg_are_refused_by_name() {
    if !ffmpeg::available() {
        return;
    }
    for (pixel_format, name) in [
        ("yuv411p", "411"),
        ("yuv420p10", "420p10"),
        ("gray16", "mono16"),
        ("yuv444p12", "444p12"),
    ] {
        let file = ffmpeg::y4m("testsrc2=size=64x64", 1, pixel_format);
        let error = Reader::new(&file[..]).unwrap_err();
        assert!(
            matches!(&error, Y4mError::UnsupportedChroma { value } if value == name),
            "{pixel_format}: {error}"
        );
    }
}
