//! Frames.

use std::io::{self, BufReader, Read};

use super::convert::{halve_both_ways, halve_vertically};
use super::error::{Place, Y4mError, quote};
use super::header::{self, Chroma, Header};
use super::line::{Line, read_line};
use crate::picture::{Plane, RowSink};

/// Longest first line taken, in bytes. Real ones have about 80.
const HEADER_LIMIT_BYTES: usize = 1024;
/// Longest line before a frame taken, in bytes. Real ones have 5.
const FRAME_HEADER_LIMIT_BYTES: usize = 256;
/// How much is read at once, in bytes: what a pipe holds.
const READ_BYTES: usize = 64 * 1024;

/// Reads a YUV4MPEG2 stream.
///
/// # Examples
///
/// ```
/// use recorder::picture::Picture;
/// use recorder::y4m::Reader;
///
/// let file = [&b"YUV4MPEG2 W16 H16 F30:1 Cmono\nFRAME\n"[..], &[200; 256]].concat();
/// let mut reader = Reader::new(&file[..])?;
/// let mut picture = Picture::black(reader.header().size);
/// assert_eq!(reader.read_frame(&mut picture)?, Some(0));
/// assert_eq!(reader.read_frame(&mut picture)?, None);
/// # Ok::<(), recorder::y4m::Y4mError>(())
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    input: BufReader<R>,
    header: Header,
    next_frame: u64,
    /// Room for two rows of the file.
    rows: [Vec<u8>; 2],
}

impl<R: Read> Reader<R> {
    /// Reads and checks the first line of a stream.
    ///
    /// # Blocking
    ///
    /// As long as `input` does.
    ///
    /// # Errors
    ///
    /// [`Y4mError`] says what is wrong with the line.
    pub fn new(input: R) -> Result<Self, Y4mError> {
        let mut input = BufReader::with_capacity(READ_BYTES, input);
        let line = read_line(&mut input, HEADER_LIMIT_BYTES).map_err(|source| Y4mError::Read {
            place: Place::Header,
            source,
        })?;
        let header = match line {
            Line::Whole(line) => header::parse(&line)?,
            Line::Cut(line) if line.is_empty() => return Err(Y4mError::Empty),
            Line::Cut(line) | Line::TooLong(line) if !line.starts_with(b"YUV4MPEG2") => {
                return Err(Y4mError::NotY4m { found: quote(&line) });
            }
            Line::Cut(line) => {
                return Err(Y4mError::TruncatedHeader {
                    got_bytes: line.len(),
                });
            }
            Line::TooLong(_) => {
                return Err(Y4mError::HeaderTooLong {
                    limit_bytes: HEADER_LIMIT_BYTES,
                });
            }
        };
        let rows = [
            vec![0; usize::from(header.size.width())],
            vec![0; usize::from(header.size.width())],
        ];
        Ok(Self {
            input,
            header,
            next_frame: 0,
            rows,
        })
    }

    /// What the first line says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads the next frame, hands its rows to `sink` (all of Y, then U, then V, each from the top), and
    /// returns its number, counted from 0; or `None` at the end of the stream.
    ///
    /// # Blocking
    ///
    /// As long as the input does.
    ///
    /// # Errors
    ///
    /// [`Y4mError`] says what is wrong with the frame. The rows that came before the fault have been handed
    /// over; what follows it cannot be read.
    pub fn read_frame(&mut self, sink: &mut impl RowSink) -> Result<Option<u64>, Y4mError> {
        if !self.read_frame_header()? {
            return Ok(None);
        }
        let mut got_bytes = 0;
        for plane in Plane::ALL {
            for row in 0..self.header.size.rows(plane) {
                let pixels = self.read_row(plane, &mut got_bytes)?;
                sink.put_row(plane, row, pixels)
                    .map_err(|source| Y4mError::Store {
                        frame: self.next_frame,
                        source,
                    })?;
            }
        }
        let frame = self.next_frame;
        self.next_frame += 1;
        Ok(Some(frame))
    }

    /// Reads the line before a frame; `false` at the end of the stream.
    fn read_frame_header(&mut self) -> Result<bool, Y4mError> {
        let frame = self.next_frame;
        let line = read_line(&mut self.input, FRAME_HEADER_LIMIT_BYTES).map_err(|source| Y4mError::Read {
            place: Place::Frame(frame),
            source,
        })?;
        match line {
            Line::Whole(line) if is_frame_header(&line) => Ok(true),
            Line::Cut(line) if line.is_empty() => Ok(false),
            Line::Cut(line) if is_frame_header(&line) || b"FRAME".starts_with(&line) => {
                Err(Y4mError::TruncatedFrameHeader {
                    frame,
                    got_bytes: line.len(),
                })
            }
            Line::TooLong(line) if is_frame_header(&line) => Err(Y4mError::FrameHeaderTooLong {
                frame,
                limit_bytes: FRAME_HEADER_LIMIT_BYTES,
            }),
            Line::Whole(line) | Line::Cut(line) | Line::TooLong(line) => Err(Y4mError::BadFrameHeader {
                frame,
                found: quote(&line),
            }),
        }
    }

    /// Reads as much of the file as makes up the next row of `plane` in 4:2:0.
    fn read_row(&mut self, plane: Plane, got_bytes: &mut usize) -> Result<&[u8], Y4mError> {
        let size = self.header.size;
        let row_bytes = size.row_bytes(plane);
        match (plane, self.header.chroma) {
            (Plane::Luma, _) | (_, Chroma::Yuv420) => self.fill(0, row_bytes, got_bytes)?,
            (_, Chroma::Mono) => self.rows[0].fill(128),
            (_, Chroma::Yuv422) => {
                self.fill(0, row_bytes, got_bytes)?;
                self.fill(1, row_bytes, got_bytes)?;
                let [upper, lower] = &mut self.rows;
                halve_vertically(&mut upper[..row_bytes], &lower[..row_bytes]);
            }
            (_, Chroma::Yuv444) => {
                self.fill(0, 2 * row_bytes, got_bytes)?;
                self.fill(1, 2 * row_bytes, got_bytes)?;
                let [upper, lower] = &mut self.rows;
                halve_both_ways(upper, lower);
            }
        }
        Ok(&self.rows[0][..row_bytes])
    }

    /// Reads `len_bytes` bytes, at most a row of luma, to row buffer `index`.
    fn fill(&mut self, index: usize, len_bytes: usize, got_bytes: &mut usize) -> Result<(), Y4mError> {
        let frame = self.next_frame;
        let mut rest = &mut self.rows[index][..len_bytes];
        while !rest.is_empty() {
            match self.input.read(rest) {
                Ok(0) => return Err(self.truncated(*got_bytes)),
                Ok(n) => {
                    *got_bytes += n;
                    rest = &mut rest[n..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(Y4mError::Read {
                        place: Place::Frame(frame),
                        source,
                    });
                }
            }
        }
        Ok(())
    }

    fn truncated(&self, got_bytes: usize) -> Y4mError {
        let luma = self.header.size.plane_bytes(Plane::Luma);
        let frame_bytes = match self.header.chroma {
            Chroma::Yuv420 => self.header.size.picture_bytes(),
            Chroma::Yuv422 => 2 * luma,
            Chroma::Yuv444 => 3 * luma,
            Chroma::Mono => luma,
        };
        Y4mError::TruncatedFrame {
            frame: self.next_frame,
            missing_bytes: frame_bytes - got_bytes,
            frame_bytes,
        }
    }
}

/// Whether a line is `FRAME`, alone or with parameters. They only describe interlacing (`I`) or are comments
/// (`X`), and change nothing here.
fn is_frame_header(line: &[u8]) -> bool {
    line == b"FRAME" || line.starts_with(b"FRAME ")
}
