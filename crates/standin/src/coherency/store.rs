//! Memory files, read and written without mapping them: what nobody has touched takes up no memory then.

use rustix::fs::{SeekFrom, seek};
use rustix::io::{Errno, pread, pwrite};

use crate::memory::Piece;

/// Memory that others read and write at the same time.
pub(super) trait Store {
    /// Reads all of `into` from `at` on, in bytes.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Errno>;
    /// Writes all of `bytes` from `at` on.
    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), Errno>;
    /// From where on, not before `at`, there may be something else than zeros.
    fn next_data(&self, at: u64) -> u64;
}

/// Has `step` go on from where it got to until all of `length` bytes is done.
fn complete(length: usize, mut step: impl FnMut(usize) -> Result<usize, Errno>) -> Result<(), Errno> {
    let mut done = 0;
    while done < length {
        match step(done) {
            // A piece's size is sealed.
            Ok(0) => return Err(Errno::IO),
            Ok(count) => done += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

impl Store for Piece {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Errno> {
        complete(into.len(), |done| {
            pread(&self.file, &mut into[done..], at + done as u64)
        })
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        complete(bytes.len(), |done| {
            pwrite(&self.file, &bytes[done..], at + done as u64)
        })
    }

    fn next_data(&self, at: u64) -> u64 {
        // Nobody uses the place that this sets.
        match seek(&self.file, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => u64::MAX,
            Err(_) => at,
        }
    }
}
