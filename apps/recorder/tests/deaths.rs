//! Processes that are killed in the middle of a run. The moment is random; `WHARF_TEST_SEED` brings it back.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use recorder::report::{Dropped, Report, Role};
use rustix::process::Signal;
use support::ffmpeg;
use support::run::{Ended, Recorder, Run};
use wharf_testkit::Rng;

/// How often each process is killed.
const KILLS: usize = 5;
/// Length of a run in seconds, and how many frames are due in that time.
const SECONDS: &str = "1.5";
const FRAMES: u64 = 45;

fn start(seconds: &str, more: &[&str]) -> Run {
    let usual = [
        "--size",
        "64x64",
        "--record-after",
        "0",
        "--json",
        "--seconds",
        seconds,
    ];
    Recorder::new(&[&usual[..], more].concat()).start()
}

/// Kills a process at a random moment of its first second.
fn kill(run: &Run, role: &str, rng: &mut Rng) {
    let pid = run.process(role);
    sleep(rng.duration_up_to(Duration::from_millis(1000)));
    support::processes::signal(pid, Signal::KILL);
}

/// Checks a file against what the report says of it, if it is there.
fn check_file(ended: &Ended, report: &Report) {
    let path = ended.path("recording.mp4");
    let Some(recording) = report.recordings.first() else {
        assert!(!path.exists());
        return;
    };
    assert_eq!(recording.bytes, path.metadata().unwrap().len());
    check_frames(&path, recording.frames);
}

fn check_frames(path: &Path, frames: u64) {
    if ffmpeg::available() {
        assert_eq!(ffmpeg::count_frames(path).0, frames);
    }
}

/// The only problem of a run.
fn problem(ended: &Ended) -> (String, Report) {
    let complaint = ended.complaint(1).to_owned();
    let report = ended.report();
    assert_eq!(report.problems, [complaint.as_str()]);
    (complaint, report)
}

/// Frames that were captured or that the camera or encoder could not keep up with.
fn accounted(report: &Report) -> u64 {
    let lost = report.dropped.iter().filter(|drop| drop.by != Role::Viewer);
    report.camera.unwrap().frames_captured + lost.map(|drop| drop.frames).sum::<u64>()
}

#[test]
fn killed_viewer_is_missed_by_nobody() {
    let mut rng = Rng::from_env("kills in the recorder");
    for _ in 0..KILLS {
        let run = start(SECONDS, &[]);
        kill(&run, "viewer", &mut rng);
        let ended = run.wait();
        let (problem, report) = problem(&ended);
        assert!(problem.starts_with("the viewer (process ") && problem.ends_with(") was killed by SIGKILL"));
        assert_eq!(accounted(&report), FRAMES);
        assert_eq!(
            report.recordings[0].frames,
            report.camera.unwrap().frames_captured
        );
        check_file(&ended, &report);
    }
}

#[test]
fn killed_encoder_leaves_a_playable_file_and_the_preview_goes_on() {
    let mut rng = Rng::from_env("kills in the recorder");
    for _ in 0..KILLS {
        let run = start(SECONDS, &[]);
        kill(&run, "encoder", &mut rng);
        let ended = run.wait();
        let (problem, report) = problem(&ended);
        let is_named =
            problem.starts_with("the encoder (process ") && problem.ends_with(") was killed by SIGKILL");
        assert!(is_named, "{problem}");
        assert_eq!(accounted(&report), FRAMES);
        assert_eq!(report.consumers.len(), 1, "the viewer saw the end");
        check_file(&ended, &report);
    }
}

#[test]
fn killed_camera_ends_the_run_with_a_whole_file() {
    let mut rng = Rng::from_env("kills in the recorder");
    for _ in 0..KILLS {
        let run = start(SECONDS, &[]);
        let camera = run.process("camera");
        run.wait_for_bytes("recording.mp4", 0);
        sleep(rng.duration_up_to(Duration::from_millis(800)));
        support::processes::signal(camera, Signal::KILL);
        let ended = run.wait();
        let (problem, report) = problem(&ended);
        let is_named =
            problem.starts_with("the camera (process ") && problem.ends_with(") was killed by SIGKILL");
        assert!(is_named, "{problem}");
        assert_eq!((report.camera, report.consumers.len()), (None, 2));
        let encoder = &report.consumers[1];
        assert_eq!(encoder.frames_received, report.recordings[0].frames);
        check_file(&ended, &report);
    }
}

#[test]
fn camera_killed_before_its_first_frame_leaves_nothing() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let run = Recorder::new(&["--input", "-", "--record-after", "0"])
        .stdin(reader)
        .start();
    run.signal("camera", Signal::KILL);
    let ended = run.wait();
    assert!(
        ended.complaint(1).ends_with("was killed by SIGKILL"),
        "{}",
        ended.stderr
    );
    assert_eq!((ended.stdout.as_str(), ended.files()), ("", vec![]));
}

#[test]
fn children_of_a_killed_director_end_and_finish_the_file() {
    let mut rng = Rng::from_env("kills in the recorder");
    for _ in 0..KILLS {
        let run = start("600", &[]);
        run.wait_for_bytes("recording.mp4", 0);
        sleep(rng.duration_up_to(Duration::from_millis(800)));
        run.signal_director(Signal::KILL);
        let ended = run.wait_and_leave_directories();
        if ffmpeg::available() {
            let (frames, complaints) = ffmpeg::count_frames(&ended.path("recording.mp4"));
            assert!(frames > 0 && complaints.is_empty(), "{frames} {complaints}");
        }
    }
}

#[test]
fn killed_second_viewer_is_missed_by_nobody() {
    let mut rng = Rng::from_env("kills in the recorder");
    for _ in 0..KILLS {
        let run = start(SECONDS, &["--viewers", "2"]);
        run.process("encoder");
        kill(&run, "viewer", &mut rng);
        let (problem, report) = problem(&run.wait());
        assert!(problem.starts_with("the viewer (process "), "{problem}");
        assert_eq!(accounted(&report), FRAMES);
        let roles: Vec<Role> = report.consumers.iter().map(|consumer| consumer.role).collect();
        assert_eq!(roles, [Role::Viewer, Role::Encoder]);
    }
}

#[test]
fn stopped_encoder_makes_the_camera_drop_frames_and_is_named() {
    let run = start("2", &[]);
    let encoder = run.process("encoder");
    run.wait_for_bytes("recording.mp4", 0);
    support::processes::signal(encoder, Signal::STOP);
    sleep(Duration::from_millis(700));
    support::processes::signal(encoder, Signal::CONT);
    let report = run.wait().good_report();
    let dropped: Vec<_> = report
        .dropped
        .iter()
        .filter(|drop| drop.by == Role::Encoder)
        .collect();
    assert!(!dropped.is_empty() && dropped[0].frames > 0, "{report:?}");
    assert!(dropped[0].why.contains("no free buffer"), "{}", dropped[0].why);
    assert_eq!(
        report.recordings[0].frames,
        report.camera.unwrap().frames_captured
    );
    assert_eq!(accounted(&report), 60);
}

#[test]
fn stopped_viewer_disturbs_nobody() {
    let run = start(SECONDS, &[]);
    let viewer = run.process("viewer");
    run.wait_for_bytes("recording.mp4", 0);
    support::processes::signal(viewer, Signal::STOP);
    sleep(Duration::from_millis(600));
    support::processes::signal(viewer, Signal::CONT);
    let report = run.wait().good_report();
    assert_eq!(accounted(&report), FRAMES);
    assert_eq!(
        report.recordings[0].frames,
        report.camera.unwrap().frames_captured
    );
    let blames_viewer = |drop: &&Dropped| drop.by == Role::Viewer && drop.why.contains("no free buffer");
    assert_eq!(report.dropped.iter().find(blames_viewer), None);
}
