//! Where the camera's pictures come from.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use crate::control::{Source, Stop, Woken};
use crate::rate::FrameRate;
use crate::size::Size;
use crate::testcard::TestCard;
use crate::y4m::{Place, Reader, Y4mError};

/// An opened input.
#[derive(Debug)]
pub(super) enum Input {
    /// Pictures that can be made at any time.
    Card(TestCard, Size),
    /// Pictures that come when they come, and of which none is lost.
    Y4m(Box<Reader<StoppableInput<File>>>),
}

impl Input {
    /// Opens an input. A stream of bytes comes from standard input.
    ///
    /// # Blocking
    ///
    /// Until the header has come or the camera is to stop.
    pub(super) fn open(source: &Source, stop: &Stop) -> Result<Self, Y4mError> {
        match source {
            Source::TestCard(size) => Ok(Self::Card(TestCard::new(*size), *size)),
            Source::Y4m => {
                let input = StoppableInput {
                    inner: standard_input().map_err(|source| Y4mError::Read {
                        place: Place::Header,
                        source,
                    })?,
                    stop: stop.clone(),
                };
                Ok(Self::Y4m(Box::new(Reader::new(input)?)))
            }
        }
    }

    pub(super) fn size(&self) -> Size {
        match self {
            Self::Card(_, size) => *size,
            Self::Y4m(reader) => reader.header().size,
        }
    }

    /// What the input says about its speed.
    pub(super) fn rate(&self) -> Option<FrameRate> {
        match self {
            Self::Card(..) => None,
            Self::Y4m(reader) => reader.header().rate,
        }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        match self {
            Self::Card(..) => Vec::new(),
            Self::Y4m(reader) => reader
                .header()
                .warnings()
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    }
}

/// Standard input without the buffer that the library puts before it: bytes in there would not be seen by waiting for more.
fn standard_input() -> io::Result<File> {
    let fd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 0)?;
    Ok(File::from(fd))
}

/// A stream of bytes that ends with an error when the camera is to stop, even while nothing comes.
#[derive(Debug)]
pub(super) struct StoppableInput<R> {
    inner: R,
    stop: Stop,
}

impl<R: Read + AsFd> Read for StoppableInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stop.wait_readable(&self.inner, None)? {
            Woken::Stop => Err(io::Error::other("the camera is to stop")),
            Woken::Readable | Woken::TimedOut => self.inner.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn stop_interrupts_reading() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let stop = Stop::new().unwrap();
        let mut input = StoppableInput {
            inner: theirs,
            stop: stop.clone(),
        };
        let raiser = std::thread::spawn(move || stop.raise());
        assert!(input.read(&mut [0; 16]).is_err());
        raiser.join().unwrap();
        drop(ours);
    }
}
