//! Whole runs with Y4M input.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};

use recorder::picture::{Picture, Plane};
use recorder::size::Size;
use recorder::testcard::TestCard;
use support::run::Recorder;
use support::y4m::Kind;
use support::{card, ffmpeg, y4m};

/// A file with test cards number 0 to `count`.
fn cards(size: Size, count: u64) -> Vec<u8> {
    let (card, mut picture) = (TestCard::new(size), Picture::black(size));
    let frames: Vec<Vec<u8>> = (0..count)
        .map(|frame| {
            card.draw(frame, &mut picture).unwrap();
            picture.as_bytes().to_vec()
        })
        .collect();
    y4m::stream(size, Kind::Yuv420, &frames)
}

fn size() -> Size {
    Size::new(128, 96).unwrap()
}

#[test]
fn file_is_recorded_frame_by_frame() {
    let ended = Recorder::new(&["--input", "in.y4m", "--record-after", "0", "--json"])
        .with_file("in.y4m", cards(size(), 40))
        .run();
    let report = ended.good_report();
    assert_eq!(report.camera.unwrap().frames_captured, 40);
    let recording = &report.recordings[0];
    assert_eq!((recording.frames, recording.first_frame), (40, Some(0)));
    if ffmpeg::available() {
        let times = ffmpeg::frame_times(&ended.path("recording.mp4"));
        let is_even = |(index, time): (u32, &f64)| (time - f64::from(index) / 30.0).abs() < 1e-3;
        assert!((0..).zip(&times).all(is_even), "the file's own times: {times:?}");
        assert_eq!(times.len(), 40);
    }
}

#[test]
fn late_joiner_gets_every_frame_from_the_one_it_joined_at() {
    let ended = Recorder::new(&["--input", "in.y4m", "--record-after", "0.5", "--json"])
        .with_file("in.y4m", cards(size(), 45))
        .run();
    let report = ended.good_report();
    let recording = &report.recordings[0];
    let first = recording.first_frame.unwrap();
    assert!((15..45).contains(&first), "frame {first} is the first");
    assert_eq!(recording.frames, 45 - first);
    if ffmpeg::available() {
        let pictures = ffmpeg::decode(&ended.path("recording.mp4"));
        let luma_bytes = size().plane_bytes(Plane::Luma);
        let numbers: Vec<u64> = pictures
            .chunks(size().picture_bytes())
            .map(|picture| card::frame_number(size(), &picture[..luma_bytes]).into())
            .collect();
        assert_eq!(numbers, (first..45).collect::<Vec<u64>>());
    }
}

#[test]
fn real_looking_pictures_from_a_pipe_keep_at_least_30_db() {
    if !ffmpeg::available() {
        return;
    }
    for source in ["testsrc2", "mandelbrot"] {
        let graph = format!("{source}=size=320x240:rate=30");
        let original = ffmpeg::y4m(&graph, 45, "yuv420p");
        let mut producer = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", &graph, "-frames:v", "45"])
            .args(["-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = producer.stdout.take().unwrap();
        let ended = Recorder::new(&["--input", "-", "--record-after", "0", "--json"])
            .with_file("original.y4m", original)
            .stdin(pipe)
            .run();
        assert!(producer.wait().unwrap().success());
        let report = ended.good_report();
        assert_eq!(report.recordings[0].frames, 45, "{source}");
        let recorded = ended.path("recording.mp4");
        assert_eq!(ffmpeg::count_frames(&recorded), (45, String::new()));
        let (least, _) = ffmpeg::psnr(&recorded, &ended.path("original.y4m"));
        assert!(least >= 30.0, "{source}: {least} dB");
    }
}

#[test]
fn other_chroma_is_converted() {
    for kind in Kind::ALL {
        let frames = vec![vec![100; kind.frame_bytes(size())]; 10];
        let ended = Recorder::new(&["--input", "in.y4m", "--record-after", "0", "--json"])
            .with_file("in.y4m", y4m::stream(size(), kind, &frames))
            .run();
        let report = ended.good_report();
        assert_eq!(report.recordings[0].frames, 10, "{kind:?}");
    }
}

#[test]
fn slow_pipe_loses_nothing() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let run = Recorder::new(&["--input", "-", "--record-after", "0", "--json"])
        .stdin(reader)
        .start();
    let bytes = cards(size(), 12);
    let half = bytes.len() / 2 + 777;
    writer.write_all(&bytes[..half]).unwrap();
    // The other half only comes when the first one has been shown.
    run.wait_for_bytes("recording.mp4", 0);
    writer.write_all(&bytes[half..]).unwrap();
    drop(writer);
    let report = run.wait().good_report();
    assert_eq!((report.recordings[0].frames, report.frames_dropped()), (12, 0));
}

#[test]
fn time_limit_and_rate_of_the_user_come_before_those_of_the_file() {
    let ended = Recorder::new(&[
        "--input",
        "in.y4m",
        "--fps",
        "60",
        "--seconds",
        "0.5",
        "--record-after",
        "0",
        "--json",
    ])
    .with_file("in.y4m", cards(size(), 90))
    .run();
    let report = ended.good_report();
    assert_eq!(report.frame_rate, "60");
    assert_eq!(
        (report.recordings[0].frames, report.recordings[0].seconds),
        (30, 0.5)
    );
}

#[test]
fn what_is_not_kept_is_warned_about() {
    let mut bytes = b"YUV4MPEG2 W64 H64 F30:1 It A4:3\n".to_vec();
    bytes.extend_from_slice(b"FRAME\n");
    bytes.resize(bytes.len() + 64 * 64 * 3 / 2, 128);
    let ended = Recorder::new(&["--input", "in.y4m", "--json"])
        .with_file("in.y4m", bytes)
        .run();
    assert!(ended.status.success());
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("recorder: warning: input "))
    );
    ended.report();
}

#[test]
fn input_that_is_also_the_output_is_not_destroyed() {
    let bytes = cards(size(), 3);
    for arguments in [
        &["--input", "in.y4m", "--output", "in.y4m"][..],
        &["--input", "-", "--output", "./in.y4m"],
    ] {
        let recorder = Recorder::new(arguments).with_file("in.y4m", &bytes);
        let stdin = File::open(recorder.path("in.y4m")).unwrap();
        let ended = recorder.stdin(stdin).run();
        assert!(ended.complaint(1).contains("it is the input"), "{}", ended.stderr);
        assert_eq!(fs::read(ended.path("in.y4m")).unwrap(), bytes);
    }
}

#[test]
fn truncated_file_is_recorded_as_far_as_it_goes() {
    let mut bytes = cards(size(), 20);
    bytes.truncate(bytes.len() - 100);
    let ended = Recorder::new(&["--input", "in.y4m", "--record-after", "0", "--json"])
        .with_file("in.y4m", bytes)
        .run();
    let complaint = ended.complaint(1);
    assert!(complaint.contains("cut off inside frame 19"), "{complaint}");
    assert_eq!(ended.report().problems, [complaint]);
    if ffmpeg::available() {
        assert_eq!(
            ffmpeg::count_frames(&ended.path("recording.mp4")),
            (19, String::new())
        );
    }
}
