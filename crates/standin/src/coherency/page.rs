//! One page in two views.

use std::ops::Range;

use rustix::io::Errno;
use wharf_core::PAGE_BYTES;

use super::bytes::Bytes;
use super::junk::{Junk, WORD};
use super::store::Store;

/// A page, in bytes.
// CAST: a few thousand.
pub(super) const PAGE: usize = PAGE_BYTES as usize;
/// What the cache writes back as a whole, in bytes.
pub(super) const LINE: usize = 64;

/// Lines of a page, a bit each.
type Lines = u64;
const _: () = assert!(PAGE / LINE == Lines::BITS as usize, "a bit for each line");

/// What moves between the views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    Nothing,
    /// From RAM to the cache: invalidation.
    Bring,
    /// From the cache to RAM: what the CPU wrote.
    Clean,
}

/// What becomes of [junk](Junk).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filling {
    Stays,
    /// It is put where the CPU would find something stale; the number makes it different each time.
    Begins(u64),
    /// Where it still is, what was there before comes back.
    Ends,
}

/// What a call does to both views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) transfer: Transfer,
    pub(super) filling: Filling,
}

/// What was found before anything was moved.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Written by the CPU since the last look.
    pub(super) by_cpu: Bytes,
    /// Written by a device since the last look.
    pub(super) by_device: Bytes,
    /// Written by the CPU at any time, and not in RAM.
    pub(super) dirty: Bytes,
    /// Written by a device at any time, and not in the cache.
    pub(super) unseen: Bytes,
}

/// What is known of a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// What the cache was at the last look; nothing: zeros.
    cache: Option<Box<[u8]>>,
    /// What RAM was; nothing: the same.
    ram: Option<Box<[u8]>>,
    /// What the CPU wrote and nothing has moved.
    dirty: Lines,
    /// What a device wrote and nothing has moved.
    unseen: Lines,
    junk: Option<Box<Junk>>,
}

/// The contents of a page that is looked at, and where they are from.
pub(super) struct Contents<'a> {
    /// In bytes from the buffer's beginning.
    pub(super) at: u64,
    pub(super) cache: &'a mut [u8],
    pub(super) ram: &'a mut [u8],
    pub(super) stores: (&'a dyn Store, &'a dyn Store),
}

static ZEROS: [u8; PAGE] = [0; PAGE];

impl Page {
    /// Whether both sides were zeros at the last look, and nothing is to be moved.
    pub(super) fn was_blank(&self) -> bool {
        self.cache.is_none() && self.ram.is_none() && self.is_settled()
    }

    /// Whether both sides were the same at the last look.
    fn is_settled(&self) -> bool {
        self.dirty | self.unseen == 0 && self.junk.is_none()
    }

    /// Looks at both sides, tells what has changed, and moves what is to be moved.
    pub(super) fn pass(&mut self, mut now: Contents<'_>, step: Step, seen: &mut Seen) -> Result<(), Errno> {
        let before = self.cache.as_deref().unwrap_or(&ZEROS);
        let before_ram = self.ram.as_deref().unwrap_or(before);
        if self.is_settled() && *now.cache == *before && *now.ram == *before_ram {
            return Ok(());
        }
        let at = now.at;
        self.dirty |= changes((before, now.cache), Lines::MAX, at, &mut seen.by_cpu);
        self.unseen |= changes((before_ram, now.ram), Lines::MAX, at, &mut seen.by_device);
        self.forget_written_junk(now.cache);
        let both = (&*now.cache, &*now.ram);
        changes(both, self.dirty, at, &mut seen.dirty);
        changes(both, self.unseen & !self.dirty, at, &mut seen.unseen);
        match step.transfer {
            Transfer::Nothing => {}
            Transfer::Bring => self.bring(&mut now)?,
            Transfer::Clean => self.clean(&mut now)?,
        }
        match step.filling {
            Filling::Stays => {}
            Filling::Begins(salt) => self.begin_junk(&mut now, salt)?,
            Filling::Ends => self.end_junk(&mut now)?,
        }
        self.remember(&now);
        Ok(())
    }

    fn remember(&mut self, now: &Contents<'_>) {
        let boxed = |bytes: &[u8]| (*bytes != ZEROS).then(|| bytes.into());
        self.ram = (*now.ram != *now.cache).then(|| (*now.ram).into());
        self.cache = boxed(now.cache);
    }

    /// Where the CPU wrote over junk there is none any more.
    fn forget_written_junk(&mut self, cache: &[u8]) {
        let Some(junk) = &mut self.junk else { return };
        let before = self.cache.as_deref().unwrap_or(&ZEROS);
        let words = before.chunks(WORD).zip(cache.chunks(WORD));
        for (word, _) in words.enumerate().filter(|(_, (before, now))| before != now) {
            junk.forget(word);
        }
    }

    /// The cache gets what RAM has.
    fn bring(&mut self, now: &mut Contents<'_>) -> Result<(), Errno> {
        let differs = |line: &usize| now.cache[in_line(*line)] != now.ram[in_line(*line)];
        let lines: Vec<usize> = (0..PAGE / LINE).filter(differs).collect();
        for run in runs(&lines, LINE) {
            now.stores
                .0
                .write(now.at + run.start as u64, &now.ram[run.clone()])?;
            now.cache[run.clone()].copy_from_slice(&now.ram[run]);
        }
        (self.dirty, self.unseen, self.junk) = (0, 0, None);
        Ok(())
    }

    /// RAM gets what the CPU wrote, in whole lines: what the CPU left alone in them is what it was before.
    fn clean(&mut self, now: &mut Contents<'_>) -> Result<(), Errno> {
        let lines: Vec<usize> = (0..PAGE / LINE)
            .filter(|line| self.dirty & 1 << line != 0)
            .collect();
        let words = lines
            .iter()
            .flat_map(|line| line * LINE / WORD..(line + 1) * LINE / WORD);
        self.restore(now, words)?;
        for run in runs(&lines, LINE) {
            now.stores
                .1
                .write(now.at + run.start as u64, &now.cache[run.clone()])?;
            now.ram[run.clone()].copy_from_slice(&now.cache[run]);
        }
        self.unseen &= !self.dirty;
        self.dirty = 0;
        Ok(())
    }

    /// Fills the words that a device has written and the CPU has not.
    fn begin_junk(&mut self, now: &mut Contents<'_>, salt: u64) -> Result<(), Errno> {
        let lines = self.unseen & !self.dirty;
        let is_stale = |word: &usize| {
            let bytes = word * WORD..(word + 1) * WORD;
            lines & 1 << (word * WORD / LINE) != 0 && now.cache[bytes.clone()] != now.ram[bytes]
        };
        let stale = (0..PAGE / WORD).filter(is_stale);
        let is_filled = |word: &usize| self.junk.as_ref().is_some_and(|junk| junk.has(*word));
        let words: Vec<usize> = stale.filter(|word| !is_filled(word)).collect();
        if words.is_empty() {
            return Ok(());
        }
        let junk = self.junk.get_or_insert_with(|| Box::new(Junk::of(now.cache)));
        for word in &words {
            junk.fill(now.cache, *word, now.at, salt);
        }
        now.write_cache(&words)
    }

    fn end_junk(&mut self, now: &mut Contents<'_>) -> Result<(), Errno> {
        self.restore(now, 0..PAGE / WORD)?;
        self.junk = None;
        Ok(())
    }

    /// Those of `words` that are junk are again what they were.
    fn restore(&mut self, now: &mut Contents<'_>, words: impl Iterator<Item = usize>) -> Result<(), Errno> {
        let Some(junk) = &mut self.junk else {
            return Ok(());
        };
        let filled: Vec<usize> = words.filter(|word| junk.has(*word)).collect();
        for word in &filled {
            junk.restore(now.cache, *word);
        }
        now.write_cache(&filled)
    }
}

impl Contents<'_> {
    /// Writes these words of the cache as they are here.
    fn write_cache(&self, words: &[usize]) -> Result<(), Errno> {
        for run in runs(words, WORD) {
            self.stores
                .0
                .write(self.at + run.start as u64, &self.cache[run])?;
        }
        Ok(())
    }
}

fn in_line(line: usize) -> Range<usize> {
    line * LINE..(line + 1) * LINE
}

/// Finds the lines, of `lines`, in which two contents of a page differ, and notes from the first to the last byte of each.
fn changes((before, now): (&[u8], &[u8]), lines: Lines, at: u64, bytes: &mut Bytes) -> Lines {
    let mut changed = 0;
    if lines == 0 || before == now {
        return changed;
    }
    for line in (0..PAGE / LINE).filter(|line| lines & 1 << line != 0) {
        let pairs = || before[in_line(line)].iter().zip(&now[in_line(line)]);
        let Some(first) = pairs().position(|(before, now)| before != now) else {
            continue;
        };
        let last = pairs().rposition(|(before, now)| before != now).unwrap_or(first);
        let start = at + (line * LINE) as u64;
        bytes.add(start + first as u64..start + last as u64 + 1);
        changed |= 1 << line;
    }
    changed
}

/// Rising numbers of units of so many bytes as ranges of bytes, neighbours together.
fn runs(units: &[usize], unit: usize) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for index in units {
        let bytes = index * unit..(index + 1) * unit;
        match runs.last_mut() {
            Some(last) if last.end == bytes.start => last.end = bytes.end,
            _ => runs.push(bytes),
        }
    }
    runs
}
