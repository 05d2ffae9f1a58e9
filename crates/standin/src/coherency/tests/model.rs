//! A buffer in two views against a model: a cache that writes back when it is told to, beside RAM.

use proptest::prelude::*;

use super::super::finding::Kind;
use super::super::page::{LINE, PAGE};
use super::{Buffer, END, READ, RW, SIZE, WRITE};

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
