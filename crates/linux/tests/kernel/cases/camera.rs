//! Pictures of a camera.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use wharf_core::{AccessMode, DataDirection, DmaBuf};
use wharf_linux::dma_buf::{ImportedBuffer, KernelBuffer};

use crate::devices::Camera;

/// The environment variable that makes this program the other process.
pub(crate) const OTHER: &str = "WHARF_TEST_READS_STDIN";

/// The sum of all bytes, within a bracket.
fn sum(buffer: &DmaBuf, len_bytes: usize) -> u64 {
    let imported = buffer.exporter::<ImportedBuffer>().unwrap();
    let mut bytes = vec![0; len_bytes];
    let access = buffer.begin_cpu_access(.., DataDirection::FromDevice).unwrap();
    imported.mapping().unwrap().view().copy_to(0, &mut bytes).unwrap();
    access.end().unwrap();
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

/// A picture is imported here and in another process: both read the camera's own memory.
pub(crate) fn picture_is_shared_without_a_copy() {
    let Some(mut camera) = Camera::find() else { return };
    let len_bytes = camera.picture_bytes();
    let files = camera.own_buffers(3);
    (0..3).for_each(|index| camera.fill(index, None));
    camera.start();
    let picture = camera.take();
    assert_eq!(picture.used_bytes, len_bytes);
    let file = &files[picture.index as usize];
    let kernel = KernelBuffer::from_fd(file.try_clone().unwrap()).unwrap();
    assert_eq!(kernel.size_bytes(), (len_bytes as u64).next_multiple_of(4096));
    // The camera gave it away for reading, so that nobody can write it. Contract: S5.
    assert_eq!(kernel.access(), AccessMode::ReadOnly);
    assert_eq!(
        kernel.map(AccessMode::ReadWrite).unwrap_err().errno(),
        Errno::ACCESS
    );
    let buffer = ImportedBuffer::import(kernel.into()).unwrap();
    let here = sum(&buffer, len_bytes);
    assert!(here > 0, "a picture is not black all over");
    assert_eq!(there(file.try_clone().unwrap(), len_bytes), here);
}

/// What another process sees.
fn there(file: OwnedFd, len_bytes: usize) -> u64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "picture_of_another_process", "--nocapture"]);
    command.env(OTHER, len_bytes.to_string()).stdin(Stdio::from(file));
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let sum = said
        .lines()
        .find_map(|line| line.split_once("sum ")?.1.parse().ok());
    sum.unwrap_or_else(|| panic!("{said}"))
}

/// Is the other process, if it was started as such.
pub(crate) fn picture_of_another_process() {
    let Some(len_bytes) = std::env::var(OTHER).ok().and_then(|text| text.parse().ok()) else {
        return;
    };
    let file = rustix::io::dup(rustix::stdio::stdin()).unwrap();
    println!("sum {}", sum(&ImportedBuffer::import(file).unwrap(), len_bytes));
}
