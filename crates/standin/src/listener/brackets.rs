//! Runs that check coherency: their buffers, and `SYNC` calls on them.

use std::sync::Arc;

use rustix::io::Errno;
use wharf_core::fence::Fence;

use super::answering::{Listener, Next};
use super::site::Sites;
use super::sys::Reply;
use super::task::Task;
use crate::coherency::{Call, Ledger, Report};
use crate::devices::{Buffer, Caller as _};

/// What a run that checks coherency has.
#[derive(Debug, Default)]
pub(crate) struct Coherency {
    ledger: Arc<Ledger>,
    sites: Sites,
}

impl Listener {
    /// From now on buffers have two views.
    pub(crate) fn check_coherency(&mut self) {
        self.coherency = Some(Coherency::default());
    }

    /// Gives a new buffer of `heap` its second view, where coherency is checked.
    pub(super) fn finish(&self, buffer: Buffer, heap: &Arc<str>) -> Result<Buffer, Errno> {
        let (Some(coherency), Some(cache)) = (&self.coherency, &buffer.piece) else {
            return Ok(buffer);
        };
        let ram = self.memory(heap, cache.size_bytes)?;
        let checked = coherency.ledger.open(Arc::clone(cache), ram, Arc::clone(heap));
        Ok(Buffer {
            checked: Some(checked),
            // DIFFERENCE: a card can map every buffer that it imports, so that a program can play the device.
            place: buffer.place.or_else(|| self.objects.next_place()),
            ..buffer
        })
    }

    /// Moves what a `SYNC` call of `fd` moves between the views, when `fence` is signaled.
    pub(super) fn bracket(
        &self,
        task: &Task<'_>,
        (buffer, fd): (&Buffer, i32),
        (flags, fence): (u32, Option<Fence>),
    ) -> Next {
        let (Some(coherency), Some(checked)) = (&self.coherency, &buffer.checked) else {
            return Next::Reply(Reply::Value(0));
        };
        let process = task.process();
        let call = Call {
            flags,
            fd,
            process,
            thread: task.notification.pid,
            name: task.name(),
            place: coherency.sites.tell(task, process),
        };
        let checked = Arc::clone(checked);
        let answer = move || match checked.bracket(call) {
            Ok(()) => Reply::Value(0),
            Err(errno) => Reply::Error(errno),
        };
        match fence {
            None => Next::Reply(answer()),
            Some(fence) => Next::Wait(fence, Box::new(answer)),
        }
    }

    /// Looks at all buffers for the last time, if coherency is checked.
    pub(crate) fn conclude(&self) -> Option<Report> {
        Some(self.coherency.as_ref()?.ledger.conclude())
    }
}
