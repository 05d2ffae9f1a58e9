//! Runs with a broker of their own and with one that runs already.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use rustix::process::Signal;
use support::broker::{self, Broker};
use support::ffmpeg;
use support::processes::shared_memory_bytes;
use support::run::Run;

#[test]
fn broker_process() {
    broker::serve_if_asked_to();
}

#[test]
fn running_broker_is_used_and_gets_everything_back() {
    let broker = Broker::start();
    let run = broker
        .recorder(&[
            "--size",
            "64x64",
            "--seconds",
            "1.5",
            "--record-after",
            "0",
            "--json",
        ])
        .start();
    run.eventually("three sessions", |_| (broker.sessions().len() == 3).then_some(()));
    let mut labels = broker.sessions();
    labels.sort();
    assert_eq!(labels, ["camera", "encoder", "viewer"]);
    let ended = run.wait();
    ended.good_report();
    let state = wharf::Session::connect_to(&broker.socket, "asking")
        .unwrap()
        .state()
        .unwrap();
    assert!(state.sets.is_empty() && state.streams.is_empty(), "{state:?}");
}

#[test]
fn two_runs_share_a_broker() {
    let broker = Broker::start();
    let arguments = [
        "--size",
        "64x64",
        "--seconds",
        "1",
        "--record-after",
        "0",
        "--json",
    ];
    let runs: Vec<Run> = (0..2).map(|_| broker.recorder(&arguments).start()).collect();
    for run in runs {
        let report = run.wait().good_report();
        assert_eq!(
            report.recordings[0].frames,
            report.camera.unwrap().frames_captured
        );
    }
}

#[test]
fn frames_go_on_without_a_broker() {
    let mut broker = Broker::start();
    let run = broker
        .recorder(&[
            "--size",
            "64x64",
            "--seconds",
            "2",
            "--record-after",
            "0",
            "--json",
        ])
        .start();
    run.wait_for_bytes("recording.mp4", 0);
    broker.process.kill().unwrap();
    broker.process.wait().unwrap();
    let ended = run.wait();
    let complaint = ended.complaint(1);
    assert!(complaint.contains("the broker is gone"), "{complaint}");
    let report = ended.report();
    assert_eq!(report.problems, [complaint]);
    let captured = report.camera.unwrap().frames_captured;
    assert_eq!(
        captured
            + report
                .dropped
                .iter()
                .filter(|drop| drop.by != recorder::report::Role::Viewer)
                .map(|drop| drop.frames)
                .sum::<u64>(),
        60
    );
    assert_eq!(report.recordings[0].frames, captured, "not one frame was lost");
    if ffmpeg::available() {
        assert_eq!(
            ffmpeg::count_frames(&ended.path("recording.mp4")),
            (captured, String::new())
        );
    }
}

#[test]
fn encoder_that_finds_no_broker_says_so_and_the_preview_goes_on() {
    let mut broker = Broker::start();
    let run = broker
        .recorder(&[
            "--size",
            "640x480",
            "--seconds",
            "2",
            "--record-after",
            "1.5",
            "--json",
        ])
        .start();
    // A camera that draws knows of the viewer.
    let camera = run.process("camera");
    let has_frames = |_: &Run| (shared_memory_bytes(camera) > 200_000).then_some(());
    run.eventually("frames", has_frames);
    broker.process.kill().unwrap();
    broker.process.wait().unwrap();
    let ended = run.wait();
    let complaint = ended.complaint(1);
    assert!(
        complaint.starts_with("the encoder cannot join the stream: nobody listens on "),
        "{complaint}"
    );
    let report = ended.report();
    assert!(
        report.problems[1].contains("the broker is gone"),
        "{:?}",
        report.problems
    );
    assert_eq!((report.consumers.len(), report.recordings.len()), (1, 0));
    assert!(report.consumers[0].frames_used > 0);
    assert_eq!(ended.files(), Vec::<String>::new());
}

#[test]
fn broker_that_does_not_answer_is_given_up() {
    let broker = Broker::start();
    support::processes::signal(broker.process.id(), Signal::STOP);
    let ended = broker.recorder(&["--seconds", "1"]).run();
    assert!(ended.complaint(1).contains("did not answer"), "{}", ended.stderr);
}
