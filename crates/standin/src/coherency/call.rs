//! A `SYNC` call and who made it.

use std::fmt;

use wharf_uapi::dma_buf::{SYNC_END, SYNC_READ, SYNC_RW, SYNC_WRITE};

/// A `SYNC` call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// As the program passed them; valid.
    pub(crate) flags: u32,
    pub(crate) fd: i32,
    pub(crate) process: u32,
    pub(crate) thread: u32,
    /// What the thread calls itself.
    pub(crate) name: String,
    /// Where in the program it was made.
    pub(crate) place: String,
}

impl Call {
    pub(super) fn is_end(&self) -> bool {
        self.flags & SYNC_END != 0
    }

    pub(super) fn reads(&self) -> bool {
        self.flags & SYNC_READ != 0
    }

    pub(super) fn writes(&self) -> bool {
        self.flags & SYNC_WRITE != 0
    }

    /// Between which the CPU may do what.
    pub(super) fn direction(&self) -> &'static str {
        direction(self.flags)
    }

    /// Whether both are one line of the program's, passed again.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let of = |call: &Self| (call.flags, call.process, call.thread);
        of(self) == of(other) && self.place == other.place
    }
}

pub(super) fn direction(flags: u32) -> &'static str {
    match flags & SYNC_RW {
        SYNC_READ => "READ",
        SYNC_WRITE => "WRITE",
        _ => "RW",
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fd,
            process,
            thread,
            name,
            place,
            ..
        } = self;
        let which = if self.is_end() { "END" } else { "START" };
        write!(
            f,
            "SYNC {which} {} of fd {fd} by thread {thread} ",
            self.direction()
        )?;
        if process != thread {
            write!(f, "of process {process} ")?;
        }
        write!(f, "({name}) at {place}")
    }
}
