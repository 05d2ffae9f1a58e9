//! A buffer in two views, without a kernel behind it: cases, and beside a [`model`].

mod model;

use std::cell::RefCell;

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
