//! Fences as files.
//!
//! The program's descriptor is the reading end of a pipe: it cannot be told from a fence's file by waiting on it. Nothing is in the pipe
//! while the fence is pending; one byte is when it is signaled, and stays, because nobody reads it. The other end is ours: the kernel
//! tells us on it when the last of the program's descriptors is closed.
//!
//! References: `sync_file_ioctl_merge`, `sync_file_ioctl_fence_info`, `sync_file_poll`, `sync_file_get_name`
//! (drivers/dma-buf/sync_file.c, v6.12).

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::OFlags;
use rustix::io::Errno;
use wharf_core::fence::{CallbackHandle, CallbackOutcome, Fence, FenceStatus, merge, unwrap};
use wharf_memory::now_ns;
use wharf_uapi::Ioctl;
use wharf_uapi::sync_file::{FILE_INFO, FenceInfo, FileInfo, MERGE, MergeData, SET_DEADLINE, SetDeadline};

use super::{Answer, Caller, DONE, Object, Objects, argument, install_and_tell};

/// A fence as a file.
pub(crate) struct SyncFile {
    fence: Fence,
    /// Given by whoever merged it.
    name: Option<[u8; 32]>,
    /// Our end of the pipe. The fence has it, too, until it is signaled or nobody has the file open any more.
    bell: Arc<OwnedFd>,
    /// Takes it away from the fence.
    ring: Option<CallbackHandle>,
}

impl Drop for SyncFile {
    fn drop(&mut self) {
        if let Some(ring) = self.ring.take() {
            ring.remove();
        }
    }
}

impl fmt::Debug for SyncFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SyncFile").field(&self.fence).finish()
    }
}

impl SyncFile {
    /// Makes a file for `fence`, known to `objects` until the last descriptor of it is closed. Returns the one to give away.
    fn create(objects: &Objects, fence: Fence, name: Option<[u8; 32]>) -> Result<OwnedFd, Errno> {
        let (reader, bell) = objects.pipe()?;
        rustix::fs::fcntl_setfl(&bell, OFlags::NONBLOCK)?;
        let bell = Arc::new(bell);
        let rung = Arc::clone(&bell);
        let ring = move |_: &Fence| {
            // There is room for the only byte; and if nobody can read it any more, nobody waits.
            let _ = rustix::io::write(&*rung, &[1]);
        };
        let ring = match fence.add_callback(ring) {
            CallbackOutcome::Added(handle) => Some(handle),
            CallbackOutcome::AlreadySignaled(ring) => {
                ring(&fence);
                None
            }
        };
        let file = Arc::new(Self {
            fence,
            name,
            bell,
            ring,
        });
        let object = Object::SyncFile(Arc::clone(&file));
        objects.insert_until_closed(reader.as_fd(), object, file.bell.as_fd())?;
        Ok(reader)
    }

    /// Makes a file for `fence` and gives it to the caller: its number goes into the argument at `address`, as `with_number` writes it
    /// (see [`install_and_tell`]).
    pub(crate) fn give(
        (caller, objects): (&dyn Caller, &Objects),
        (fence, name): (Fence, Option<[u8; 32]>),
        (address, unchanged): (u64, &[u8]),
        with_number: impl FnOnce(i32) -> Vec<u8>,
    ) -> Result<Answer, Errno> {
        let reader = Self::create(objects, fence, name)?;
        // CAST: descriptors are ints.
        let answered = |fd: u32| with_number(fd as i32);
        install_and_tell(
            caller,
            (reader.as_fd(), OFlags::CLOEXEC),
            address,
            unchanged,
            answered,
        )
    }

    /// The file that the caller has open as `fd`.
    pub(crate) fn of(caller: &dyn Caller, objects: &Objects, fd: i32) -> Option<Arc<Self>> {
        let (_, id) = caller.file(fd).ok()?;
        match objects.get(id)? {
            Object::SyncFile(file) => Some(file),
            _ => None,
        }
    }

    pub(crate) fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Its name, or what the kernel calls a file without one.
    fn name(&self) -> [u8; 32] {
        self.name.unwrap_or_else(|| {
            let fence = &self.fence;
            let (driver, timeline) = names(fence);
            padded(&format!(
                "{driver}-{timeline}{}-{}",
                fence.context().raw(),
                fence.seqno()
            ))
        })
    }
}

/// Whose fence it is and of which timeline; that of no timeline is called as the kernel calls it.
fn names(fence: &Fence) -> (&str, &str) {
    match fence.context().raw() {
        0 => ("stub", "stub"),
        _ => (fence.driver(), fence.timeline()),
    }
}

/// The text, cut to 31 bytes, with zeros behind it.
fn padded(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    let length = text.len().min(31);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    bytes
}

/// Answers a call on `file`.
pub(crate) fn call(
    caller: &dyn Caller,
    (objects, file): (&Objects, &SyncFile),
    request: Ioctl,
    address: u64,
) -> Result<Answer, Errno> {
    match request {
        MERGE => merge_two(caller, (objects, file), address),
        FILE_INFO => tell(caller, file, address),
        SET_DEADLINE => set_deadline(caller, file, address),
        _ => Ok(Answer::Native),
    }
}

fn merge_two(
    caller: &dyn Caller,
    (objects, file): (&Objects, &SyncFile),
    address: u64,
) -> Result<Answer, Errno> {
    let unchanged = argument::<{ MergeData::SIZE_BYTES }>(caller, address)?;
    let mut asked = MergeData::from_bytes(&unchanged);
    if asked.flags != 0 || asked.pad != 0 {
        return Err(Errno::INVAL);
    }
    let other = SyncFile::of(caller, objects, asked.fd2).ok_or(Errno::NOENT)?;
    let merged = merge([file.fence.clone(), other.fence.clone()]);
    asked.name[31] = 0;
    let made = (merged, Some(asked.name));
    SyncFile::give((caller, objects), made, (address, &unchanged), |fence| {
        MergeData { fence, ..asked }.to_bytes()
    })
}

fn tell(caller: &dyn Caller, file: &SyncFile, address: u64) -> Result<Answer, Errno> {
    let mut info = FileInfo::from_bytes(&argument::<{ FileInfo::SIZE_BYTES }>(caller, address)?);
    if info.flags != 0 || info.pad != 0 {
        return Err(Errno::INVAL);
    }
    let fences: Vec<Fence> = unwrap(&file.fence).collect();
    // CAST: fewer fences than descriptors.
    let count = fences.len() as u32;
    if info.num_fences == 0 {
        info.status = status(&file.fence);
    } else if info.num_fences < count {
        return Err(Errno::INVAL);
    } else {
        let told: Vec<FenceInfo> = fences.iter().map(fence_info).collect();
        let failed_or_pending =
            |status: i32, info: &FenceInfo| if status <= 0 { status } else { info.status };
        info.status = told.iter().fold(1, failed_or_pending);
        let bytes: Vec<u8> = told.iter().flat_map(FenceInfo::to_bytes).collect();
        caller.write(info.sync_fence_info, &bytes)?;
    }
    info.name = file.name();
    info.num_fences = count;
    caller.write(address, &info.to_bytes())?;
    DONE
}

fn fence_info(fence: &Fence) -> FenceInfo {
    FenceInfo {
        obj_name: padded(names(fence).1),
        driver_name: padded(names(fence).0),
        status: status(fence),
        flags: 0,
        timestamp_ns: fence.signaled_at().map_or(0, nanoseconds_of),
    }
}

/// 0: pending; 1: signaled; below: signaled with this error.
fn status(fence: &Fence) -> i32 {
    // A look signals a container whose members are done.
    fence.is_signaled();
    match fence.status() {
        FenceStatus::Unsignaled => 0,
        FenceStatus::Signaled => 1,
        FenceStatus::Failed(errno) => -errno.raw(),
    }
}

fn set_deadline(caller: &dyn Caller, file: &SyncFile, address: u64) -> Result<Answer, Errno> {
    let asked = SetDeadline::from_bytes(&argument::<{ SetDeadline::SIZE_BYTES }>(caller, address)?);
    if asked.pad != 0 {
        return Err(Errno::INVAL);
    }
    file.fence.set_deadline(instant_of(asked.deadline_ns));
    DONE
}

/// The moment in nanoseconds of the monotonic clock.
pub(crate) fn nanoseconds_of(moment: Instant) -> u64 {
    let (now, now_ns) = (Instant::now(), now_ns());
    let nanoseconds = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    match now.checked_duration_since(moment) {
        Some(past) => now_ns.saturating_sub(nanoseconds(past)),
        None => now_ns.saturating_add(nanoseconds(moment.saturating_duration_since(now))),
    }
}

/// The moment of the monotonic clock; one beyond what can be said is now.
fn instant_of(deadline_ns: u64) -> Instant {
    let (now, now_ns) = (Instant::now(), now_ns());
    let moment = match deadline_ns.checked_sub(now_ns) {
        Some(ahead) => now.checked_add(std::time::Duration::from_nanos(ahead)),
        None => now.checked_sub(std::time::Duration::from_nanos(now_ns - deadline_ns)),
    };
    moment.unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use wharf_core::fence::FenceContext;

    use super::*;
    use crate::devices::FileId;

    #[test]
    fn closed_file_of_a_pending_fence_keeps_no_descriptor() {
        let objects = Objects::new([]).unwrap();
        let pending = FenceContext::new("test", "never signaled").fence(1);
        let reader = SyncFile::create(&objects, pending.fence(), None).unwrap();
        let id = FileId::of(&reader).unwrap();
        let Some(Object::SyncFile(file)) = objects.get(id) else {
            panic!("the file is not known");
        };
        let bell = Arc::downgrade(&file.bell);
        drop(file);
        objects.forget_closed();
        assert!(bell.upgrade().is_some(), "somebody has it open");
        drop(reader);
        objects.forget_closed();
        assert!(bell.upgrade().is_none(), "nobody has it open");
        drop(pending);
    }
}
