//! What the kernel sees of the frames: nothing.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use support::processes::{bytes_through_the_kernel, shared_memory_bytes};
use support::run::{Recorder, Run};

/// Bytes of one frame.
const FRAME_BYTES: u64 = 640 * 480 * 3 / 2;

#[test]
fn no_byte_of_a_frame_is_read_or_written_by_a_system_call() {
    let run = Recorder::new(&[
        "--size",
        "640x480",
        "--seconds",
        "2.5",
        "--record-after",
        "9",
        "--json",
    ])
    .start();
    let (camera, viewer) = (run.process("camera"), run.process("viewer"));
    let has_frames = |_: &Run| (shared_memory_bytes(camera) > FRAME_BYTES / 2).then_some(());
    run.eventually("frames in the camera", has_frames);
    let before = [camera, viewer].map(bytes_through_the_kernel);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let after = [camera, viewer].map(bytes_through_the_kernel);
    let report = run.wait().good_report();
    assert!(
        report.camera.unwrap().frames_captured > 20 && report.consumers[0].frames_used > 20,
        "{report:?}"
    );
    for (role, (before, after)) in ["camera", "viewer"].iter().zip(before.iter().zip(after)) {
        let bytes = after - before;
        assert!(bytes < FRAME_BYTES / 10, "the {role} moved {bytes} bytes");
    }
}
