//! Sealing buffers without waiting for their owner.
//!
//! Adding a seal needs the lock of the file, and a process that may write to it can keep that lock: it only has to call
//! `write` with data that does not arrive. So it is done by a thread of its own. Buffers whose owner has sealed them
//! itself take the short way. Contract: P1, S5.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use wharf_linux::Memfd;
use wharf_protocol::{BrokerError, SetId};

use super::descriptors::{Descriptor, Shared, reopen};
use super::system_error;
use crate::state::{FdHandle, OperationId, PeerId};

/// How many sets of one user are sealed at a time. More means that the user holds their locks.
const MAX_RUNNING: usize = 2;

/// A set to seal.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) peer: PeerId,
    /// The owner of the set, who is the only one to wait for it.
    pub(super) uid: u32,
    pub(super) operation: OperationId,
    pub(super) set: SetId,
    pub(super) buffers: Vec<(FdHandle, Shared)>,
}

/// A job that is over.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) peer: PeerId,
    uid: u32,
    pub(super) operation: OperationId,
    pub(super) set: SetId,
    /// Read-only descriptors to use instead of the ones there were.
    pub(super) outcome: Result<Vec<(FdHandle, Descriptor)>, BrokerError>,
}

/// The threads that seal.
#[derive(Debug)]
pub(super) struct Sealing {
    /// Readable when a job is over.
    bell: Arc<OwnedFd>,
    sender: Sender<Finished>,
    receiver: Receiver<Finished>,
    running: BTreeMap<u32, usize>,
}

impl Sealing {
    pub(super) fn new() -> Result<Self, Errno> {
        let (sender, receiver) = channel();
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        Ok(Self {
            bell,
            sender,
            receiver,
            running: BTreeMap::new(),
        })
    }

    /// Begins a job. Gives it back finished if there was nothing to wait for.
    pub(super) fn begin(&mut self, job: Job) -> Option<Finished> {
        if job.buffers.iter().all(|(_, buffer)| is_sealed(buffer)) {
            return Some(job.run());
        }
        if self
            .running
            .get(&job.uid)
            .is_some_and(|running| *running >= MAX_RUNNING)
        {
            let reason = format!(
                "{MAX_RUNNING} buffer sets of user {} are being sealed, try again",
                job.uid
            );
            return Some(job.fail(BrokerError::AllocationFailed {
                errno: Errno::AGAIN.raw_os_error(),
                reason,
            }));
        }
        let (peer, uid, operation, set) = (job.peer, job.uid, job.operation, job.set);
        let (bell, sender) = (Arc::clone(&self.bell), self.sender.clone());
        let work = move || {
            // If the broker is gone by now, nobody is interested.
            let _ = sender.send(job.run());
            let _ = rustix::io::write(&*bell, &1_u64.to_ne_bytes());
        };
        match Builder::new().name("wharf-seal".to_owned()).spawn(work) {
            Ok(_) => {
                *self.running.entry(uid).or_default() += 1;
                None
            }
            Err(error) => {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::AGAIN);
                let outcome = Err(system_error(errno, "starting a thread to seal buffers"));
                Some(Finished {
                    peer,
                    uid,
                    operation,
                    set,
                    outcome,
                })
            }
        }
    }

    /// The jobs that are over.
    pub(super) fn finished(&mut self) -> Vec<Finished> {
        let mut count = [0; 8];
        // Nothing to read means that an earlier call has seen everything.
        let _ = rustix::io::read(&*self.bell, &mut count);
        let finished: Vec<_> = self.receiver.try_iter().collect();
        for over in &finished {
            if let Some(running) = self.running.get_mut(&over.uid) {
                *running = running.saturating_sub(1);
            }
        }
        self.running.retain(|_, running| *running > 0);
        finished
    }
}

impl AsFd for Sealing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Job {
    fn run(self) -> Finished {
        let mut read_only = Vec::new();
        let sealed = self.buffers.iter().try_for_each(|(handle, buffer)| {
            read_only.extend(seal(buffer)?.map(|buffer| (*handle, buffer)));
            Ok(())
        });
        let outcome = sealed.map(|()| read_only);
        Finished {
            peer: self.peer,
            uid: self.uid,
            operation: self.operation,
            set: self.set,
            outcome,
        }
    }

    fn fail(self, error: BrokerError) -> Finished {
        Finished {
            peer: self.peer,
            uid: self.uid,
            operation: self.operation,
            set: self.set,
            outcome: Err(error),
        }
    }
}

/// Whether nobody can get a new writable mapping any more. Asking takes no lock.
fn is_sealed(buffer: &Shared) -> bool {
    match buffer.descriptor() {
        Descriptor::Memory(memory) => memory
            .inspect()
            .is_ok_and(|info| info.seals.contains(Memfd::WRITE_SEALED)),
        _ => true,
    }
}

/// Seals a buffer, and opens it for reading only if it is not yet and can be.
fn seal(buffer: &Shared) -> Result<Option<Descriptor>, BrokerError> {
    match buffer.descriptor() {
        Descriptor::Memory(memory) => {
            memory.seal_future_writes().map_err(|error| {
                system_error(error.errno(), "sealing a buffer against new writable mappings")
            })?;
            Ok(reopen(memory).map(Descriptor::ReadOnly))
        }
        Descriptor::ReadOnly(_) => Ok(None),
        Descriptor::Process(_) | Descriptor::Bell(_) | Descriptor::Refused => {
            Err(system_error(Errno::BADFD, "sealing something that is no buffer"))
        }
    }
}
