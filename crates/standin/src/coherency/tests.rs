//! A buffer in two views against a model: a cache that writes back when it is told to, beside RAM.

use std::cell::RefCell;

use proptest::prelude::*;
use rustix::io::Errno;

use super::brackets::{Brackets, HasReaders};
use super::call::Call;
use super::finding::Kind;
use super::page::{Filling, LINE, PAGE, Step, Transfer};
use super::store::Store;
use super::view::View;

const READ: u32 = 1;
const WRITE: u32 = 2;
const RW: u32 = 3;
const END: u32 = 4;
/// More pages than are read at once, so that some are not even looked at.
const SIZE: usize = 20 * PAGE;

struct Memory(RefCell<Vec<u8>>);

impl Store for Memory {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Errno> {
        let at = at as usize;
        into.copy_from_slice(&self.0.borrow()[at..at + into.len()]);
        Ok(())
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        let at = at as usize;
        self.0.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn next_data(&self, at: u64) -> u64 {
        let memory = self.0.borrow();
        let mut pages = memory.chunks(PAGE).skip(at as usize / PAGE);
        let data = pages.position(|page| *page != [0; PAGE]);
        data.map_or(u64::MAX, |pages| at + (pages * PAGE) as u64)
    }
}

/// A buffer without a kernel behind it.
struct Buffer {
    cache: Memory,
    ram: Memory,
    view: View,
    brackets: Brackets,
}

impl Buffer {
    fn new() -> Self {
        let zeros = || Memory(RefCell::new(vec![0; SIZE]));
        Self {
            cache: zeros(),
            ram: zeros(),
            view: View::new(SIZE as u64),
            brackets: Brackets::default(),
        }
    }

    fn sync_by(&mut self, thread: u32, flags: u32) -> Vec<Kind> {
        let call = Call {
            flags,
            fd: 3,
            process: 1,
            thread,
            name: "test".to_owned(),
            place: String::new(),
        };
        let met = self.brackets.meet(call);
        let seen = self.view.pass((&self.cache, &self.ram), met.step).unwrap();
        met.judge(seen).into_iter().map(|finding| finding.kind).collect()
    }

    fn sync(&mut self, flags: u32) -> Vec<Kind> {
        self.sync_by(1, flags)
    }

    fn cpu_writes(&self, at: usize, bytes: &[u8]) {
        self.cache.write(at as u64, bytes).unwrap();
    }

    fn device_writes(&self, at: usize, bytes: &[u8]) {
        self.ram.write(at as u64, bytes).unwrap();
    }

    fn cpu_reads(&self, at: usize) -> u8 {
        self.cache.0.borrow()[at]
    }

    fn device_reads(&self, at: usize) -> u8 {
        self.ram.0.borrow()[at]
    }

    fn end(&mut self) -> Vec<Kind> {
        let look = Step {
            transfer: Transfer::Nothing,
            filling: Filling::Stays,
        };
        let seen = self.view.pass((&self.cache, &self.ram), look).unwrap();
        let findings = self.brackets.judge_end(seen, HasReaders::Yes);
        findings.into_iter().map(|finding| finding.kind).collect()
    }
}

#[test]
fn brackets_move_data_both_ways() {
    let mut buffer = Buffer::new();
    assert_eq!(buffer.sync(WRITE), []);
    buffer.cpu_writes(100, &[7]);
    assert_eq!(buffer.device_reads(100), 0, "not before the end");
    assert_eq!(buffer.sync(WRITE | END), []);
    assert_eq!(buffer.device_reads(100), 7);
    buffer.device_writes(5000, &[8]);
    assert_eq!(buffer.cpu_reads(5000), 0, "not before the start");
    assert_eq!(buffer.sync(READ), []);
    assert_eq!(buffer.cpu_reads(5000), 8);
    assert_eq!(buffer.sync(READ | END), []);
    assert_eq!(buffer.end(), []);
}

#[test]
fn writes_without_a_bracket_are_lost_at_the_next_start_for_reading() {
    let mut buffer = Buffer::new();
    buffer.cpu_writes(0, &[1]);
    assert_eq!(buffer.sync(RW), [Kind::WrittenOutside]);
    assert_eq!(buffer.cpu_reads(0), 0);
    buffer.sync(RW | END);
    buffer.cpu_writes(0, &[2]);
    assert_eq!(buffer.sync(WRITE), [Kind::WrittenOutside]);
    assert_eq!(buffer.cpu_reads(0), 2, "nothing is brought in");
    assert_eq!(buffer.sync(WRITE | END), []);
    assert_eq!(buffer.device_reads(0), 2, "it was still in the cache");
    buffer.cpu_writes(0, &[3]);
    assert_eq!(buffer.end(), [Kind::WrittenOutside]);
}

#[test]
fn writes_in_a_bracket_for_reading_are_lost() {
    let mut buffer = Buffer::new();
    buffer.sync(READ);
    buffer.cpu_writes(9, &[1]);
    assert_eq!(buffer.sync(READ | END), [Kind::WrittenWhileReading]);
    assert_eq!(buffer.device_reads(9), 0);
    assert_eq!(buffer.sync(READ), []);
    assert_eq!(buffer.cpu_reads(9), 0);
    buffer.cpu_writes(9, &[2]);
    assert_eq!(buffer.end(), [Kind::NeverEnded, Kind::WrittenWhileReading]);
}

#[test]
fn calls_that_do_not_belong_together_are_told() {
    let mut buffer = Buffer::new();
    buffer.cpu_writes(0, &[1]);
    assert_eq!(buffer.sync(WRITE | END), [Kind::EndWithoutStart]);
    assert_eq!(buffer.device_reads(0), 1);
    assert_eq!(buffer.sync(RW), []);
    buffer.cpu_writes(0, &[2]);
    assert_eq!(buffer.sync(RW), [Kind::StartedTwice]);
    assert_eq!(buffer.cpu_reads(0), 1);
    buffer.cpu_writes(0, &[3]);
    assert_eq!(buffer.sync(READ | END), [Kind::OtherDirection]);
    assert_eq!(buffer.device_reads(0), 1);
    assert_eq!(buffer.sync(READ), []);
    assert_eq!(buffer.sync(RW | END), [Kind::OtherDirection]);
    assert_eq!(buffer.sync(WRITE), []);
    assert_eq!(buffer.end(), [Kind::NeverEnded]);
}

#[test]
fn brackets_of_several_threads_may_overlap() {
    let mut buffer = Buffer::new();
    for (thread, flags) in [(1, READ), (2, READ), (1, READ | END), (2, READ | END)] {
        assert_eq!(buffer.sync_by(thread, flags), []);
    }
    buffer.sync_by(1, WRITE);
    assert_eq!(buffer.sync_by(2, WRITE), []);
    buffer.cpu_writes(0, &[1]);
    buffer.cpu_writes(LINE, &[2]);
    assert_eq!(buffer.sync_by(1, WRITE | END), []);
    assert_eq!(buffer.sync_by(2, WRITE | END), []);
    assert_eq!((buffer.device_reads(0), buffer.device_reads(LINE)), (1, 2));
    buffer.sync_by(1, RW);
    buffer.cpu_writes(0, &[5]);
    assert_eq!(buffer.sync_by(2, READ), [Kind::Discarded]);
    assert_eq!(buffer.cpu_reads(0), 1);
    // What one starts another may end.
    assert_eq!(buffer.sync_by(3, READ | END), []);
    assert_eq!(buffer.sync_by(3, RW | END), []);
    assert_eq!(buffer.end(), []);
}

#[test]
fn device_in_the_way_of_a_bracket_is_told() {
    let mut buffer = Buffer::new();
    buffer.sync(RW);
    buffer.cpu_writes(0, &[1]);
    buffer.device_writes(LINE, &[9]);
    assert_eq!(buffer.sync(RW | END), [Kind::DeviceWrote]);
    assert_eq!(buffer.device_reads(LINE), 9, "it is in another line");
    assert_eq!(buffer.device_reads(0), 1);
    assert_eq!(buffer.end(), [Kind::NeverBroughtIn]);
}

#[test]
fn device_in_the_same_line_loses_what_the_cpu_writes_back() {
    let mut buffer = Buffer::new();
    buffer.sync(RW);
    buffer.cpu_writes(0, &[1]);
    buffer.device_writes(8, &[9]);
    buffer.sync(RW | END);
    assert_eq!(buffer.device_reads(8), 0);
}

#[test]
fn bracket_for_writing_only_reads_nothing_of_a_device() {
    let mut buffer = Buffer::new();
    buffer.device_writes(0, &[4; 16]);
    assert_eq!(buffer.sync(WRITE), []);
    let junk: Vec<u8> = (0..16).map(|at| buffer.cpu_reads(at)).collect();
    assert!(junk.iter().all(|byte| *byte >= 0xa0), "{junk:?}");
    assert_eq!(buffer.cpu_reads(16), 0, "only what was changed");
    buffer.cpu_writes(8, &[1]);
    assert_eq!(buffer.sync(WRITE | END), []);
    assert_eq!(buffer.cpu_reads(0), 0, "stale again");
    assert_eq!(
        (buffer.device_reads(0), buffer.device_reads(8)),
        (0, 1),
        "one line"
    );
    buffer.device_writes(LINE, &[4]);
    buffer.sync(WRITE);
    buffer.sync(WRITE | END);
    assert_eq!(buffer.device_reads(LINE), 4, "nobody wrote over it");
    assert_eq!(buffer.cpu_reads(LINE), 0);
    assert_eq!(buffer.end(), [Kind::NeverBroughtIn]);
}

#[test]
fn what_is_written_again_reaches_the_device_again() {
    let mut buffer = Buffer::new();
    for _ in 0..3 {
        buffer.sync(WRITE);
        buffer.cpu_writes(0, &[1; PAGE]);
        assert_eq!(buffer.sync(WRITE | END), []);
        assert!(buffer.ram.0.borrow()[..PAGE].iter().all(|byte| *byte == 1));
        buffer.device_writes(0, &[2; PAGE]);
    }
}

/// Who does what where: to one line, or to a part of one.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Cpu { line: usize, part: usize, value: u8 },
    Device { line: usize, part: usize, value: u8 },
    Start(u32),
    End,
}

/// Lines at the beginning, around the end of the page, and on the last one.
const LINES: [usize; 4] = [0, PAGE / LINE - 1, PAGE / LINE, SIZE / LINE - 1];
/// Whole words: what is left of one that is written in part may be junk.
const PARTS: [(usize, usize); 4] = [(0, LINE), (0, 8), (8, 16), (32, 8)];

fn range(line: usize, part: usize) -> std::ops::Range<usize> {
    let start = LINES[line] * LINE + PARTS[part].0;
    start..start + PARTS[part].1
}

fn deeds(few_values: bool) -> impl Strategy<Value = Vec<Deed>> {
    let values = if few_values { 0..3_u8 } else { 0..0x7f };
    let write = (0..LINES.len(), 0..PARTS.len(), values);
    let deed = prop_oneof![
        3 => write.clone().prop_map(|(line, part, value)| Deed::Cpu { line, part, value }),
        2 => write.prop_map(|(line, part, value)| Deed::Device { line, part, value }),
        2 => (1..4_u32).prop_map(Deed::Start),
        2 => Just(Deed::End),
    ];
    proptest::collection::vec(deed, 1..60)
}

/// A cache beside RAM: what was written is known, not found out.
struct Model {
    cache: Vec<u8>,
    ram: Vec<u8>,
    /// By line: written and not in RAM.
    dirty: Vec<bool>,
    open: Option<u32>,
    /// Since the last call.
    cpu_wrote: bool,
    device_wrote: bool,
}

impl Model {
    fn new() -> Self {
        Self {
            cache: vec![0; SIZE],
            ram: vec![0; SIZE],
            dirty: vec![false; SIZE / LINE],
            open: None,
            cpu_wrote: false,
            device_wrote: false,
        }
    }

    fn lines(&self) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> + use<> {
        (0..SIZE / LINE).map(|line| (line, line * LINE..(line + 1) * LINE))
    }

    fn start(&mut self, flags: u32) -> Vec<Kind> {
        let mut kinds = Vec::new();
        match self.open {
            Some(_) => kinds.push(Kind::StartedTwice),
            None if self.cpu_wrote => kinds.push(Kind::WrittenOutside),
            None => {}
        }
        if self.cpu_wrote && self.open == Some(READ) {
            kinds.push(Kind::WrittenWhileReading);
        }
        if flags & READ != 0 {
            self.cache.clone_from(&self.ram);
            self.dirty.fill(false);
        }
        self.open = Some(flags);
        (self.cpu_wrote, self.device_wrote) = (false, false);
        kinds
    }

    fn end(&mut self, flags: u32) -> Vec<Kind> {
        let mut kinds = Vec::new();
        if self.cpu_wrote && self.open == Some(READ) {
            kinds.push(Kind::WrittenWhileReading);
        }
        if self.open.is_none() {
            kinds.push(Kind::EndWithoutStart);
        } else if self.device_wrote {
            kinds.push(Kind::DeviceWrote);
        }
        if flags & WRITE != 0 {
            for (line, bytes) in self.lines() {
                if std::mem::take(&mut self.dirty[line]) {
                    self.ram[bytes.clone()].copy_from_slice(&self.cache[bytes]);
                }
            }
        }
        self.open = None;
        (self.cpu_wrote, self.device_wrote) = (false, false);
        kinds
    }

    /// What the CPU has when it ends, if it is right to read.
    fn is_readable(&self) -> bool {
        self.open != Some(WRITE)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever a program does, both see what they would see beside a cache that writes back, and what is told is what is wrong. Each write
    /// writes something new: what was there before is not seen outside of brackets.
    #[test]
    fn any_program_finds_what_the_model_finds(deeds in deeds(false)) {
        let (mut buffer, mut model) = (Buffer::new(), Model::new());
        for (fresh, deed) in (1_u64..).zip(deeds) {
            // No two are alike, and none is like junk.
            let content = |value: u8, range: &std::ops::Range<usize>| -> Vec<u8> {
                let old: Vec<u8> = range.clone().map(|at| model.cache[at] ^ model.ram[at] ^ 0x11).collect();
                old.iter().map(|old| (old ^ value ^ fresh as u8) & 0x7f).collect()
            };
            match deed {
                Deed::Cpu { line, part, value } => {
                    let range = range(line, part);
                    let bytes = content(value, &range);
                    let is_new = range.clone().any(|at| buffer.cpu_reads(at) != bytes[at - range.start]);
                    prop_assume!(is_new && bytes != model.ram[range.clone()]);
                    buffer.cpu_writes(range.start, &bytes);
                    model.cache[range.clone()].copy_from_slice(&bytes);
                    model.dirty[LINES[line]] = true;
                    model.cpu_wrote = true;
                }
                Deed::Device { line, part, value } => {
                    let range = range(line, part);
                    let bytes = content(value, &range);
                    prop_assume!(bytes != model.ram[range.clone()]);
                    buffer.device_writes(range.start, &bytes);
                    model.ram[range].copy_from_slice(&bytes);
                    model.device_wrote = true;
                }
                Deed::Start(flags) => {
                    let (found, expected) = (buffer.sync(flags), model.start(flags));
                    prop_assert_eq!(found, expected);
                }
                Deed::End => {
                    let flags = model.open.unwrap_or(RW);
                    let (found, expected) = (buffer.sync(flags | END), model.end(flags));
                    prop_assert_eq!(found, expected);
                }
            }
            prop_assert!(*buffer.ram.0.borrow() == model.ram, "what the device sees");
            if model.is_readable() {
                prop_assert!(*buffer.cache.0.borrow() == model.cache, "what the CPU sees");
            }
        }
    }

    /// A program whose brackets are right sees what it would see with one memory only, even if it writes what was there before; and nothing is told.
    #[test]
    fn right_brackets_are_coherent(deeds in deeds(true)) {
        let mut buffer = Buffer::new();
        let mut memory = vec![0; SIZE];
        let mut open = None;
        for deed in deeds {
            match deed {
                // Who writes only writes whole lines: a part would be mixed with what is stale.
                Deed::Cpu { line, part, value } if open.is_some_and(|flags| flags & WRITE != 0) => {
                    let range = range(line, if open == Some(WRITE) { 0 } else { part });
                    buffer.cpu_writes(range.start, &vec![value; range.len()]);
                    memory[range].fill(value);
                }
                Deed::Device { line, part, value } if open.is_none() => {
                    let range = range(line, part);
                    buffer.device_writes(range.start, &vec![value; range.len()]);
                    memory[range].fill(value);
                }
                Deed::Start(flags) if open.is_none() => {
                    prop_assert_eq!(buffer.sync(flags), []);
                    open = Some(flags);
                }
                Deed::End => if let Some(flags) = open.take() {
                    prop_assert_eq!(buffer.sync(flags | END), []);
                },
                _ => {}
            }
            if open.is_none() {
                prop_assert!(*buffer.ram.0.borrow() == memory, "what the device sees");
            }
            if open.is_some_and(|flags| flags & READ != 0) {
                prop_assert!(*buffer.cache.0.borrow() == memory, "what the CPU sees");
            }
        }
        if let Some(flags) = open {
            buffer.sync(flags | END);
        }
        let end = buffer.end();
        prop_assert!(end.is_empty() || end == [Kind::NeverBroughtIn], "{:?}", end);
    }
}
