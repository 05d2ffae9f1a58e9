//! Cards: their calls, and mappings of their buffers.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::OFlags;
use rustix::io::Errno;
use wharf_uapi::Ioctl;

use super::answering::{Listener, Next};
use super::injection::{Call, Seized, failure};
use super::mapping::marked;
use super::sys::Reply;
use super::task::Task;
use crate::devices::vgem::{self, Card, Surroundings};
use crate::devices::{Answer, Caller as _};

impl Listener {
    pub(super) fn card(
        &self,
        task: &Task<'_>,
        card: &Card,
        request: Ioctl,
        address: u64,
    ) -> Result<Answer, Errno> {
        let heap = Arc::from("vgem");
        let around = Surroundings {
            objects: &self.objects,
            releases: &self.releases,
            allocate: &|size_bytes| self.memory(&heap, size_bytes),
            finish: &|buffer| self.finish(buffer, &heap),
        };
        vgem::call(task, (&around, card), request, address)
    }

    /// Has the caller map the buffer that it means when it maps a place of a card.
    pub(super) fn map_card(&self, task: &Task<'_>, card: &Card) -> Result<Next, Errno> {
        let [address, length, protection, flags, _, place] = task.notification.data.args;
        // CAST: flags are small and positive.
        let is = |bits: u64, flag: i32| bits & flag as u64 != 0;
        let how = (is(flags, libc::MAP_SHARED), is(protection, libc::PROT_WRITE));
        let buffer = card.to_map((&self.objects, &self.releases), (place, length), how)?;
        let seized = Seized::seize(task.notification.pid).map_err(|_| Errno::PERM)?;
        let lent = task.install(buffer.as_fd(), OFlags::CLOEXEC);
        drop(buffer);
        self.reply(task.notification.id, Reply::Value(0));
        seized.act(|stopped| {
            let number = match lent {
                Ok(number) => number,
                Err(errno) => return Some(failure(errno)),
            };
            let arguments = [address, length, protection, flags, marked(number), 0];
            let result = stopped.call(&Call::new(libc::SYS_mmap, arguments))?;
            stopped.call(&Call::new(libc::SYS_close, [number.into(), 0, 0, 0, 0, 0]))?;
            Some(result)
        });
        Ok(Next::Nothing)
    }

    /// Closes the cards that nobody has open any more.
    pub(crate) fn close_cards(&self) {
        for card in self.objects.departed() {
            card.close(&self.objects, &self.releases);
        }
    }

    /// Signals fences whose time is over; tells whether some are pending.
    pub(crate) fn expire_fences(&self) -> bool {
        let now = Instant::now();
        let mut is_busy = false;
        for card in self.objects.cards() {
            is_busy |= card.expire(now);
        }
        is_busy
    }
}
