//! Recordings that run out of room.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use std::process::Command;

use recorder::report::Role;
use recorder::size::Size;
use support::run::{Ended, PROGRAM, Recorder};
use support::y4m::Kind;
use support::{ffmpeg, y4m};
use wharf_testkit::Rng;

/// Room for one fragment of the file, and not for all of them.
const ROOM_KIB: u32 = 100;

/// A file whose pictures cannot be packed well: about 40 KiB in half a second, four times over.
fn input() -> Vec<u8> {
    let size = Size::new(96, 96).unwrap();
    let mut rng = Rng::new(1);
    let mut noise = |column: usize, row: usize| match (column, row) {
        (0..80, 0..80) => rng.next_u64().to_le_bytes()[0],
        _ => 128,
    };
    let mut frame = || {
        let mut pixels: Vec<u8> = (0..96 * 96).map(|index| noise(index % 96, index / 96)).collect();
        pixels.resize(size.picture_bytes(), 128);
        pixels
    };
    let frames: Vec<Vec<u8>> = (0..60).map(|_| frame()).collect();
    y4m::stream(size, Kind::Yuv420, &frames)
}

fn recorder(wrapper: &[&str]) -> Recorder {
    let arguments = ["--input", "../in.y4m", "--record-after", "0", "--json"];
    Recorder::through(&[wrapper, &[PROGRAM]].concat(), &arguments).with_file("../in.y4m", input())
}

/// Checks a run whose recording failed half-way for a reason, and whose preview went on.
fn check_half_recording(ended: &Ended, reason: &str) {
    let complaint = ended.complaint(1);
    assert!(
        complaint.contains(reason) && complaint.contains("frames are lost"),
        "{complaint}"
    );
    let report = ended.report();
    assert_eq!(report.problems, [complaint]);
    let viewer = &report.consumers[0];
    let captured = report.camera.unwrap().frames_captured;
    assert!(viewer.frames_used > report.recordings[0].frames, "{report:?}");
    assert!(captured > report.recordings[0].frames, "{report:?}");
    if ffmpeg::available() {
        let (frames, complaints) = ffmpeg::count_frames(&ended.path("recording.mp4"));
        assert_eq!((frames, complaints.as_str()), (report.recordings[0].frames, ""));
        assert!(frames > 0);
    }
}

#[test]
fn full_disk_ends_the_recording_and_not_the_preview() {
    let may_mount = Command::new("unshare")
        .args(["-Urm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !may_mount {
        return wharf_testkit::skip("no full disk: a small file system cannot be mounted with unshare");
    }
    let script = format!(
        "mkdir disk && mount -t tmpfs -o size={ROOM_KIB}k tmpfs disk || exit 99
        \"$0\" --output disk/recording.mp4 \"$@\"; code=$?; cp disk/recording.mp4 .; umount disk; rmdir disk; exit $code"
    );
    let ended = recorder(&["unshare", "-Urm", "sh", "-c", &script]).run();
    check_half_recording(&ended, "No space left on device");
}

#[test]
fn file_size_limit_ends_the_recording_and_not_the_preview() {
    let script = format!("ulimit -f {ROOM_KIB}; exec \"$0\" \"$@\"");
    let ended = recorder(&["bash", "-c", &script]).run();
    check_half_recording(&ended, "File too large");
}

#[test]
fn device_that_is_always_full_gets_no_recording() {
    let ended = Recorder::new(&[
        "--size",
        "64x64",
        "--seconds",
        "1",
        "--record-after",
        "0.3",
        "--json",
        "--output",
        "/dev/full",
    ])
    .run();
    assert!(
        ended.complaint(1).contains("No space left on device"),
        "{}",
        ended.stderr
    );
    let report = ended.report();
    assert!(report.recordings.is_empty());
    assert!(
        report
            .dropped
            .iter()
            .any(|drop| drop.by == Role::Encoder && drop.frames > 0),
        "{report:?}"
    );
    assert!(
        report.consumers[0].frames_used > report.consumers[1].frames_received,
        "the preview went on"
    );
}
