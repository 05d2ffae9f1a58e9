//! Buffers of negotiated sets.

use super::{BufferSet, Hold};
use crate::connection::PATIENCE;
use crate::error::SessionError;
use crate::generation::{Generation, Share};
use crate::negotiation::SeatHold;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use wharf_core::layout::FrameLayout;
use wharf_protocol::{BufferPlan, ReadyGeneration, ReleaseImport, Role};

/// What a seat's holder has of its set for reading; tells the broker when it ends, before the seat does.
#[derive(Debug)]
struct Import {
    seat: Arc<SeatHold>,
}

impl Hold for Import {}

impl Drop for Import {
    fn drop(&mut self) {
        let set = self.seat.set;
        self.seat.connection.give_back(ReleaseImport { set });
    }
}

impl BufferSet {
    /// Takes what the broker sent for a seat: one descriptor a buffer. Who writes tells the broker when it has mapped them, so
    /// that nobody else can any more.
    pub(crate) fn adopt_negotiated(
        hold: Arc<SeatHold>,
        writable: bool,
        (name, generation, plan): (&str, u64, String),
        fds: (Vec<OwnedFd>, u64),
    ) -> Result<Self, SessionError> {
        let share = Share {
            connection: Arc::clone(&hold.connection),
            set: hold.set,
            role: if writable { Role::Owner } else { Role::Importer },
            seat: None,
            name: name.to_owned(),
            _hold: if writable {
                hold
            } else {
                Arc::new(Import { seat: hold })
            },
        };
        let memory = share.adopt(generation, fds, plan)?;
        if writable {
            share.ready_first(generation)?;
        }
        Ok(Self {
            name: name.to_owned(),
            memory,
            next: None,
            share,
        })
    }

    /// Where the samples of a picture are in each buffer, as negotiated for this generation; `None` for buffers that were not
    /// negotiated or hold no picture.
    pub fn layout(&self) -> Option<FrameLayout> {
        self.memory.layout()
    }
}

impl Generation {
    /// What was negotiated for it.
    pub(crate) fn layout(&self) -> Option<FrameLayout> {
        BufferPlan::read(&self.plan)?.layout()
    }
}

impl Share {
    /// Tells the broker that the first memory of a set is mapped for writing.
    fn ready_first(&self, generation: u64) -> Result<(), SessionError> {
        let request = ReadyGeneration {
            set: self.set,
            generation,
            role: Role::Owner,
            seat: None,
            error: None,
        };
        self.connection.call_within(PATIENCE, request, &[])?;
        Ok(())
    }
}
