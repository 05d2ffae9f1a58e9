//! Timelines that a program drives.

use crate::ioctl::Ioctl;

argument! {
    /// A new fence on the timeline.
    pub struct CreateFenceData: 40 {
        /// It is signaled when the timeline has come so far.
        pub value: u32,
        /// Its name; not used.
        pub name: [u8; 32],
        /// The new descriptor.
        pub fence: i32,
    }
}

argument! {
    /// When a fence is needed, as others have said.
    pub struct GetDeadline: 16 {
        /// In nanoseconds of the monotonic clock.
        pub deadline_ns: u64,
        /// 0.
        pub pad: u32,
        /// The fence's file.
        pub fence_fd: i32,
    }
}

/// Makes a fence on the timeline.
pub const CREATE_FENCE: Ioctl = Ioctl::read_write(b'W', 0, CreateFenceData::SIZE_BYTES);
/// Moves the timeline on; the argument is a `u32`.
pub const INC: Ioctl = Ioctl::write(b'W', 1, 4);
/// Asks when a fence is needed.
pub const GET_DEADLINE: Ioctl = Ioctl::read_write(b'W', 2, GetDeadline::SIZE_BYTES);
