//! Calls of processes that are not trapped, and how they are answered.

use std::sync::Arc;

use fuser::{Errno as Refusal, ReplyIoctl};
use rustix::io::Errno;
use wharf_core::fence::Fence;
use wharf_uapi::Ioctl;

use super::outsider::{Argument, Outsider};
use crate::devices::dma_buf::{self, Outcome};
use crate::devices::{Answer, Buffer, Objects};
use crate::listener::waits::Waits;
use crate::memory::Releases;

/// An error number as this file system's library has it.
pub(super) fn refusal(errno: Errno) -> Refusal {
    Refusal::from_i32(errno.raw_os_error())
}

/// A call of somebody who is not trapped.
pub(super) struct Call {
    /// Different from that of any other call until this one is answered.
    pub(super) number: u64,
    pub(super) objects: Arc<Objects>,
    pub(super) waits: Arc<Waits>,
    pub(super) releases: Arc<Releases>,
    pub(super) caller: Outsider,
    pub(super) buffer: Arc<Buffer>,
    pub(super) request: Ioctl,
}

impl Call {
    pub(super) fn answer(self, reply: ReplyIoctl) {
        self.answer_at(0, reply);
    }

    /// The same where the argument may be in the caller's memory.
    pub(super) fn look_and_answer(mut self, is_text: bool, reply: ReplyIoctl) {
        if !is_text {
            return self.answer_at(0, reply);
        }
        match self.caller.address_of(self.request) {
            Ok(address) => {
                self.caller.argument = Argument::Remote;
                self.answer_at(address, reply);
            }
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn answer_at(self, address: u64, reply: ReplyIoctl) {
        let (caller, buffer) = (&self.caller, &*self.buffer);
        match dma_buf::call(caller, (&self.objects, buffer), self.request, address) {
            // CAST: results of these calls are ints.
            Ok(Outcome::Known(Answer::Value(value))) => reply.ioctl(value as i32, &[]),
            // Coherency is not checked of files.
            Ok(Outcome::Known(Answer::Native | Answer::Answered) | Outcome::Bracket(..)) => {
                reply.error(Refusal::ENOTTY)
            }
            Ok(Outcome::After(fence)) => self.answer_after(&fence, reply),
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    /// The kernel would say of each signal that ends the wait, but `fuser` does not pass that on; and of a call that has been read only the
    /// answer sets a thread free, even if it is to be killed.
    fn answer_after(&self, fence: &Fence, reply: ReplyIoctl) {
        let answer = |how: Result<(), Errno>| match how {
            Ok(()) => reply.ioctl(0, &[]),
            Err(_) => reply.error(Refusal::EINTR),
        };
        self.waits.add(self.number, self.caller.thread, Box::new(answer));
        self.releases.ring();
        self.waits.end_with(fence, self.number);
    }
}
