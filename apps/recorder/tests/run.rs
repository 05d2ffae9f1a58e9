//! Whole runs with the test card.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use recorder::picture::Plane;
use recorder::report::{Report, Role};
use recorder::size::Size;
use rustix::process::Signal;
use std::path::Path;
use support::run::Recorder;
use support::{card, ffmpeg};

/// The frame numbers that a recording of test cards shows.
fn numbers(path: &Path, size: Size) -> Vec<u64> {
    let pictures = ffmpeg::decode(path);
    let luma_bytes = size.plane_bytes(Plane::Luma);
    pictures
        .chunks(size.picture_bytes())
        .map(|picture| u64::from(card::frame_number(size, &picture[..luma_bytes])))
        .collect()
}

fn captured(report: &Report) -> u64 {
    report.camera.unwrap().frames_captured
}

fn dropped_by(report: &Report, role: Role) -> u64 {
    let drops = report.dropped.iter().filter(|drop| drop.by == role);
    drops.map(|drop| drop.frames).sum()
}

#[test]
fn recording_from_the_start_has_every_frame_that_was_captured() {
    let ended = Recorder::new(&[
        "--size",
        "128x96",
        "--seconds",
        "2",
        "--record-after",
        "0",
        "--json",
    ])
    .run();
    let report = ended.good_report();
    assert_eq!(
        (report.size.as_str(), report.frame_rate.as_str()),
        ("128x96", "30")
    );
    assert_eq!(report.wharf_copied_bytes(), 0);
    let [recording] = &report.recordings[..] else {
        panic!("{report:?}");
    };
    let lost = dropped_by(&report, Role::Camera) + dropped_by(&report, Role::Encoder);
    assert_eq!(captured(&report) + lost, 60, "two seconds at 30 frames a second");
    assert_eq!(recording.frames, captured(&report));
    assert_eq!(
        recording.bytes,
        ended.path("recording.mp4").metadata().unwrap().len()
    );
    if ffmpeg::available() {
        let path = ended.path("recording.mp4");
        assert_eq!(ffmpeg::count_frames(&path), (recording.frames, String::new()));
        let numbers = numbers(&path, Size::new(128, 96).unwrap());
        assert_eq!(numbers[0], recording.first_frame.unwrap());
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    }
}

#[test]
fn every_frame_is_accounted_for_at_every_process() {
    let ended = Recorder::new(&[
        "--size",
        "64x64",
        "--seconds",
        "2",
        "--record-after",
        "0.5",
        "--json",
    ])
    .run();
    let report = ended.good_report();
    let [viewer, encoder] = &report.consumers[..] else {
        panic!("{report:?}");
    };
    assert_eq!((viewer.role, encoder.role), (Role::Viewer, Role::Encoder));
    assert_eq!(
        viewer.frames_received + dropped_by(&report, Role::Viewer),
        captured(&report)
    );
    assert_eq!(viewer.frames_used, viewer.frames_received);
    assert_eq!(encoder.frames_received, report.recordings[0].frames);
    assert_eq!(encoder.latency.count, encoder.frames_received);
    let roles: Vec<Role> = report.processes.iter().map(|process| process.role).collect();
    assert_eq!(roles, [Role::Recorder, Role::Camera, Role::Viewer, Role::Encoder]);
    for process in &report.processes {
        assert!(process.resident_bytes > 0 && process.open_fds > 0);
        assert_eq!(process.wharf_copied_bytes, 0);
    }
    let size = Size::new(64, 64).unwrap();
    let copied = u64::try_from(size.picture_bytes()).unwrap() * encoder.frames_received;
    assert_eq!(
        report.own_copied_bytes(),
        copied,
        "the encoder's own copies are told apart"
    );
}

#[test]
fn table_is_printed_and_nothing_else() {
    let ended = Recorder::new(&["--size", "64x64", "--seconds", "0.5", "--record-after", "0"]).run();
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{}",
        ended.stderr
    );
    for part in [
        "video    64x64 at 30 frames/s for 0.5 s\n",
        "frames   ",
        "latency  viewer",
        "copied   0 bytes of frames by Wharf",
        "in use   recorder",
        "file     recording.mp4: ",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    assert!(!ended.stdout.contains('\x1b') && !ended.stdout.contains("problem"));
    assert_eq!(ended.files(), ["recording.mp4"]);
}

#[test]
fn run_without_viewer_and_recording_leaves_no_file() {
    let ended = Recorder::new(&[
        "--size",
        "64x64",
        "--seconds",
        "0.3",
        "--record-after",
        "9",
        "--no-view",
        "--json",
    ])
    .run();
    let report = ended.good_report();
    assert!(report.consumers.is_empty() && report.recordings.is_empty());
    assert_eq!(captured(&report) + report.frames_dropped(), 9);
    assert_eq!(ended.files(), Vec::<String>::new());
}

#[test]
fn several_viewers_watch_the_same_frames() {
    let ended = Recorder::new(&["--size", "64x64", "--seconds", "1", "--viewers", "3", "--json"]).run();
    let report = ended.good_report();
    assert_eq!(report.consumers.len(), 3);
    let received: u64 = report.consumers.iter().map(|viewer| viewer.frames_received).sum();
    assert_eq!(
        received + dropped_by(&report, Role::Viewer),
        3 * captured(&report)
    );
}

#[test]
fn signal_ends_the_run_in_order() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let run = Recorder::new(&[
            "--size",
            "64x64",
            "--seconds",
            "600",
            "--record-after",
            "0",
            "--json",
        ])
        .start();
        run.wait_for_bytes("recording.mp4", 2000);
        run.signal_director(signal);
        let ended = run.wait();
        let report = ended.good_report();
        assert_eq!(report.recordings[0].frames, captured(&report), "{signal:?}");
        if ffmpeg::available() {
            let counted = ffmpeg::count_frames(&ended.path("recording.mp4"));
            assert_eq!(counted, (captured(&report), String::new()));
        }
    }
}

#[test]
fn children_leave_signals_of_the_terminal_to_the_director() {
    let run = Recorder::new(&[
        "--size",
        "64x64",
        "--seconds",
        "1.5",
        "--record-after",
        "0",
        "--json",
    ])
    .start();
    run.wait_for_bytes("recording.mp4", 1);
    for role in ["camera", "viewer", "encoder"] {
        run.signal(role, Signal::INT);
        run.signal(role, Signal::TERM);
    }
    let report = run.wait().good_report();
    assert_eq!(
        captured(&report) + dropped_by(&report, Role::Encoder) + dropped_by(&report, Role::Camera),
        45
    );
}

#[test]
fn interruption_before_the_first_frame_ends_everything() {
    // Nothing ever comes through this pipe, so the camera waits for its header.
    let (reader, _writer) = std::io::pipe().unwrap();
    let run = Recorder::new(&["--input", "-", "--json"]).stdin(reader).start();
    run.process("camera");
    run.signal_director(Signal::INT);
    let ended = run.wait();
    assert_eq!(ended.complaint(1), "ended before the first frame");
    assert_eq!((ended.stdout.as_str(), ended.files()), ("", vec![]));
}

#[test]
fn report_that_cannot_be_printed_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = Recorder::new(&["--size", "64x64", "--seconds", "0.3", "--no-view"])
        .stdout(full)
        .run();
    assert!(
        ended.complaint(1).starts_with("cannot print the report"),
        "{}",
        ended.stderr
    );
}
