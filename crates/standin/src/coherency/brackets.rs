//! Which calls belong together, and what is wrong.
//!
//! The kernel does not pair calls at all. Here an end belongs to the bracket that its thread started last; or else one of the same process, of
//! the same direction rather than of another; or else any: brackets may be handed on. Brackets of several threads may overlap, as long as
//! none throws away what another one writes.

use std::sync::Arc;

use super::bytes::Bytes;
use super::call::Call;
use super::finding::{Finding, Kind};
use super::page::{Filling, Seen, Step, Transfer};

/// The brackets of a buffer.
#[derive(Debug, Default)]
pub(super) struct Brackets {
    open: Vec<Arc<Call>>,
    last: Option<Arc<Call>>,
    /// How many there were.
    count: u64,
}

/// What a call is to those before it.
#[derive(Debug)]
enum Pairing {
    Started,
    StartedTwice(Arc<Call>),
    Ended,
    EndedOtherwise(Arc<Call>),
    EndedNothing,
}

/// A call among the others.
#[derive(Debug)]
pub(super) struct Met {
    call: Arc<Call>,
    pairing: Pairing,
    /// The call before it.
    before: Option<Arc<Call>>,
    /// The brackets that were open until then.
    open: Vec<Arc<Call>>,
    /// What it does to the two views.
    pub(super) step: Step,
}

fn writer(open: &[Arc<Call>]) -> Option<&Arc<Call>> {
    open.iter().rev().find(|call| call.writes())
}

impl Brackets {
    /// Puts a call among the others.
    pub(super) fn meet(&mut self, call: Call) -> Met {
        let call = Arc::new(call);
        let open = self.open.clone();
        let pairing = if call.is_end() {
            self.end(&call)
        } else {
            self.start(&call)
        };
        let step = self.step(&call);
        Met {
            before: self.last.replace(Arc::clone(&call)),
            call,
            pairing,
            open,
            step,
        }
    }

    fn start(&mut self, call: &Arc<Call>) -> Pairing {
        self.count += 1;
        let mine = self.open.iter().position(|open| open.thread == call.thread);
        let before = mine.map(|index| self.open.remove(index));
        self.open.push(Arc::clone(call));
        before.map_or(Pairing::Started, Pairing::StartedTwice)
    }

    fn end(&mut self, call: &Call) -> Pairing {
        let is_alike = |open: &Call| open.direction() == call.direction();
        let find = |fits: &dyn Fn(&Call) -> bool| self.open.iter().rposition(|open| fits(open));
        let found = find(&|open| open.thread == call.thread)
            .or_else(|| find(&|open| open.process == call.process && is_alike(open)))
            .or_else(|| find(&|open| open.process == call.process))
            .or_else(|| find(&is_alike))
            .or_else(|| find(&|_| true));
        match found.map(|index| self.open.remove(index)) {
            None => Pairing::EndedNothing,
            Some(started) if is_alike(&started) => Pairing::Ended,
            Some(started) => Pairing::EndedOtherwise(started),
        }
    }

    fn step(&self, call: &Call) -> Step {
        let is_last = writer(&self.open).is_none();
        let (transfer, filling) = match (call.is_end(), call.reads(), call.writes()) {
            (false, true, _) => (Transfer::Bring, Filling::Stays),
            (false, false, _) => (Transfer::Nothing, Filling::Begins(self.count)),
            (true, _, true) if is_last => (Transfer::Clean, Filling::Ends),
            (true, _, true) => (Transfer::Clean, Filling::Stays),
            (true, _, false) if is_last => (Transfer::Nothing, Filling::Ends),
            (true, _, false) => (Transfer::Nothing, Filling::Stays),
        };
        Step { transfer, filling }
    }

    /// What is wrong at the end, when nothing will follow. `has_readers`: whether the CPU could have read what a device wrote.
    pub(super) fn judge_end(&self, seen: Seen, has_readers: HasReaders) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut find = |kind, bytes: Bytes, other: Option<&Arc<Call>>| {
            findings.push(Finding {
                kind,
                bytes,
                noticed: None,
                other: other.cloned(),
                times: 1,
            });
        };
        for open in &self.open {
            let bytes = if open.writes() {
                seen.dirty.clone()
            } else {
                Bytes::default()
            };
            find(Kind::NeverEnded, bytes, Some(open));
        }
        if !seen.by_cpu.is_empty() && writer(&self.open).is_none() {
            match self.open.last() {
                None => find(Kind::WrittenOutside, seen.by_cpu, self.last.as_ref()),
                reader => find(Kind::WrittenWhileReading, seen.by_cpu, reader),
            }
        }
        if !seen.unseen.is_empty() && has_readers == HasReaders::Yes {
            find(Kind::NeverBroughtIn, seen.unseen, self.last.as_ref());
        }
        findings
    }
}

/// Whether the CPU could have read a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HasReaders {
    Yes,
    No,
}

impl Met {
    /// What is wrong, now that it is known what has changed since the call before.
    pub(super) fn judge(self, seen: Seen) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut find = |kind, bytes, other: Option<&Arc<Call>>| {
            findings.push(Finding {
                kind,
                bytes,
                noticed: Some(Arc::clone(&self.call)),
                other: other.cloned(),
                times: 1,
            });
        };
        let writer = writer(&self.open);
        let (mut wrote, mut device) = (seen.by_cpu, seen.by_device);
        match &self.pairing {
            Pairing::Started if self.call.reads() && writer.is_some() && !seen.dirty.is_empty() => {
                find(Kind::Discarded, seen.dirty, writer);
            }
            Pairing::Started | Pairing::Ended => {}
            Pairing::StartedTwice(first) => {
                let written = if first.writes() {
                    seen.dirty
                } else {
                    Bytes::default()
                };
                find(Kind::StartedTwice, written, Some(first));
                // The bracket was not ended: what devices did after that is nobody's fault.
                device = Bytes::default();
            }
            Pairing::EndedOtherwise(first) => {
                let is_lost = first.writes() && !self.call.writes();
                let lost = if is_lost { seen.dirty } else { Bytes::default() };
                find(Kind::OtherDirection, lost, Some(first));
                if self.call.writes() {
                    wrote = Bytes::default();
                }
            }
            Pairing::EndedNothing => {
                find(
                    Kind::EndWithoutStart,
                    std::mem::take(&mut wrote),
                    self.before.as_ref(),
                );
            }
        }
        if !wrote.is_empty() && writer.is_none() {
            match self.open.last() {
                None => find(Kind::WrittenOutside, wrote, self.before.as_ref()),
                reader => find(Kind::WrittenWhileReading, wrote, reader),
            }
        }
        if let Some(open) = self.open.first().filter(|_| !device.is_empty()) {
            find(Kind::DeviceWrote, device, Some(open));
        }
        findings
    }
}
