//! `picamera2`, the camera library of the Raspberry Pi: its allocator, which takes the heap `linux,cma` and names its buffers.

use std::path::PathBuf;
use std::process::Command;

use wharf_testkit::skip;

use crate::support::run;
use crate::{machine_has, under_wharf};

/// Loads the allocator alone, because the package itself wants a camera, allocates a frame, and draws into it.
const PROGRAM: &str = r#"
import fcntl, importlib.util, mmap, os
package = importlib.util.find_spec("picamera2").submodule_search_locations[0]
spec = importlib.util.spec_from_file_location("dma_heap", os.path.join(package, "dma_heap.py"))
heaps = importlib.util.module_from_spec(spec)
spec.loader.exec_module(heaps)

def bracket(fd, flags):
    fcntl.ioctl(fd, heaps.DMA_BUF_IOCTL_SYNC, heaps.dma_buf_sync(flags))

heap = heaps.DmaHeap()
size = 640 * 480 * 3 // 2
frame = heap.alloc("frame", size)
pixels = mmap.mmap(frame.get(), size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
print("valid:", heap.isValid, frame.isValid(), "bytes:", os.lseek(frame.get(), 0, os.SEEK_END), "zeros:", pixels[:].count(0))
bracket(frame.get(), heaps.DMA_BUF_SYNC_START | heaps.DMA_BUF_SYNC_RW)
pixels[:] = bytes([5]) * size
bracket(frame.get(), heaps.DMA_BUF_SYNC_END | heaps.DMA_BUF_SYNC_RW)
print("fives:", pixels[:].count(5))
try:
    bracket(frame.get(), 8)
except OSError as error:
    print("no such flag:", os.strerror(error.errno))
heap.close()
"#;

/// A Python that has the package: that of `scripts/setup`, or else the system's.
fn python() -> Option<PathBuf> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/venv/bin/python");
    let check = "import importlib.util as u, videodev2, sys; sys.exit(u.find_spec('picamera2') is None)";
    let has_package = |python: &PathBuf| {
        let asked = Command::new(python).args(["-c", check]).output();
        asked.is_ok_and(|output| output.status.success())
    };
    [own.into(), "python3".into()].into_iter().find(has_package)
}

fn command() -> Option<Command> {
    let Some(python) = python() else {
        skip("picamera2 under wharf run: no Python packages picamera2 and videodev2");
        return None;
    };
    let mut command = Command::new(python);
    command.args(["-c", PROGRAM]);
    Some(command)
}

#[test]
fn frames_are_allocated_named_and_drawn() {
    let Some(command) = command() else {
        return;
    };
    let ended = run(under_wharf(&["--heap", "linux,cma"], &command));
    assert_eq!(
        ended.output(),
        "valid: True True bytes: 462848 zeros: 460800\nfives: 460800\nno such flag: Invalid argument\n"
    );
}

#[test]
fn without_wharf_there_is_no_heap() {
    if machine_has("/dev/dma_heap/linux,cma") || machine_has("/dev/dma_heap/vidbuf_cached") {
        return;
    }
    let Some(command) = command() else {
        return;
    };
    let ended = run(command);
    assert!(
        ended.stderr.contains("Could not open any dmaHeap device"),
        "{ended:?}"
    );
}
