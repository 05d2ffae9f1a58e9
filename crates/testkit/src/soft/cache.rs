//! A cache that nobody else sees.

use std::collections::BTreeMap;

use wharf_core::dma::PhysicalRun;

use super::memory::{Frame, Memory};
use super::writes::{Stamp, Writes};

/// The unit of caches, in bytes.
pub const LINE_BYTES: u64 = 64;

const LINE: usize = 64;

/// A line: bytes as they were in memory, or as they were written since. It is written back as a whole, as real ones are: two who
/// write to the same line at the same time lose something.
#[derive(Clone)]
struct Line {
    bytes: [u8; LINE],
    stamps: [Stamp; LINE],
    is_dirty: bool,
}

/// Lines by the address of their first byte. Nothing leaves by itself.
#[derive(Default)]
pub(super) struct Cache {
    lines: BTreeMap<u64, Line>,
}

/// The part of one line that an access is about.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) line: u64,
    pub(super) first: usize,
    pub(super) len: usize,
}

impl Part {
    /// Divides consecutive addresses.
    pub(super) fn all_of(run: PhysicalRun) -> impl Iterator<Item = Self> {
        let end = run.address + run.length_bytes;
        let mut at = run.address;
        std::iter::from_fn(move || {
            let line = at - at % LINE_BYTES;
            let part_end = end.min(line + LINE_BYTES);
            // CAST: within a line.
            let part = Self {
                line,
                first: (at - line) as usize,
                len: (part_end - at) as usize,
            };
            at = part_end;
            (part.len > 0).then_some(part)
        })
    }
}

impl Cache {
    pub(super) fn holds(&self, line: u64) -> bool {
        self.lines.contains_key(&line)
    }

    /// Gets a line from memory unless it is here; false if there is no memory.
    pub(super) fn fill(&mut self, memory: &mut Memory, line: u64) -> bool {
        if self.holds(line) {
            return true;
        }
        let Some((frame, at)) = memory.frame(line) else {
            return false;
        };
        let mut filled = Line {
            bytes: [0; LINE],
            stamps: [Stamp::ZEROED; LINE],
            is_dirty: false,
        };
        filled.bytes.copy_from_slice(&frame.bytes[at..at + LINE]);
        filled.stamps.copy_from_slice(&frame.stamps[at..at + LINE]);
        self.lines.insert(line, filled);
        true
    }

    /// Reads from a line that is here.
    pub(super) fn read(&self, part: Part, bytes: &mut [u8], stamps: &mut [Stamp]) {
        if let Some(line) = self.lines.get(&part.line) {
            bytes.copy_from_slice(&line.bytes[part.first..part.first + part.len]);
            stamps.copy_from_slice(&line.stamps[part.first..part.first + part.len]);
        }
    }

    /// Writes to a line that is here; `is_dirty` if memory does not get the same.
    pub(super) fn write(&mut self, part: Part, bytes: &[u8], stamp: Stamp, is_dirty: bool) {
        if let Some(line) = self.lines.get_mut(&part.line) {
            let places = part.first..part.first + part.len;
            line.bytes[places.clone()].copy_from_slice(bytes);
            line.stamps[places].fill(stamp);
            line.is_dirty |= is_dirty;
        }
    }

    /// Brings what was written to memory.
    pub(super) fn clean(&mut self, memory: &mut Memory, writes: &mut Writes, run: PhysicalRun, how: &str) {
        for (address, line) in self.lines.range_mut(lines_of(run)) {
            if let Some((frame, at)) = memory.frame(*address) {
                line.write_back(frame, at, writes, how);
            }
        }
    }

    /// Forgets lines, with what was written to them; lines that are only partly in the run are cleaned first.
    pub(super) fn invalidate(
        &mut self,
        memory: &mut Memory,
        writes: &mut Writes,
        run: PhysicalRun,
        how: &str,
    ) {
        let end = run.address + run.length_bytes;
        let lines: Vec<u64> = self
            .lines
            .range(lines_of(run))
            .map(|(address, _)| *address)
            .collect();
        for address in lines {
            if address < run.address || address + LINE_BYTES > end {
                self.clean(
                    memory,
                    writes,
                    PhysicalRun {
                        address,
                        length_bytes: LINE_BYTES,
                    },
                    how,
                );
            }
            let (Some(line), Some((frame, at))) = (self.lines.remove(&address), memory.frame(address)) else {
                continue;
            };
            for byte in (0..LINE).filter(|_| line.is_dirty) {
                let (stamp, place) = (line.stamps[byte], at + byte);
                if stamp == frame.latest[place] && stamp != frame.stamps[place] {
                    writes.lose(stamp, || format!("{how} threw it away").into());
                }
            }
        }
    }

    /// Forgets lines whose memory is gone.
    pub(super) fn purge(&mut self, run: PhysicalRun) {
        self.lines.retain(|address, _| !lines_of(run).contains(address));
    }
}

impl Line {
    fn write_back(&mut self, frame: &mut Frame, at: usize, writes: &mut Writes, how: &str) {
        if !std::mem::take(&mut self.is_dirty) {
            return;
        }
        for byte in 0..LINE {
            let there = frame.stamps[at + byte];
            if there != self.stamps[byte] && there == frame.latest[at + byte] {
                writes.lose(there, || format!("{how} wrote older bytes over it").into());
            }
        }
        frame.bytes[at..at + LINE].copy_from_slice(&self.bytes);
        frame.stamps[at..at + LINE].copy_from_slice(&self.stamps);
    }
}

/// The addresses of the lines that a run touches.
fn lines_of(run: PhysicalRun) -> std::ops::Range<u64> {
    let first = run.address - run.address % LINE_BYTES;
    first..run.address + run.length_bytes
}
