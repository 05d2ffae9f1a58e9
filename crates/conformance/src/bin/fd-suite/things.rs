//! What cases are made of: calls with structures, buffers, memory files.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wharf_uapi::dma_buf::{EXPORT_SYNC_FILE, ExportSyncFile, IMPORT_SYNC_FILE, ImportSyncFile, SYNC, Sync};
use wharf_uapi::dma_heap::{ALLOC, AllocationData};
use wharf_uapi::sync_file::{FILE_INFO, FenceInfo, FileInfo, MERGE, MergeData};
use wharf_uapi::udmabuf::{CREATE, Create};
use wharf_uapi::{Ioctl, dma_heap};

use crate::case::Stop;
use crate::sys::{self, PAGE, Pages, Place};

/// `O_RDONLY`, `O_RDWR` and `O_CLOEXEC` as arguments have them.
pub(crate) const RDONLY: u32 = 0;
pub(crate) const RDWR: u32 = 2;
pub(crate) const CLOEXEC: u32 = dma_heap::VALID_FD_FLAGS & !3;

/// The size of most buffers here: two pages.
pub(crate) const SIZE: usize = 2 * PAGE;

/// Opens a device, which may be absent.
pub(crate) fn device(path: &str, flags: OFlags) -> Result<OwnedFd, Stop> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT => Stop::Absent(path.to_owned()),
        other => Stop::from(other),
    })
}

/// Opens the heap `system`.
pub(crate) fn heap() -> Result<OwnedFd, Stop> {
    device("/dev/dma_heap/system", OFlags::RDONLY)
}

/// Calls `request` with `bytes`, which end where the pages do; returns what the call returned and what became of the bytes.
pub(crate) fn call(fd: impl AsFd, request: Ioctl, bytes: &[u8]) -> Result<(i32, Vec<u8>), Errno> {
    call_number(fd.as_fd().as_raw_fd(), request, bytes)
}

/// As [`call`], on a number that may be that of no descriptor.
pub(crate) fn call_number(fd: RawFd, request: Ioctl, bytes: &[u8]) -> Result<(i32, Vec<u8>), Errno> {
    let pages = Pages::new(1)?;
    let offset = PAGE - bytes.len();
    pages.put(offset, bytes);
    let value = sys::ioctl(fd, request.raw(), pages.place(offset))?;
    Ok((value, pages.get(offset, bytes.len())))
}

/// Calls `request` with an address.
pub(crate) fn call_at(fd: impl AsFd, request: Ioctl, place: Place) -> Result<i32, Errno> {
    sys::ioctl(fd.as_fd().as_raw_fd(), request.raw(), place)
}

/// A page that can only be read, and begins with `bytes`.
pub(crate) fn constant(bytes: &[u8]) -> Result<Pages, Errno> {
    let page = Pages::new(1)?;
    page.put(0, bytes);
    page.allow(sys::Access::Read)?;
    Ok(page)
}

/// An allocation of two pages with these flags.
pub(crate) fn asking(fd_flags: u32) -> AllocationData {
    AllocationData {
        len: SIZE as u64,
        fd: 0,
        fd_flags,
        heap_flags: 0,
    }
}

/// Asks the heap for a buffer.
pub(crate) fn allocate(heap: impl AsFd, asked: AllocationData) -> Result<OwnedFd, Errno> {
    let (_, told) = call(heap, ALLOC, &asked.to_bytes())?;
    sys::adopt(AllocationData::from_bytes(&told).fd)
}

/// A buffer of two pages that can be read and written.
pub(crate) fn buffer() -> Result<OwnedFd, Stop> {
    Ok(allocate(heap()?, asking(RDWR | CLOEXEC))?)
}

/// Begins or ends an access.
pub(crate) fn sync(buffer: impl AsFd, flags: impl Into<u64>) -> Result<(), Errno> {
    let argument = Sync { flags: flags.into() };
    call(buffer, SYNC, &argument.to_bytes()).map(drop)
}

/// The fences of a buffer as a file.
pub(crate) fn export(buffer: impl AsFd, flags: u32) -> Result<OwnedFd, Errno> {
    let argument = ExportSyncFile { flags, fd: -1 };
    let (_, told) = call(buffer, EXPORT_SYNC_FILE, &argument.to_bytes())?;
    sys::adopt(ExportSyncFile::from_bytes(&told).fd.cast_unsigned())
}

/// Adds the fences of a file to a buffer.
pub(crate) fn import(buffer: impl AsFd, flags: u32, file: impl AsFd) -> Result<(), Errno> {
    import_number(buffer, flags, file.as_fd().as_raw_fd())
}

/// As [`import`], of a number that may be that of no descriptor.
pub(crate) fn import_number(buffer: impl AsFd, flags: u32, fd: RawFd) -> Result<(), Errno> {
    let argument = ImportSyncFile { flags, fd };
    call(buffer, IMPORT_SYNC_FILE, &argument.to_bytes()).map(drop)
}

/// The argument that merges with `other` under a name.
pub(crate) fn merging(name: &[u8], other: RawFd) -> MergeData {
    let mut argument = MergeData {
        fd2: other,
        fence: -1,
        ..MergeData::default()
    };
    argument.name[..name.len()].copy_from_slice(name);
    argument
}

/// One file of two.
pub(crate) fn merge(one: impl AsFd, other: impl AsFd) -> Result<OwnedFd, Errno> {
    let argument = merging(b"merged", other.as_fd().as_raw_fd());
    let (_, told) = call(one, MERGE, &argument.to_bytes())?;
    sys::adopt(MergeData::from_bytes(&told).fence.cast_unsigned())
}

/// What a file says of itself, without its fences.
pub(crate) fn summary(file: impl AsFd) -> Result<FileInfo, Errno> {
    let (_, told) = call(file, FILE_INFO, &FileInfo::default().to_bytes())?;
    Ok(FileInfo::from_bytes(&told))
}

/// What a file says of itself and its fences, where there is room for `room` of them.
pub(crate) fn details(file: impl AsFd, room: u32) -> Result<(FileInfo, Vec<FenceInfo>), Errno> {
    let pages = Pages::new(2)?;
    let asked = FileInfo {
        num_fences: room,
        sync_fence_info: pages.place(PAGE).number(),
        ..FileInfo::default()
    };
    pages.put(0, &asked.to_bytes());
    call_at(file, FILE_INFO, pages.place(0))?;
    let told = FileInfo::from_bytes(&pages.get(0, FileInfo::SIZE_BYTES));
    let one = |index: u32| {
        let offset = PAGE + index as usize * FenceInfo::SIZE_BYTES;
        FenceInfo::from_bytes(&pages.get(offset, FenceInfo::SIZE_BYTES))
    };
    Ok((told, (0..told.num_fences).map(one).collect()))
}

/// The text in a field that ends with the first zero.
pub(crate) fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// A memory file of so many bytes with these seals.
pub(crate) fn memory(bytes: usize, seals: SealFlags) -> Result<OwnedFd, Errno> {
    let file = rustix::fs::memfd_create("fd-suite", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC)?;
    rustix::fs::ftruncate(&file, bytes as u64)?;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file)
}

/// Opens `/dev/udmabuf`.
pub(crate) fn udmabuf_device() -> Result<OwnedFd, Stop> {
    device("/dev/udmabuf", OFlags::RDWR)
}

/// The argument that makes a buffer of the first `bytes` of a memory file.
pub(crate) fn whole(memory: &OwnedFd, bytes: usize) -> Create {
    Create {
        memfd: memory.as_raw_fd().cast_unsigned(),
        flags: 0,
        offset: 0,
        size: bytes as u64,
    }
}

/// Makes a buffer of memory.
pub(crate) fn create(device: impl AsFd, argument: Create) -> Result<OwnedFd, Errno> {
    let (fd, _) = call(device, CREATE, &argument.to_bytes())?;
    sys::adopt(fd.cast_unsigned())
}

/// How many descriptors are open.
pub(crate) fn open_descriptors() -> Result<usize, Errno> {
    let entries = std::fs::read_dir("/proc/self/fd").map_err(|_| Errno::NOENT)?;
    Ok(entries.count())
}

/// Lets no descriptor be opened any more.
pub(crate) fn leave_no_room() -> Result<(), Errno> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = Some(0);
    setrlimit(Resource::Nofile, Rlimit { current, maximum })
}
