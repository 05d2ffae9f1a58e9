//! A buffer with two views.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::Errno;

use super::brackets::{Brackets, HasReaders};
use super::call::Call;
use super::finding::Finding;
use super::ledger::Ledger;
use super::page::{Filling, Step, Transfer};
use super::store::Store;
use super::view::View;
use crate::memory::Piece;

/// How many different findings are kept of one buffer.
const MAX_FINDINGS: usize = 100;
/// How many descriptors are told.
const MAX_FDS: usize = 4;

/// A buffer with two views. When it is dropped it is looked at for the last time.
#[derive(Debug)]
pub(crate) struct Checked {
    number: u64,
    ledger: Arc<Ledger>,
    /// What the program's descriptors are of.
    cache: Arc<Piece>,
    ram: Piece,
    state: Mutex<State>,
}

/// What is known of a buffer besides its contents.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) number: u64,
    pub(super) heap: Arc<str>,
    pub(super) name: Option<String>,
    pub(super) size_bytes: u64,
    /// Processes and their descriptors of it.
    pub(super) fds: BTreeSet<(u32, i32)>,
    pub(super) findings: Vec<Finding>,
    /// Further ones that count as errors.
    pub(super) more: u64,
}

#[derive(Debug)]
struct State {
    view: View,
    brackets: Brackets,
    record: Record,
    /// Nothing is judged any more.
    is_over: bool,
}

impl Record {
    fn add(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            let has_room = self.findings.len() < MAX_FINDINGS;
            match self.findings.iter_mut().find(|known| known.is_like(&finding)) {
                Some(known) => known.times += 1,
                None if has_room => self.findings.push(finding),
                None => self.more += u64::from(finding.is_error()),
            }
        }
    }
}

impl Checked {
    pub(super) fn new(
        (number, ledger): (u64, Arc<Ledger>),
        (cache, ram): (Arc<Piece>, Piece),
        heap: Arc<str>,
    ) -> Self {
        let size_bytes = cache.size_bytes;
        let record = Record {
            number,
            heap,
            size_bytes,
            ..Record::default()
        };
        Self {
            number,
            ledger,
            cache,
            ram,
            state: Mutex::new(State {
                view: View::new(size_bytes),
                brackets: Brackets::default(),
                record,
                is_over: false,
            }),
        }
    }

    /// What devices see.
    pub(crate) fn ram(&self) -> &OwnedFd {
        &self.ram.file
    }

    /// The program calls it this.
    pub(crate) fn set_name(&self, name: &str) {
        self.state.lock().record.name = Some(name.to_owned());
    }

    /// The process has it as `fd`.
    pub(crate) fn is_known_as(&self, process: u32, fd: i32) {
        let mut state = self.state.lock();
        if state.record.fds.len() < MAX_FDS {
            state.record.fds.insert((process, fd));
        }
    }

    fn stores(&self) -> (&dyn Store, &dyn Store) {
        (&*self.cache, &self.ram)
    }

    /// Does what a `SYNC` call does to the two views.
    ///
    /// # Errors
    /// `ENOMEM`: there is no memory for what is moved.
    pub(crate) fn bracket(&self, call: Call) -> Result<(), Errno> {
        self.is_known_as(call.process, call.fd);
        let mut state = self.state.lock();
        let before = state.brackets.clone();
        let met = state.brackets.meet(call);
        let seen = match state.view.pass(self.stores(), met.step) {
            Ok(seen) => seen,
            Err(errno) => {
                // The program hears that it failed, and may make it again.
                state.brackets = before;
                return Err(errno);
            }
        };
        if !state.is_over {
            let findings = met.judge(seen);
            state.record.add(findings);
        }
        Ok(())
    }

    /// Looks for the last time, and tells all that is known.
    pub(super) fn conclude(&self) -> Record {
        let mut state = self.state.lock();
        let look = Step {
            transfer: Transfer::Nothing,
            filling: Filling::Stays,
        };
        if !state.is_over {
            state.is_over = true;
            // Memory that cannot be read says nothing.
            let seen = state.view.pass(self.stores(), look).unwrap_or_default();
            let has_readers = if state.record.fds.is_empty() {
                HasReaders::No
            } else {
                HasReaders::Yes
            };
            let findings = state.brackets.judge_end(seen, has_readers);
            state.record.add(findings);
        }
        state.record.clone()
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        let record = self.conclude();
        self.ledger.close(self.number, record);
    }
}
