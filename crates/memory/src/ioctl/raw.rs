//! The call itself.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;
use wharf_uapi::{Ioctl, dma_buf, dma_heap, sw_sync, sync_file, udmabuf};

/// An argument with the call it belongs to.
///
/// The number of a call says how large its argument is and which way it goes. That this is true of the types here is checked when they are
/// compiled.
pub(super) trait Argument {
    /// The call.
    const NUMBER: Ioctl;
}

macro_rules! arguments {
    ($($type:ty => $number:expr,)*) => {$(
        impl Argument for $type {
            const NUMBER: Ioctl = $number;
        }

        const _: () = assert!(size_of::<$type>() == <$type as Argument>::NUMBER.size_bytes(), "as large as the number says");
    )*};
}

arguments! {
    dma_heap::AllocationData => dma_heap::ALLOC,
    udmabuf::Create => udmabuf::CREATE,
    dma_buf::Sync => dma_buf::SYNC,
    dma_buf::ExportSyncFile => dma_buf::EXPORT_SYNC_FILE,
    dma_buf::ImportSyncFile => dma_buf::IMPORT_SYNC_FILE,
    sync_file::MergeData => sync_file::MERGE,
    sync_file::SetDeadline => sync_file::SET_DEADLINE,
    sw_sync::CreateFenceData => sw_sync::CREATE_FENCE,
    u32 => sw_sync::INC,
}

/// Makes the call that `argument` belongs to. Returns what the call returns.
pub(super) fn call<T: Argument>(fd: BorrowedFd<'_>, argument: &mut T) -> Result<i32, Errno> {
    let address: *mut T = argument;
    // SAFETY:
    // * The argument is live, writable, and nobody else's during the call.
    // * It is as large as the number says, and all that the kernel reads or writes for a number is what that number says: a structure
    //   without addresses in it.
    // * Any bytes the kernel may write are valid for it: its fields are numbers.
    checked(unsafe { libc::ioctl(fd.as_raw_fd(), T::NUMBER.raw() as _, address) })
}

/// Gives a buffer a name.
pub(super) fn name(fd: BorrowedFd<'_>, name: &CStr) -> Result<i32, Errno> {
    let number = if cfg!(target_pointer_width = "64") {
        dma_buf::SET_NAME_B
    } else {
        dma_buf::SET_NAME_A
    };
    // SAFETY:
    // * The kernel reads a text, up to its terminating zero, which is part of it.
    checked(unsafe { libc::ioctl(fd.as_raw_fd(), number.raw() as _, name.as_ptr()) })
}

/// Makes a buffer of several parts.
pub(super) fn create_list(
    device: BorrowedFd<'_>,
    flags: u32,
    parts: &[udmabuf::CreateItem],
) -> Result<i32, Errno> {
    let count = u32::try_from(parts.len()).map_err(|_| Errno::INVAL)?;
    let mut argument = udmabuf::CreateListHead { flags, count }.to_bytes();
    parts.iter().for_each(|part| argument.extend(part.to_bytes()));
    // SAFETY:
    // * The kernel reads the head, and behind it as many parts as the head says: all of them are there.
    // * It writes nothing.
    checked(unsafe {
        libc::ioctl(
            device.as_raw_fd(),
            udmabuf::CREATE_LIST.raw() as _,
            argument.as_ptr(),
        )
    })
}

/// Asks what there is to know of a fence's file, with up to `fences.len()` of its fences.
pub(super) fn file_info(
    fd: BorrowedFd<'_>,
    fences: &mut [sync_file::FenceInfo],
) -> Result<sync_file::FileInfo, Errno> {
    const { assert!(size_of::<sync_file::FileInfo>() == sync_file::FILE_INFO.size_bytes()) };
    let mut argument = sync_file::FileInfo {
        num_fences: u32::try_from(fences.len()).map_err(|_| Errno::INVAL)?,
        // CAST: addresses fit 64 bits.
        sync_fence_info: fences.as_mut_ptr().expose_provenance() as u64,
        ..sync_file::FileInfo::default()
    };
    let address: *mut sync_file::FileInfo = &raw mut argument;
    // SAFETY:
    // * The argument is live, writable, and nobody else's, and as large as the number says.
    // * The kernel writes at most `num_fences` records to the address in it: that is the slice, which is writable and nobody else's.
    // * Any bytes are valid for both: their fields are numbers.
    checked(unsafe { libc::ioctl(fd.as_raw_fd(), sync_file::FILE_INFO.raw() as _, address) })?;
    Ok(argument)
}

/// What a call returned, or why it failed.
fn checked(returned: i32) -> Result<i32, Errno> {
    if returned >= 0 {
        return Ok(returned);
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}

/// A descriptor that a call has just made.
pub(super) fn new_descriptor(number: RawFd) -> Result<OwnedFd, Errno> {
    if number < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY:
    // * The call that told the number has just opened it for this process, and told nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
