//! The buffers of one generation of a set, in this process.

use crate::buffers::{Hold, export_all, twin};
use crate::connection::Connection;
use crate::error::SessionError;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wharf_core::{AccessMode, DmaBuf};
use wharf_protocol::transport::CallError;
use wharf_protocol::{
    BrokerError, Method, ReadyGeneration, ReleaseGeneration, Role, Seat, SetId, TakeGeneration,
};

/// A set as one participant has it.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    pub(crate) connection: Arc<Connection>,
    pub(crate) set: SetId,
    pub(crate) role: Role,
    pub(crate) seat: Option<Seat>,
    pub(crate) name: String,
    /// What ends with the last buffer.
    pub(crate) _hold: Arc<dyn Hold>,
}

/// Equal buffers, mapped.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) number: u64,
    pub(crate) buffers: Vec<DmaBuf>,
    pub(crate) plan: String,
    hold: Arc<GenerationHold>,
}

/// Tells the broker when the last buffer of a generation that was replaced is dropped.
#[derive(Debug)]
struct GenerationHold {
    share: Share,
    number: u64,
    replaced: AtomicBool,
}

impl Hold for GenerationHold {}

impl Drop for GenerationHold {
    fn drop(&mut self) {
        // ORDERING: Relaxed: dropping the last reference comes after everything done with it.
        if self.replaced.load(Ordering::Relaxed) {
            self.share.give_back(self.number);
        }
    }
}

impl Generation {
    /// Notes that another generation is in use: the broker is to hear when the last buffer of this one is dropped.
    pub(crate) fn replaced(self) {
        self.hold.replaced.store(true, Ordering::Relaxed);
    }
}

impl Share {
    fn access(&self) -> AccessMode {
        match self.role {
            Role::Owner => AccessMode::ReadWrite,
            Role::Importer | Role::Consumer => AccessMode::ReadOnly,
        }
    }

    /// Maps the descriptors the broker sent for a generation.
    pub(crate) fn adopt(
        &self,
        number: u64,
        (fds, size_bytes): (Vec<OwnedFd>, u64),
        plan: String,
    ) -> Result<Generation, SessionError> {
        let hold = Arc::new(GenerationHold {
            share: self.clone(),
            number,
            replaced: AtomicBool::new(false),
        });
        let access = self.access();
        let twins = access == AccessMode::ReadWrite && twin::is_wanted(&plan);
        let buffers = export_all(fds, size_bytes, &self.name, (access, twins), &hold)?;
        Ok(Generation {
            number,
            buffers,
            plan,
            hold,
        })
    }

    /// Takes a generation from the broker and maps it.
    pub(crate) fn take(&self, number: u64, patience: Duration) -> Result<Generation, SessionError> {
        let request = TakeGeneration {
            set: self.set,
            generation: number,
            role: self.role,
            seat: self.seat,
        };
        let (reply, fds) = self.connection.call_within(patience, request, &[])?;
        // CAST: u32 fits usize on Linux.
        let (expected, got) = (reply.count as usize, fds.len());
        if got != expected {
            return Err(SessionError::Descriptors {
                method: TakeGeneration::NAME,
                expected,
                got,
            });
        }
        self.adopt(number, (fds, reply.size_bytes), reply.plan)
    }

    /// Tells the broker that this participant needs a generation before the current one no more.
    pub(crate) fn give_back(&self, number: u64) {
        self.connection.give_back(ReleaseGeneration {
            set: self.set,
            generation: number,
            role: self.role,
            seat: self.seat,
        });
    }

    /// Tells the broker that this participant has mapped a generation, or why it cannot.
    pub(crate) fn ready(
        &self,
        number: u64,
        error: Option<String>,
        patience: Duration,
    ) -> Result<(), CallError> {
        let request = ReadyGeneration {
            set: self.set,
            generation: number,
            role: self.role,
            seat: self.seat,
            error,
        };
        self.connection.call_within(patience, request, &[])?;
        Ok(())
    }
}

/// What to say of a generation that is not the current one.
pub(crate) fn stale(generation: u64, current: u64) -> SessionError {
    CallError::Broker(BrokerError::StaleGeneration { generation, current }).into()
}
