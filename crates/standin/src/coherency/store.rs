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

impl Store for Piece {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Errno> {
        let mut done = 0;
        while done < into.len() {
            match pread(&self.file, &mut into[done..], at + done as u64) {
                // Its size is sealed.
                Ok(0) => return Err(Errno::IO),
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        let mut done = 0;
        while done < bytes.len() {
            match pwrite(&self.file, &bytes[done..], at + done as u64) {
                Ok(0) => return Err(Errno::IO),
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
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
