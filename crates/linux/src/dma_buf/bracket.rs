//! Access by the CPU.

use rustix::io::Errno;
use wharf_core::DataDirection;
use wharf_memory::ioctl::begin_or_end_access;
use wharf_uapi::dma_buf::{SYNC_END, SYNC_READ, SYNC_RW, SYNC_START, SYNC_WRITE};

use super::KernelBuffer;
use crate::kernel_error::KernelError;

/// Access by the CPU that has begun. Ends when dropped; [`Bracket::end`] also says how.
#[derive(Debug)]
#[must_use = "the access ends when it is dropped"]
pub struct Bracket<'b> {
    buffer: &'b KernelBuffer,
    direction: DataDirection,
    is_open: bool,
}

impl KernelBuffer {
    /// Begins access by the CPU: `FromDevice` to read, `ToDevice` to write. Contract: C3.
    ///
    /// The kernel knows no parts of a buffer here, and neither counts nor pairs such calls.
    ///
    /// # Blocking
    /// Until the fences of the buffer are signaled: a reader waits for writers, a writer for everybody. Signals do not end it.
    ///
    /// # Errors
    /// [`KernelError`]: what its exporter answers.
    pub fn begin_access(&self, direction: DataDirection) -> Result<Bracket<'_>, KernelError> {
        self.sync(direction, SYNC_START)?;
        Ok(Bracket {
            buffer: self,
            direction,
            is_open: true,
        })
    }

    /// `SYNC`, again and again while the kernel says so.
    pub(super) fn sync(&self, direction: DataDirection, which: u32) -> Result<(), KernelError> {
        let flags = which | access_flags(direction);
        loop {
            match begin_or_end_access(self, flags) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                other => return other.map_err(self.failed("DMA_BUF_IOCTL_SYNC")),
            }
        }
    }
}

impl Bracket<'_> {
    /// Ends the access and says whether that worked; it is over in any case.
    ///
    /// # Errors
    /// [`KernelError`]: what its exporter answers; what the CPU wrote may not be visible to devices.
    pub fn end(mut self) -> Result<(), KernelError> {
        self.close()
    }

    fn close(&mut self) -> Result<(), KernelError> {
        if !std::mem::take(&mut self.is_open) {
            return Ok(());
        }
        self.buffer.sync(self.direction, SYNC_END)
    }
}

impl Drop for Bracket<'_> {
    fn drop(&mut self) {
        // Whoever wants to know calls end().
        let _ = self.close();
    }
}

fn access_flags(direction: DataDirection) -> u32 {
    match direction {
        DataDirection::FromDevice => SYNC_READ,
        DataDirection::ToDevice => SYNC_WRITE,
        DataDirection::Bidirectional => SYNC_RW,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_seen_from_the_device() {
        assert_eq!(access_flags(DataDirection::FromDevice), 1);
        assert_eq!(access_flags(DataDirection::ToDevice), 2);
        assert_eq!(access_flags(DataDirection::Bidirectional), 3);
    }
}
