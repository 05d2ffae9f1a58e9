//! Which calls belong together, and what is wrong.
//!
//! The kernel does not pair calls at all. Here an end belongs to the bracket that its thread started last; or else one of the same process, of
//! the same direction rather than of another; or else any: brackets may be handed on. Brackets of several threads may overlap, as long as
//! none throws away what another one writes.

use std::mem::take;
use std::sync::Arc;

use super::bytes::Bytes;
use super::call::Call;
use super::finding::{Finding, Kind};
use super::page::{Filling, Seen, Step, Transfer};

/// The brackets of a buffer.
#[derive(Debug, Clone, Default)]
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

/// What was wrong with the CPU's writing while these brackets were `open`, after the call `last`; and which call says otherwise.
fn fault<'a>(open: &'a [Arc<Call>], last: Option<&'a Arc<Call>>) -> Option<(Kind, Option<&'a Arc<Call>>)> {
    match (writer(open), open.last()) {
        (Some(_), _) => None,
        (None, None) => Some((Kind::WrittenOutside, last)),
        (None, reader) => Some((Kind::WrittenWhileReading, reader)),
    }
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
        let mut find = |kind, bytes: Bytes, other| findings.push(Finding::new(kind, bytes, other));
        for open in &self.open {
            let bytes = if open.writes() {
                seen.dirty.clone()
            } else {
                Bytes::default()
            };
            find(Kind::NeverEnded, bytes, Some(open));
        }
        let fault = fault(&self.open, self.last.as_ref());
        if let Some((kind, other)) = fault.filter(|_| !seen.by_cpu.is_empty()) {
            find(kind, seen.by_cpu, other);
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
    pub(super) fn judge(self, mut seen: Seen) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.judge_pairing(&mut seen).into_iter().collect();
        let fault = fault(&self.open, self.before.as_ref());
        if let Some((kind, other)) = fault.filter(|_| !seen.by_cpu.is_empty()) {
            findings.push(self.find(kind, seen.by_cpu, other));
        }
        if let Some(open) = self.open.first().filter(|_| !seen.by_device.is_empty()) {
            findings.push(self.find(Kind::DeviceWrote, seen.by_device, Some(open)));
        }
        findings
    }

    fn find(&self, kind: Kind, bytes: Bytes, other: Option<&Arc<Call>>) -> Finding {
        Finding {
            noticed: Some(Arc::clone(&self.call)),
            ..Finding::new(kind, bytes, other)
        }
    }

    /// Whether the call belongs to those before. What that accounts for is taken out of `seen`.
    fn judge_pairing(&self, seen: &mut Seen) -> Option<Finding> {
        let writer = writer(&self.open);
        let lost = |is_lost: bool, dirty: &mut Bytes| if is_lost { take(dirty) } else { Bytes::default() };
        match &self.pairing {
            Pairing::Started if self.call.reads() && writer.is_some() && !seen.dirty.is_empty() => {
                Some(self.find(Kind::Discarded, take(&mut seen.dirty), writer))
            }
            Pairing::Started | Pairing::Ended => None,
            Pairing::StartedTwice(first) => {
                // The bracket was not ended: what devices did after that is nobody's fault.
                seen.by_device = Bytes::default();
                let written = lost(first.writes(), &mut seen.dirty);
                Some(self.find(Kind::StartedTwice, written, Some(first)))
            }
            Pairing::EndedOtherwise(first) => {
                let unseen = lost(first.writes() && !self.call.writes(), &mut seen.dirty);
                if self.call.writes() {
                    seen.by_cpu = Bytes::default();
                }
                Some(self.find(Kind::OtherDirection, unseen, Some(first)))
            }
            Pairing::EndedNothing => {
                let written = take(&mut seen.by_cpu);
                Some(self.find(Kind::EndWithoutStart, written, self.before.as_ref()))
            }
        }
    }
}
