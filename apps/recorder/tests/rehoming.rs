//! Recording that begins under a running preview: the memory moves, or does not, and the preview goes on.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use recorder::picture::{Picture, Plane};
use recorder::report::{ConsumerReport, MoveReport, RefusalReport, Report, Role};
use recorder::size::Size;
use recorder::testcard::TestCard;
use rustix::process::Signal;
use support::broker::{self, Broker};
use support::run::{Ended, PROGRAM, Recorder};
use support::{card, ffmpeg, processes, y4m};
use wharf::core::negotiation::{Eliminated, HeapAnswer, ReportKind};
use wharf_testkit::Rng;

/// A size whose rows and columns are not what an encoder likes.
const SIZE: &str = "208x124";
const HUGE: &str = "memfd-huge";

#[test]
fn broker_process() {
    broker::serve_if_asked_to();
}

fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["--size", SIZE, "--verify", "--json"][..], more].concat()
}

fn consumers(report: &Report, role: Role) -> Vec<&ConsumerReport> {
    let consumers = report.consumers.iter();
    consumers.filter(|consumer| consumer.role == role).collect()
}

fn dropped_by(report: &Report, role: Role) -> u64 {
    let drops = report.dropped.iter().filter(|drop| drop.by == role);
    drops.map(|drop| drop.frames).sum()
}

fn captured(report: &Report) -> u64 {
    report.camera.unwrap().frames_captured
}

/// Every frame came to every viewer, or was passed over by it, and was what the camera drew.
fn check_preview(report: &Report) {
    let viewers = consumers(report, Role::Viewer);
    let received: u64 = viewers.iter().map(|viewer| viewer.frames_received).sum();
    let expected = captured(report) * u64::try_from(viewers.len()).unwrap();
    assert_eq!(
        received + dropped_by(report, Role::Viewer),
        expected,
        "{report:?}"
    );
    for viewer in viewers {
        assert_eq!(viewer.frames_checked, viewer.frames_received);
        assert_eq!((viewer.frames_lost, viewer.frames_torn), (0, 0), "{report:?}");
    }
}

/// The preview went on to its end. What was not captured, the camera could not make or hand over.
fn check_whole_preview(report: &Report, frames: u64) {
    check_preview(report);
    let missing = dropped_by(report, Role::Camera) + dropped_by(report, Role::Encoder);
    assert_eq!(captured(report) + missing, frames, "{report:?}");
}

/// The only move of a run.
fn only_move(report: &Report) -> &MoveReport {
    match &report.moves[..] {
        [moved] => moved,
        _ => panic!("{report:?}"),
    }
}

/// The only refusal of a run.
fn only_refusal(report: &Report) -> &RefusalReport {
    match &report.refusals[..] {
        [refusal] => refusal,
        _ => panic!("{report:?}"),
    }
}

/// The report of a run in which recording was refused, and nothing else went wrong.
fn refused(ended: &Ended) -> Report {
    assert_eq!(ended.status.code(), Some(1), "{}{}", ended.stdout, ended.stderr);
    let report = ended.report();
    let refusal = only_refusal(&report);
    assert_eq!((refusal.role, refusal.found_another_way), (Role::Encoder, false));
    let problem = format!("the encoder is refused: {}", refusal.summary);
    assert_eq!(report.problems, [problem.as_str()]);
    assert!(
        ended.stderr.contains(&refusal.report.to_string()),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.ends_with(&format!("recorder: {problem}\n")),
        "{}",
        ended.stderr
    );
    assert!(report.moves.is_empty() && report.recordings.is_empty());
    assert_eq!(ended.files(), Vec::<String>::new());
    report
}

/// Whether this machine has memory in chunks of 2 MiB to give. If not, prints why part of the calling test is skipped.
fn has_huge_pages(report: &Report) -> bool {
    if report.refusals.is_empty() {
        return true;
    }
    let why = &only_refusal(report).summary;
    wharf_testkit::skip(&format!(
        "the encoder gets no chunks of 2 MiB on this machine: {why}"
    ));
    false
}

fn check_numbers(path: &Path, size: Size, check: impl Fn(&[u64])) {
    if ffmpeg::available() {
        let (pictures, luma_bytes) = (ffmpeg::decode(path), size.plane_bytes(Plane::Luma));
        let pictures = pictures.chunks(size.picture_bytes());
        let numbers: Vec<u64> = pictures
            .map(|picture| u64::from(card::frame_number(size, &picture[..luma_bytes])))
            .collect();
        check(&numbers);
    }
}

#[test]
fn recording_moves_the_running_preview_and_tears_no_frame() {
    let ended = Recorder::new(&arguments(&["--seconds", "2.5", "--record-after", "0.7"])).run();
    let report = ended.good_report();
    check_whole_preview(&report, 75);
    let moved = only_move(&report);
    assert_eq!((moved.from.generation, moved.to.generation), (1, 2));
    assert_eq!(report.memory.as_ref(), Some(&moved.from));
    assert_eq!(
        (moved.from.heap.as_str(), moved.from.chunk_bytes),
        ("memfd", 4096)
    );
    assert_eq!((moved.from.stride_bytes, moved.from.rows), (256, 124));
    // One for the frame being made, two for the viewer, two to spare; then four for the encoder.
    assert_eq!((moved.from.count, moved.to.count), (5, 9));
    let newcomer = moved.newcomer.as_ref().unwrap();
    let encoder = consumers(&report, Role::Encoder)[0];
    assert_eq!((newcomer.role, newcomer.pid), (Role::Encoder, encoder.pid));
    let times = [
        moved.allocated_after_ns,
        moved.everybody_ready_after_ns,
        moved.first_frame_after_ns,
    ];
    assert!(
        times.iter().all(Option::is_some) && times.is_sorted(),
        "{times:?}"
    );
    assert!(moved.longest_interval_ns > 0);
    assert!(
        moved.frames_lost <= dropped_by(&report, Role::Camera) + dropped_by(&report, Role::Encoder),
        "{moved:?}"
    );
    assert!(
        moved.frames_skipped <= dropped_by(&report, Role::Viewer),
        "{moved:?}"
    );
    let recording = &report.recordings[0];
    assert_eq!(recording.frames, encoder.frames_received);
    assert_eq!(encoder.frames_lost, 0);
    check_numbers(&ended.path("recording.mp4"), SIZE.parse().unwrap(), |numbers| {
        assert_eq!(numbers.len() as u64, recording.frames);
        assert_eq!(numbers[0], recording.first_frame.unwrap());
        assert!(numbers.is_sorted_by(|one, other| one < other), "{numbers:?}");
    });
    if has_huge_pages(&report) {
        assert_eq!((moved.to.heap.as_str(), moved.to.chunk_bytes), (HUGE, 2 << 20));
        assert_eq!((moved.to.stride_bytes, moved.to.rows), (256, 128));
        let why = |field| newcomer.why.iter().find(|why| why.field.contains(field));
        for field in ["min_chunk_bytes", "rows_align"] {
            assert_eq!(why(field).unwrap().who, ["encoder"], "{newcomer:?}");
        }
    }
}

/// A file can wait, so that no frame of it is lost for want of time.
#[test]
fn no_frame_of_a_file_is_lost_by_a_move() {
    let size: Size = SIZE.parse().unwrap();
    let (test_card, mut picture) = (TestCard::new(size), Picture::black(size));
    let pictures = (0..60).map(|number| {
        test_card.draw(number, &mut picture).unwrap();
        picture.as_bytes().to_vec()
    });
    let file = y4m::stream(size, y4m::Kind::Yuv420, &pictures.collect::<Vec<_>>());
    let input = ["--input", "in.y4m", "--record-after", "0.5", "--json"];
    let ended = Recorder::new(&input).with_file("in.y4m", file).run();
    let report = ended.good_report();
    assert_eq!(captured(&report), 60);
    assert_eq!(only_move(&report).frames_lost, 0);
    let viewer = consumers(&report, Role::Viewer)[0];
    assert_eq!(
        viewer.frames_received + dropped_by(&report, Role::Viewer),
        captured(&report)
    );
    assert_eq!(viewer.frames_lost, 0);
    let first = report.recordings[0].first_frame.unwrap();
    assert!((15..60).contains(&first), "{first}");
    check_numbers(&ended.path("recording.mp4"), size, |numbers| {
        assert_eq!(numbers, (first..60).collect::<Vec<_>>());
    });
}

#[test]
fn recording_from_the_start_moves_before_the_first_frame() {
    let ended = Recorder::new(&arguments(&["--seconds", "1", "--record-after", "0"])).run();
    let report = ended.good_report();
    check_whole_preview(&report, 30);
    assert_eq!(report.recordings[0].frames, captured(&report));
    assert_eq!(only_move(&report).to.generation, 2);
}

/// The camera goes along with a move between its frames, however far they lie apart.
#[test]
fn camera_with_seconds_between_its_frames_does_not_hold_a_move_up() {
    let more = ["--fps", "1/4", "--seconds", "9", "--record-after", "1"];
    let ended = Recorder::new(&arguments(&more)).run();
    let report = ended.good_report();
    assert_eq!((captured(&report), only_move(&report).frames_lost), (3, 0));
    assert_eq!(report.recordings[0].first_frame, Some(2));
    let moved = only_move(&report);
    assert!(
        moved.everybody_ready_after_ns.unwrap() + 1_000_000_000 < moved.first_frame_after_ns.unwrap(),
        "everybody was ready when the next frame came: {moved:?}"
    );
}

#[test]
fn impossible_needs_are_refused_and_the_preview_goes_on() {
    let ended = Recorder::new(&arguments(&[
        "--seconds",
        "1.5",
        "--record-after",
        "0.5",
        "--encoder-needs",
        "impossible",
    ]))
    .run();
    let report = refused(&ended);
    check_whole_preview(&report, 45);
    let refusal = only_refusal(&report);
    let ReportKind::Conflict { conflicts, .. } = &refusal.report.kind else {
        panic!("{refusal:?}");
    };
    let members = &conflicts[0].members;
    let encoder = members.iter().find(|member| &*member.who.label == "encoder");
    assert_eq!(encoder.unwrap().who.pid, Some(refusal.pid));
    assert!(members.len() == 2 && conflicts[0].minimal, "{members:?}");
    assert!(
        refusal.summary.contains("format") && refusal.summary.contains("NV12:linear"),
        "{}",
        refusal.summary
    );
    assert!(!refusal.report.relaxations.is_empty(), "{refusal:?}");
}

#[test]
fn pinned_viewer_holds_the_memory_in_place_and_is_named() {
    let ended = Recorder::new(&arguments(&[
        "--seconds",
        "1.5",
        "--record-after",
        "0.5",
        "--pin-viewer",
    ]))
    .run();
    let report = refused(&ended);
    check_whole_preview(&report, 45);
    let refusal = only_refusal(&report);
    let ReportKind::Busy { blockers, .. } = &refusal.report.kind else {
        panic!("{refusal:?}");
    };
    let viewer = consumers(&report, Role::Viewer)[0];
    assert_eq!(blockers.len(), 1);
    assert_eq!(
        (&*blockers[0].who.label, blockers[0].who.pid),
        ("viewer", Some(viewer.pid))
    );
    assert!(refusal.summary.contains("viewer"), "{}", refusal.summary);
}

/// Without huge pages the encoder works on a copy, and the report says which heap had nothing.
#[test]
fn machine_without_large_chunks_records_all_the_same() {
    if Command::new("python3").arg("--version").output().is_err() {
        wharf_testkit::skip("the recorder is not tested without huge pages: python3 is not installed");
        return;
    }
    // PR_SET_THP_DISABLE, which children inherit.
    let script = "import ctypes, os, sys\nctypes.CDLL(None).prctl(41, 1, 0, 0, 0)\nos.execv(sys.argv[1], sys.argv[1:])";
    let wrapper = ["python3", "-c", script, PROGRAM];
    let run = Recorder::through(
        &wrapper,
        &arguments(&["--seconds", "1.5", "--record-after", "0.5"]),
    );
    let report = run.run().good_report();
    check_whole_preview(&report, 45);
    assert_eq!(report.recordings.len(), 1);
    let refusal = only_refusal(&report);
    assert!(refusal.found_another_way);
    let says_no = match &refusal.report.kind {
        ReportKind::NoMemory { trail } => trail.iter().any(|answer| match answer {
            HeapAnswer::Refused { heap, .. } => &**heap == HUGE,
            HeapAnswer::Unsuitable(misfit) => &*misfit.heap == HUGE,
        }),
        // The heap was not even offered: those that were have smaller chunks.
        ReportKind::NoHeap { heaps } => heaps.iter().any(|misfit| &*misfit.heap == "memfd"),
        _ => refusal
            .report
            .eliminated
            .iter()
            .any(|gone| matches!(&gone.what, Eliminated::Heap(heap) if &**heap == HUGE)),
    };
    assert!(says_no, "{refusal:?}");
    assert!(report.moves.iter().all(|moved| moved.to.heap == "memfd"));
}

/// The encoder dies anywhere between its start and its first frames: whether the memory moved for it or not, the preview goes on
/// in one piece, and nothing is left.
#[test]
fn encoder_killed_during_the_move_takes_nothing_along() {
    let mut rng = Rng::from_env("kills in the recorder");
    let broker = Broker::start();
    for _ in 0..6 {
        let more = ["--seconds", "1.5", "--record-after", "0.3"];
        let run = broker.recorder(&arguments(&more)).start();
        let encoder = run.process("encoder");
        sleep(rng.duration_up_to(Duration::from_millis(150)));
        processes::signal(encoder, Signal::KILL);
        let ended = run.wait();
        let report = ended.report();
        let killed = |problem: &String| problem.starts_with("the encoder (process ");
        assert!(
            report.problems.len() == 1 && report.problems.iter().all(killed),
            "{report:?}"
        );
        check_whole_preview(&report, 45);
        assert!(report.moves.len() <= 1, "{report:?}");
        let state = broker.state();
        assert!(state.sets.is_empty() && state.streams.is_empty(), "{state:?}");
    }
}

/// Nobody is waited for longer than the deadline: who did not follow is named, and the others go on as they were.
#[test]
fn stopped_viewer_is_named_and_the_others_go_on() {
    let broker = Broker::start();
    let more = ["--seconds", "10", "--record-after", "3", "--viewers", "2"];
    let run = broker.recorder(&arguments(&more)).start();
    let joined = |_: &_| {
        let streams = broker.state().streams;
        streams
            .first()
            .filter(|stream| stream.members.len() == 2)
            .map(|_| ())
    };
    run.eventually("two viewers in the stream", joined);
    let stopped = processes::in_role(run.mark(), "viewer")[1];
    processes::signal(stopped, Signal::STOP);
    run.process("encoder");
    run.eventually("end of the encoder", |run| {
        processes::in_role(run.mark(), "encoder").is_empty().then_some(())
    });
    processes::signal(stopped, Signal::CONT);
    let ended = run.wait();
    let report = refused(&ended);
    check_whole_preview(&report, 300);
    let refusal = only_refusal(&report);
    let ReportKind::Busy { blockers, .. } = &refusal.report.kind else {
        panic!("{refusal:?}");
    };
    let blockers = blockers.iter();
    let who: Vec<_> = blockers
        .map(|blocker| (&*blocker.who.label, blocker.who.pid))
        .collect();
    assert_eq!(who, [("viewer", Some(stopped))]);
}
