//! The crates `dma-heap` and `dma-buf` of the registry: allocate, map, write and read between brackets.

use std::os::fd::AsFd;
use std::process::Command;

use dma_buf::DmaBuf;
use dma_heap::{Heap, HeapKind};

use crate::support::run;
use crate::{machine_has, under_wharf};

/// What [`program`] is called by the test harness.
const PROGRAM: &str = "crates::program";

/// What it prints.
const PRINTED: &str =
    "12288 bytes, 12288 zeros; then 12288 of 7; a copy too: 12288 of 7\nno heap of another name: true\n";

/// This file's program, as a command.
fn command() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", PROGRAM, "--ignored", "--nocapture", "--quiet"]);
    command
}

fn count(bytes: &[u8], value: u8) -> usize {
    bytes.iter().filter(|byte| **byte == value).count()
}

#[test]
#[ignore = "the program that the tests below run"]
fn program() {
    let heap = Heap::new(HeapKind::Cma).unwrap();
    let file = heap.allocate(10_000).unwrap();
    let copy = file.as_fd().try_clone_to_owned().unwrap();
    let mut mapped = DmaBuf::from(file).memory_map().unwrap();
    let counted = |value: u8| move |bytes: &[u8], _: Option<()>| Ok((bytes.len(), count(bytes, value)));
    let (size, zeros) = mapped.read(counted(0), None).unwrap();
    let fill = |bytes: &mut [u8], value: Option<u8>| {
        bytes.fill(value.unwrap_or_default());
        Ok(())
    };
    mapped.write(fill, Some(7)).unwrap();
    let (_, sevens) = mapped.read(counted(7), None).unwrap();
    drop(mapped);
    let again = DmaBuf::from(copy).memory_map().unwrap();
    let (_, copied) = again.read(counted(7), None).unwrap();
    println!("\n{size} bytes, {zeros} zeros; then {sevens} of 7; a copy too: {copied} of 7");
    let other = Heap::new(HeapKind::Custom("/dev/dma_heap/other".into()));
    let absent = other.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    println!("no heap of another name: {absent}");
}

#[test]
fn buffers_are_allocated_written_and_read() {
    let ended = run(under_wharf(&["--heap", "linux,cma"], &command()));
    assert!(
        ended.status.success() && ended.stdout.contains(PRINTED),
        "{ended:?}"
    );
}

#[test]
fn without_wharf_there_is_no_heap() {
    if machine_has("/dev/dma_heap/linux,cma") {
        return;
    }
    let ended = run(command());
    assert_eq!(ended.status.code(), Some(101), "{ended:?}");
}
