//! `wharf info` as a process, on brokers that are idle, busy, or not there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

mod support;

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Broker, Outcome, Place, run, wharf};
use wharf::{BufferSpec, Consumer, JoinOptions, Producer, Session};

/// A producer with four buffers, and a consumer of its stream that may hold two.
fn camera_and_viewer(broker: &Broker) -> Result<(Producer, Consumer), Box<dyn std::error::Error>> {
    let camera = Session::connect_to(&broker.socket(), "camera")?;
    let buffers = camera.allocate(&BufferSpec {
        name: "frames",
        size_bytes: 10_000,
        count: 4,
    })?;
    let mut producer = camera.create_stream("preview", buffers, 8)?;
    let viewer = Session::connect_to(&broker.socket(), "viewer")?;
    let consumer = viewer.join(&producer.token(1)?, JoinOptions::latest(2))?;
    assert!(producer.wait_for_consumers(1, Some(Duration::from_secs(20)))?);
    Ok((producer, consumer))
}

#[test]
fn json_tells_who_holds_what() -> Outcome {
    let broker = Broker::start(&[]);
    let _running = camera_and_viewer(&broker)?;
    let state: Value = serde_json::from_str(&broker.info(&["--json"]))?;
    assert_eq!(state["schema"], 1);
    assert_eq!(state["broker"]["pid"], broker.pid());
    let sessions = state["sessions"].as_array().unwrap();
    let [camera, viewer] = sessions.as_slice() else {
        panic!("{sessions:?}")
    };
    assert_eq!(
        (&camera["label"], &viewer["label"]),
        (&json!("camera"), &json!("viewer"))
    );
    assert_eq!(camera["pid"], std::process::id());
    assert_eq!(camera["sets_owned"], json!([1]));
    assert_eq!(camera["streams_produced"], json!([1]));
    assert_eq!(camera["memory_bytes"], 4 * 12_288);
    assert_eq!(
        (&viewer["sets_owned"], &viewer["streams_joined"]),
        (&json!([]), &json!([1]))
    );
    let set = &state["sets"][0];
    assert_eq!((&set["name"], &set["owner"]), (&json!("frames"), &json!(1)));
    assert_eq!((&set["buffers"], &set["sealed"]), (&json!(4), &json!(true)));
    let consumer = &state["streams"][0]["consumers"][0];
    assert_eq!(
        (&consumer["label"], &consumer["depth"]),
        (&json!("viewer"), &json!(2))
    );
    assert_eq!(consumer["policy"], "latest");
    assert_eq!(consumer["statistics"]["frames_received"], 0);
    let used = &state["users"][0]["used"];
    assert_eq!(
        (&used["memory_bytes"], &used["buffers"]),
        (&json!(4 * 12_288), &json!(4))
    );
    assert_eq!((&used["sessions"], &used["streams"]), (&json!(2), &json!(1)));
    Ok(())
}

#[test]
fn table_tells_who_holds_what() -> Outcome {
    let broker = Broker::start(&[]);
    let _running = camera_and_viewer(&broker)?;
    let info = broker.info(&[]);
    let title = format!(
        "broker {} at {}, process {}",
        env!("CARGO_PKG_VERSION"),
        broker.socket().display(),
        broker.pid()
    );
    assert!(info.starts_with(&title), "{info}");
    for words in [
        "owns buffer set 1, produces stream 1",
        "consumes stream 1",
        "1 camera",
        "1 preview",
        "1 of 8",
        "3 of 4",
        "latest",
        "4 of 1024",
        "2 of 64",
    ] {
        assert!(info.contains(words), "{words} is not in:\n{info}");
    }
    assert!(info.lines().all(|line| line.trim_end() == line));
    Ok(())
}

#[test]
fn broker_that_is_not_there_is_one_line() {
    let place = Place::new();
    for arguments in [&["info"][..], &["info", "--json"]] {
        let ended = run(place.wharf(arguments));
        assert!(ended.error_line().starts_with("no broker at "), "{ended:?}");
    }
    let ended = run(wharf(&["info"]));
    assert!(ended.error_line().contains("--socket"), "{ended:?}");
}

#[test]
fn broker_that_was_killed_is_one_line() {
    let place = Broker::start(&[]).kill();
    let ended = run(place.wharf(&["info"]));
    assert!(ended.error_line().starts_with("nobody listens on "), "{ended:?}");
}

#[test]
fn other_program_in_the_brokers_place_is_one_line() -> Outcome {
    let place = Place::new();
    let listener = UnixListener::bind(place.socket())?;
    let stranger = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept()?;
        peer.read_exact(&mut [0; 40])?;
        peer.write_all(b"500 what is a method?\r\n\0")
    });
    let ended = run(place.wharf(&["info"]));
    assert!(
        ended.error_line().contains("is this really a broker"),
        "{ended:?}"
    );
    stranger.join().unwrap()?;
    Ok(())
}

/// Runs a command whose output goes elsewhere.
fn run_into(mut command: Command, stdout: impl Into<Stdio>) -> std::io::Result<std::process::Output> {
    command
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()?
        .wait_with_output()
}

#[test]
fn reader_that_has_seen_enough_is_no_error() -> Outcome {
    let broker = Broker::start(&[]);
    for arguments in [&["info"][..], &["info", "--json"]] {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let output = run_into(broker.place().wharf(arguments), writer)?;
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let output = run_into(wharf(&["info", "--help"]), writer)?;
    assert!(output.stderr.is_empty(), "{output:?}");
    Ok(())
}

#[test]
fn output_that_cannot_be_written_is_an_error() -> Outcome {
    let broker = Broker::start(&[]);
    let full = OpenOptions::new().write(true).open("/dev/full")?;
    let output = run_into(broker.place().wharf(&["info"]), full)?;
    let stderr = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr.starts_with("wharf: cannot write to stdout: No space left"),
        "{stderr}"
    );
    Ok(())
}

#[test]
fn command_line_that_makes_no_sense_is_refused() {
    for arguments in [&[][..], &["info", "--yaml"], &["serve", "--quota-bytes", "much"]] {
        let ended = run(wharf(arguments));
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    }
}
