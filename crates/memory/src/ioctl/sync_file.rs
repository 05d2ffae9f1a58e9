//! Calls on fences as files, and on the timelines that tests drive.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use wharf_uapi::sw_sync::CreateFenceData;
use wharf_uapi::sync_file::{FenceInfo, FileInfo, MergeData, SetDeadline};

use super::raw::{call, file_info, new_descriptor};

/// How often the fences of a file are counted again that has got more meanwhile: files do not change, so that once is enough.
const ATTEMPTS: usize = 3;

/// What the kernel tells of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fences {
    /// The file as a whole.
    pub file: FileInfo,
    /// Each of its fences.
    pub fences: Vec<FenceInfo>,
}

/// Asks for the state of a file and of its fences.
///
/// # Errors
/// `ENOMEM`; `ENOTTY` if it is no file of fences.
pub fn ask(file: impl AsFd) -> Result<Fences, Errno> {
    let file = file.as_fd();
    let mut outcome = Err(Errno::INVAL);
    for _ in 0..ATTEMPTS {
        let count = file_info(file, &mut [])?.num_fences;
        // CAST: u32 fits usize on Linux.
        let mut fences = vec![FenceInfo::default(); count as usize];
        outcome = file_info(file, &mut fences).map(|info| {
            fences.truncate(info.num_fences as usize);
            Fences { file: info, fences }
        });
        if outcome != Err(Errno::INVAL) {
            break;
        }
    }
    outcome
}

/// Makes one file of the fences of two. It is closed on exec; `name` is zero-terminated.
///
/// # Errors
/// `ENOENT` if the second is no file of fences, `ENOTTY` if the first is none, `EMFILE`, `ENOMEM`.
pub fn merge(first: impl AsFd, second: impl AsFd, name: [u8; 32]) -> Result<OwnedFd, Errno> {
    let mut argument = MergeData {
        name,
        fd2: second.as_fd().as_raw_fd(),
        fence: -1,
        ..MergeData::default()
    };
    call(first.as_fd(), &mut argument)?;
    new_descriptor(argument.fence)
}

/// Says until when the fences would best be signaled, in nanoseconds of the monotonic clock.
///
/// # Errors
/// `ENOTTY` if it is no file of fences, or the kernel is older than 6.6.
pub fn hint_deadline(file: impl AsFd, deadline_ns: u64) -> Result<(), Errno> {
    let mut argument = SetDeadline { deadline_ns, pad: 0 };
    call(file.as_fd(), &mut argument).map(drop)
}

/// Makes a fence on a timeline that a program drives (`sw_sync`): signaled when that has come to `value`.
///
/// # Errors
/// `EMFILE`, `ENOMEM`; `ENOTTY` if it is no such timeline.
pub fn make_fence(timeline: impl AsFd, value: u32) -> Result<OwnedFd, Errno> {
    let mut argument = CreateFenceData {
        value,
        fence: -1,
        ..CreateFenceData::default()
    };
    call(timeline.as_fd(), &mut argument)?;
    new_descriptor(argument.fence)
}

/// Moves a timeline that a program drives on, by `steps`.
///
/// # Errors
/// `ENOTTY` if it is no such timeline.
pub fn advance(timeline: impl AsFd, steps: u32) -> Result<(), Errno> {
    let mut steps = steps;
    call(timeline.as_fd(), &mut steps).map(drop)
}
