//! Memory files, read and written without mapping them: what nobody has touched takes up no memory then.

use rustix::io::{Errno, pread, pwrite};

use crate::memory::Piece;

/// Memory that others read and write at the same time.
pub(super) trait Store {
    /// Reads all of `into` from `at` on, in bytes.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Errno>;
    /// Writes all of `bytes` from `at` on.
    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), Errno>;
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
}
