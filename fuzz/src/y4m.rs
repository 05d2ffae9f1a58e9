//! What the recorder makes of a file that claims to be YUV4MPEG2.
//!
//! Promises: it never panics; frames come whole, in order and no more than there are bytes for; how the bytes arrive makes
//! no difference; every error is one short line.

use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};

use recorder::picture::{Plane, RowOutOfBounds, RowSink, Size};
use recorder::y4m::{Chroma, Header, Reader};

/// More than this is no line that people read.
const MAX_ERROR_BYTES: usize = 300;

/// Reads `file` twice, at once and in small pieces. Returns how many frames it has.
pub fn check(file: &[u8]) -> u64 {
    let at_once = read_all(file);
    at_once.check(file.len());
    let in_pieces = read_all(Dribble { rest: file, reads: 0 });
    assert_eq!(at_once, in_pieces);
    at_once.frames
}

/// All that came out of a file.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    header: Option<Header>,
    frames: u64,
    pixels: u64,
    error: Option<String>,
}

impl Outcome {
    fn check(&self, file_bytes: usize) {
        if let Some(error) = &self.error {
            assert!(
                error.len() <= MAX_ERROR_BYTES && !error.contains(char::is_control),
                "{error:?}"
            );
        }
        let Some(header) = &self.header else {
            return assert!(self.error.is_some() && self.frames == 0);
        };
        for warning in header.warnings() {
            assert!(!warning.to_string().contains(char::is_control));
        }
        let least_bytes = self
            .frames
            .checked_mul(frame_bytes(header))
            .expect("no file has so many frames");
        assert!(
            least_bytes <= file_bytes as u64,
            "{} frames in {file_bytes} bytes",
            self.frames
        );
    }
}

/// The bytes of one frame in the file, its line included.
fn frame_bytes(header: &Header) -> u64 {
    let luma = header.size.plane_bytes(Plane::Luma);
    let pixels = match header.chroma {
        Chroma::Mono => luma,
        Chroma::Yuv420 => header.size.picture_bytes(),
        Chroma::Yuv422 => 2 * luma,
        Chroma::Yuv444 => 3 * luma,
    };
    (pixels + b"FRAME\n".len()) as u64
}

fn read_all(file: impl Read) -> Outcome {
    let mut outcome = Outcome {
        header: None,
        frames: 0,
        pixels: 0,
        error: None,
    };
    let mut reader = match Reader::new(file) {
        Ok(reader) => reader,
        Err(error) => {
            outcome.error = Some(error.to_string());
            return outcome;
        }
    };
    let size = reader.header().size;
    outcome.header = Some(reader.header().clone());
    let mut hasher = DefaultHasher::new();
    loop {
        let mut rows = Rows {
            size,
            next: (0, 0),
            hasher: &mut hasher,
        };
        match reader.read_frame(&mut rows) {
            Ok(Some(frame)) => {
                rows.assert_complete();
                assert_eq!(frame, outcome.frames);
                outcome.frames += 1;
            }
            Ok(None) => break,
            Err(error) => {
                outcome.error = Some(error.to_string());
                break;
            }
        }
    }
    outcome.pixels = hasher.finish();
    outcome
}

/// A picture that only checks that every row comes, once and in order.
struct Rows<'a> {
    size: Size,
    /// The plane and row that must come next.
    next: (usize, usize),
    hasher: &'a mut DefaultHasher,
}

impl Rows<'_> {
    fn assert_complete(&self) {
        assert_eq!(self.next, (Plane::ALL.len(), 0), "rows are missing");
    }
}

impl RowSink for Rows<'_> {
    fn put_row(&mut self, plane: Plane, row: usize, pixels: &[u8]) -> Result<(), RowOutOfBounds> {
        let (index, expected) = self.next;
        assert_eq!((plane, row), (Plane::ALL[index], expected));
        assert_eq!(pixels.len(), self.size.row_bytes(plane));
        self.hasher.write(pixels);
        self.next = if row + 1 == self.size.rows(plane) {
            (index + 1, 0)
        } else {
            (index, row + 1)
        };
        Ok(())
    }
}

/// Gives its bytes in pieces of 1 to 7, with an interruption before every fourth, as a pipe can.
struct Dribble<'a> {
    rest: &'a [u8],
    reads: usize,
}

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads.is_multiple_of(4) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let piece = (1 + self.reads % 7).min(buffer.len());
        self.rest.read(&mut buffer[..piece])
    }
}
