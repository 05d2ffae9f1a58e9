//! What the program refuses: each with one line on standard error, an exit code, and nothing left behind.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use std::fs;
use std::os::unix::net::{UnixDatagram, UnixListener};

use support::run::{PROGRAM, Recorder};

#[test]
fn senseless_command_lines_are_refused() {
    let cases = [
        (&["--size", "641x480"][..], "odd"),
        (&["--size", "0x0"], "zero"),
        (&["--size", "1x1"], "odd"),
        (&["--size", "4294967296x4294967296"], "too large"),
        (&["--size", "65536x65536"], "too large"),
        (&["--size", "-2x-2"], "-2"),
        (&["--input", ""], "--input"),
        (&["--output", ""], "--output"),
        (&["--size", "wide"], "WIDTHxHEIGHT"),
        (&["--fps", "0"], "zero"),
        (&["--fps", "30/0"], "zero"),
        (&["--fps", "99999"], "limit"),
        (&["--seconds", "0"], "more than zero"),
        (&["--seconds", "forever"], "number of seconds"),
        (&["--record-after", "-1"], "-1"),
        (&["--size", "64x64", "--input", "x.y4m"], "--input"),
        (&["--no-view", "--viewers", "2"], "--viewers"),
        (&["camera"], "camera"),
        (&["--unknown"], "--unknown"),
    ];
    for (arguments, reason) in cases {
        let ended = Recorder::new(arguments).run();
        assert!(
            ended.complaint(2).contains(reason),
            "{arguments:?}: {}",
            ended.stderr
        );
        assert!(ended.stdout.is_empty() && ended.files().is_empty());
    }
}

#[test]
fn bad_headers_and_files_are_refused() {
    let huge = format!("YUV4MPEG2 W64 H64 X{}\n", "x".repeat(5000));
    let cases: [(&str, &str); 20] = [
        ("", "empty"),
        ("RIFF....AVI ", "not Y4M"),
        ("\x00\x01\x02\x1b[2J\n", "not Y4M"),
        ("YUV4MPEG2 W64 H6", "cut off"),
        (&huge, "longer than the limit"),
        ("YUV4MPEG2 H64\n", "lacks the tag W"),
        ("YUV4MPEG2 W64 W64 H64\n", "twice"),
        ("YUV4MPEG2 W63 H64\n", "odd"),
        ("YUV4MPEG2 W0 H64\n", "zero"),
        ("YUV4MPEG2 W4294967294 H4294967294\n", "too large"),
        ("YUV4MPEG2 W18446744073709551616 H2\n", "too large"),
        ("YUV4MPEG2 W64 Hsixty\n", "number of pixels"),
        ("YUV4MPEG2 W64 H64 F0:1\n", "zero"),
        ("YUV4MPEG2 W64 H64 F1000000:1\n", "limit"),
        ("YUV4MPEG2 W64 H64 C420p10\n", "not supported"),
        ("YUV4MPEG2 W64 H64 C411\n", "not supported"),
        ("YUV4MPEG2 W64 H64 Q1\n", "unknown tag"),
        ("YUV4MPEG2 W64 H64\n", "no frames"),
        ("YUV4MPEG2 W64 H64\nFRAME\nshort", "cut off inside frame 0"),
        ("YUV4MPEG2 W64 H64\nPICTURE\n", "instead of \"FRAME\""),
    ];
    for (content, reason) in cases {
        let ended = Recorder::new(&["--input", "in.y4m", "--record-after", "0"])
            .with_file("in.y4m", content)
            .run();
        let complaint = ended.complaint(1);
        assert!(complaint.contains(reason), "{content:?}: {complaint}");
        assert!(!complaint.contains(char::is_control), "{complaint:?}");
        assert_eq!(
            (ended.stdout.as_str(), ended.files()),
            ("", vec!["in.y4m".to_owned()])
        );
    }
}

#[test]
fn missing_and_unreadable_inputs_are_named() {
    for (path, reason) in [
        ("missing.y4m", "cannot open missing.y4m: No such file"),
        ("/proc/self/mem", "cannot read Y4M input"),
        (".", "Is a directory"),
    ] {
        let ended = Recorder::new(&["--input", path]).run();
        assert!(ended.complaint(1).contains(reason), "{path}: {}", ended.stderr);
        assert!(ended.stdout.is_empty() && ended.files().is_empty());
    }
}

#[test]
fn places_that_cannot_be_recorded_to_are_refused_before_anything_starts() {
    for (path, reason) in [
        ("missing/out.mp4", "No such file"),
        (".", "it is a directory"),
        ("/proc/out.mp4", "/proc/out.mp4"),
        ("socket", "it is a socket"),
        ("file/out.mp4", "Not a directory"),
    ] {
        let recorder = Recorder::new(&["--output", path]).with_file("file", "");
        let _socket = UnixListener::bind(recorder.path("socket")).unwrap();
        let ended = recorder.run();
        assert!(ended.complaint(1).contains(reason), "{path}: {}", ended.stderr);
        assert_eq!((ended.stdout.as_str(), ended.files().len()), ("", 2));
    }
}

#[test]
fn places_that_are_no_brokers_are_refused() {
    for (path, reason) in [
        ("missing", "no broker at missing: start one with `wharf serve`"),
        ("stale", "nobody listens on stale"),
        ("file", "nobody listens on file"),
        ("datagrams", "socket of another kind"),
        (&"long".repeat(50), "at most 107"),
    ] {
        let recorder = Recorder::new(&["--seconds", "1"])
            .with_file("file", "")
            .env("WHARF_SOCKET", path);
        drop(UnixListener::bind(recorder.path("stale")).unwrap());
        let _datagrams = UnixDatagram::bind(recorder.path("datagrams")).unwrap();
        let ended = recorder.run();
        assert!(ended.complaint(1).contains(reason), "{path}: {}", ended.stderr);
        assert_eq!((ended.stdout.as_str(), ended.files().len()), ("", 3));
    }
}

#[test]
fn listener_that_is_no_broker_is_refused() {
    let recorder = Recorder::new(&["--seconds", "1"]).env("WHARF_SOCKET", "impostor");
    let listener = UnixListener::bind(recorder.path("impostor")).unwrap();
    let run = recorder.start();
    let (mut socket, _) = listener.accept().unwrap();
    std::io::Write::write_all(&mut socket, b"HTTP/1.1 400 Bad Request\r\n\r\n\0").unwrap();
    let ended = run.wait();
    assert!(ended.complaint(1).contains("broker"), "{}", ended.stderr);
}

#[test]
fn missing_temporary_directory_is_named() {
    let ended = Recorder::new(&["--seconds", "1"])
        .env("TMPDIR", "/nonexistent/tmp")
        .run();
    assert!(
        ended.complaint(1).contains("/nonexistent/tmp"),
        "{}",
        ended.stderr
    );
}

/// Whatever step it is that finds no descriptor left, the run ends with a reason and leaves nothing behind.
#[test]
fn too_few_descriptors_end_the_run_cleanly() {
    for limit in [4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 30, 60] {
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        let ended = Recorder::through(
            &["sh", "-c", &script, PROGRAM],
            &[
                "--size",
                "64x64",
                "--seconds",
                "0.3",
                "--record-after",
                "0",
                "--json",
            ],
        )
        .run();
        match ended.status.code() {
            Some(0) => drop(ended.good_report()),
            Some(1) => {
                ended.complaint(1);
                assert_eq!(ended.files(), Vec::<String>::new(), "{limit}");
            }
            // The loader or the runtime itself could not start.
            other => assert!(limit < 8, "{limit}: {other:?}: {}", ended.stderr),
        }
    }
}

#[test]
fn children_are_not_for_starting_by_hand() {
    let ended = Recorder::new(&["camera"])
        .env("WHARF_RECORDER_CONTROL", "/nonexistent")
        .run();
    assert!(ended.complaint(1).contains("/nonexistent"), "{}", ended.stderr);
}

#[test]
fn existing_recording_is_replaced_only_by_a_new_one() {
    let ended = Recorder::new(&["--input", "bad.y4m", "--record-after", "0"])
        .with_file("recording.mp4", "precious")
        .with_file("bad.y4m", "YUV4MPEG2 W64 H64\nFRAME\nshort")
        .run();
    ended.complaint(1);
    assert_eq!(fs::read(ended.path("recording.mp4")).unwrap(), b"precious");
}
