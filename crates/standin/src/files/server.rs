//! What the kernel asks of the file system.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BsdFileFlags, Errno as Refusal, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, InitFlags, IoctlFlags, KernelConfig, LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier,
    ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen, ReplyPoll, ReplyWrite,
    Request, TimeOrNow, WriteFlags,
};
use rustix::io::Errno;
use wharf_uapi::Ioctl;
use wharf_uapi::dma_buf::{IMPORT_SYNC_FILE, NAME_LEN, SET_NAME_A, SET_NAME_B, SYNC};

use super::call::{Call, refusal};
use super::opener::inode;
use super::outsider::{Argument, Outsider};
use super::pollers::{Pollers, ready};
use super::table::{ROOT, Table};
use crate::devices::{Buffer, FileId, Object, Objects};
use crate::listener::task::Handles;
use crate::listener::waits::Waits;
use crate::memory::Releases;

/// How long the kernel may remember what a file is: it does not change.
const FOR_EVER: Duration = Duration::from_secs(1 << 30);
/// The most that is written at once, in bytes: nothing is.
const MAX_WRITE: u32 = 4096;
/// Blocks of a file's status, in bytes.
const BLOCK: u64 = 512;

/// The file system.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) objects: Arc<Objects>,
    pub(super) table: Arc<Table>,
    pub(super) waits: Arc<Waits>,
    /// Has whoever looks for signals wake up.
    pub(super) releases: Arc<Releases>,
    pub(super) pollers: Arc<Pollers>,
    pub(super) handles: Arc<Handles>,
    /// The file system's number.
    pub(super) device: u64,
    /// The only thread that opens anything.
    pub(super) opener: u32,
}

fn status(inode: u64, size_bytes: u64) -> FileAttr {
    let kind = if inode == ROOT {
        FileType::Directory
    } else {
        FileType::RegularFile
    };
    FileAttr {
        ino: INodeNo(inode),
        size: size_bytes,
        blocks: size_bytes / BLOCK,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: if inode == ROOT { 0o700 } else { 0o600 },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

impl Server {
    fn status(&self, inode: u64) -> Option<FileAttr> {
        let size_bytes = if inode == ROOT {
            0
        } else {
            self.table.size_bytes(inode)?
        };
        Some(status(inode, size_bytes))
    }

    fn id(&self, INodeNo(inode): INodeNo) -> FileId {
        FileId {
            device: self.device,
            inode,
        }
    }

    fn buffer(&self, inode: INodeNo) -> Option<Arc<Buffer>> {
        match self.objects.get(self.id(inode)) {
            Some(Object::Buffer(buffer)) => Some(buffer),
            _ => None,
        }
    }

    /// Answers a call of somebody who is not trapped.
    fn call(
        &self,
        call: &Request,
        (request, mut argument): (Ioctl, Vec<u8>),
        buffer: Arc<Buffer>,
        reply: ReplyIoctl,
    ) {
        let is_text = matches!(request, SET_NAME_A | SET_NAME_B);
        let is_here = request == SYNC || (is_text && argument.contains(&0));
        if is_text {
            // What begins there is a text, of which the kernel has copied as much as an address takes.
            // DIFFERENCE: that much must be readable.
            argument.resize(NAME_LEN, 0);
        }
        let caller = Outsider {
            thread: call.pid(),
            handles: Arc::clone(&self.handles),
            argument: Argument::Copy(argument),
        };
        let call = Call {
            number: call.unique().0,
            objects: Arc::clone(&self.objects),
            waits: Arc::clone(&self.waits),
            releases: Arc::clone(&self.releases),
            caller,
            buffer,
            request,
        };
        if is_here {
            return call.answer(reply);
        }
        // Looking into another process can take as long as that likes.
        let elsewhere = std::thread::Builder::new().name("answers one".to_owned());
        // Where there is no thread for it, dropping the reply fails the call with EIO.
        let _ = elsewhere.spawn(move || call.look_and_answer(is_text, reply));
    }
}

impl Filesystem for Server {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        let unsupported = || std::io::Error::from(Errno::OPNOTSUPP);
        config
            .add_capabilities(InitFlags::FUSE_PASSTHROUGH)
            .map_err(|_| unsupported())?;
        config.set_max_stack_depth(1).map_err(|_| unsupported())?;
        config.set_max_write(MAX_WRITE).map_err(|_| unsupported())?;
        Ok(())
    }

    fn lookup(&self, _request: &Request, _parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let inode = name.to_str().and_then(inode);
        match inode.and_then(|inode| self.status(inode)) {
            // Whoever has it open has it: the name is forgotten at once.
            Some(status) => reply.entry(&Duration::ZERO, &status, Generation(0)),
            None => reply.error(Refusal::ENOENT),
        }
    }

    fn getattr(&self, _request: &Request, inode: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.status(inode.0) {
            Some(status) => reply.attr(&FOR_EVER, &status),
            None => reply.error(Refusal::ENOENT),
        }
    }

    fn setattr(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _mode: Option<u32>,
        _user: Option<u32>,
        _group: Option<u32>,
        _size: Option<u64>,
        _accessed: Option<TimeOrNow>,
        _modified: Option<TimeOrNow>,
        _changed: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _created: Option<SystemTime>,
        _status_changed: Option<SystemTime>,
        _saved: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        reply.error(Refusal::EINVAL);
    }

    fn open(&self, request: &Request, inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        // Buffers cannot be opened, through /proc neither.
        if request.pid() != self.opener {
            return reply.error(Refusal::ENXIO);
        }
        let register = |memory: std::os::fd::BorrowedFd<'_>| {
            let error = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
            reply.open_backing(memory).map_err(error)
        };
        match self.table.open(inode.0, register) {
            Ok((handle, backing)) => {
                // Mapped directly; read and written, which is refused, here.
                let flags = FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NOFLUSH;
                reply.opened_passthrough(FileHandle(handle), flags, &backing);
            }
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn release(
        &self,
        _request: &Request,
        inode: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        reply.ok();
        self.pollers.forget(handle.0);
        let is_last = self.table.close(inode.0, handle.0);
        // Of memory of ours it is known otherwise when nobody has it.
        if is_last && self.buffer(inode).is_some_and(|buffer| buffer.piece.is_none()) {
            drop(self.objects.remove(self.id(inode)));
        }
    }

    fn read(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        _offset: u64,
        _size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        reply.error(Refusal::EINVAL);
    }

    fn write(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        _offset: u64,
        _data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        reply.error(Refusal::EINVAL);
    }

    fn fsync(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        reply.error(Refusal::EINVAL);
    }

    fn lseek(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        _offset: i64,
        _whence: i32,
        reply: ReplyLseek,
    ) {
        reply.error(Refusal::EINVAL);
    }

    fn fallocate(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        _offset: u64,
        _length: u64,
        _mode: i32,
        reply: ReplyEmpty,
    ) {
        reply.error(Refusal::ENODEV);
    }

    fn ioctl(
        &self,
        request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        _flags: IoctlFlags,
        number: u32,
        argument: &[u8],
        _out_size: u32,
        reply: ReplyIoctl,
    ) {
        let Some(buffer) = self.buffer(inode) else {
            return reply.error(Refusal::ENOTTY);
        };
        match Ioctl::from_raw(number) {
            known @ (SYNC | SET_NAME_A | SET_NAME_B | IMPORT_SYNC_FILE) => {
                self.call(request, (known, argument.to_vec()), buffer, reply);
            }
            // DIFFERENCE: EXPORT_SYNC_FILE, too: a file system cannot give its caller a descriptor.
            _ => reply.error(Refusal::ENOTTY),
        }
    }

    fn poll(
        &self,
        _request: &Request,
        inode: INodeNo,
        handle: FileHandle,
        notifier: PollNotifier,
        asked: PollEvents,
        flags: PollFlags,
        reply: ReplyPoll,
    ) {
        let Some(buffer) = self.buffer(inode) else {
            return reply.poll(PollEvents::POLLERR);
        };
        let is_ready = ready(&buffer.reservation, asked);
        if flags.contains(PollFlags::FUSE_POLL_SCHEDULE_NOTIFY) {
            let notify = move || {
                // Fails only if the file was closed meanwhile.
                let _ = notifier.clone().notify();
            };
            let missing = asked - is_ready;
            self.pollers.arm(handle.0, (&buffer.reservation, missing), notify);
        }
        reply.poll(is_ready);
    }
}
