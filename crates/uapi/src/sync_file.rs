//! Calls on a fence as a file.

use crate::ioctl::Ioctl;

argument! {
    /// Makes one file of two.
    pub struct MergeData: 48 {
        /// The name of the new file.
        pub name: [u8; 32],
        /// The other file.
        pub fd2: i32,
        /// The new descriptor.
        pub fence: i32,
        /// There are no flags: 0.
        pub flags: u32,
        /// Not used: 0.
        pub pad: u32,
    }
}

argument! {
    /// One fence of a file.
    pub struct FenceInfo: 80 {
        /// The timeline of the fence.
        pub obj_name: [u8; 32],
        /// Whose fence it is.
        pub driver_name: [u8; 32],
        /// 0: pending, 1: signaled, below: signaled with this error.
        pub status: i32,
        /// 0.
        pub flags: u32,
        /// When it was signaled, in nanoseconds of the monotonic clock.
        pub timestamp_ns: u64,
    }
}

argument! {
    /// What there is to know of a file.
    pub struct FileInfo: 56 {
        /// The name of the file.
        pub name: [u8; 32],
        /// As that of one fence, for all of them.
        pub status: i32,
        /// 0.
        pub flags: u32,
        /// How many fences there is room for; how many there are.
        pub num_fences: u32,
        /// 0.
        pub pad: u32,
        /// The address of the room, for [`FenceInfo`]s.
        pub sync_fence_info: u64,
    }
}

argument! {
    /// When the fences of a file are needed.
    pub struct SetDeadline: 16 {
        /// In nanoseconds of the monotonic clock.
        pub deadline_ns: u64,
        /// 0.
        pub pad: u64,
    }
}

/// Makes one file of two.
pub const MERGE: Ioctl = Ioctl::read_write(b'>', 3, MergeData::SIZE_BYTES);
/// Asks what there is to know of a file.
pub const FILE_INFO: Ioctl = Ioctl::read_write(b'>', 4, FileInfo::SIZE_BYTES);
/// Says when the fences of a file are needed.
pub const SET_DEADLINE: Ioctl = Ioctl::write(b'>', 5, SetDeadline::SIZE_BYTES);
