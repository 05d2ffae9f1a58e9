//! `wharf serve` as a process: its socket, its end, and whom it leaves alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

mod support;

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use rustix::process::{Signal, geteuid};
use support::{Broker, Ended, Outcome, PATIENCE, Place, answers, run, wharf};
use wharf::{BufferSpec, Session};
use wharf_testkit::eventually;

/// The user that owns nothing.
const NOBODY: u32 = 65534;

/// What happens to a broker that wants this place.
fn refused(place: &Place) -> Ended {
    run(place.wharf(&["serve"]))
}

#[test]
fn socket_is_for_its_user_only() -> Outcome {
    let broker = Broker::start(&[]);
    let socket = std::fs::symlink_metadata(broker.socket())?;
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o7777, 0o600);
    assert_eq!(socket.uid(), geteuid().as_raw());
    Ok(())
}

#[test]
fn both_signals_end_it_in_order() -> Outcome {
    for signal in [Signal::TERM, Signal::INT] {
        let broker = Broker::start(&[]);
        let session = Session::connect_to(&broker.socket(), "left behind")?;
        let place = broker.stop(signal)?;
        assert_eq!(place.files(), [""; 0], "{signal:?}");
        assert!(session.state().is_err());
    }
    Ok(())
}

#[test]
fn path_comes_from_the_environment_when_none_is_given() -> Outcome {
    let place = Place::new();
    let elsewhere = place.path().join("elsewhere");
    for (variable, value, socket) in [
        ("XDG_RUNTIME_DIR", place.path(), place.socket()),
        ("WHARF_SOCKET", &elsewhere, elsewhere.clone()),
    ] {
        let mut command = wharf(&["serve"]);
        command.env(variable, value);
        let broker = wharf_testkit::Process::spawn("wharf serve", command, PATIENCE)?;
        answers(&socket)?;
        let mut info = wharf(&["info"]);
        info.env(variable, value);
        assert!(run(info).output().contains(&format!("process {}", broker.pid())));
        broker.signal(Signal::TERM)?;
        broker.finish()?;
    }
    Ok(())
}

#[test]
fn broker_that_is_told_of_no_path_says_how_to_tell_it() {
    let ended = run(wharf(&["serve"]));
    for way in ["--socket", "WHARF_SOCKET", "XDG_RUNTIME_DIR"] {
        assert!(ended.error_line().contains(way), "{ended:?}");
    }
}

#[test]
fn second_broker_is_refused_and_the_first_goes_on() {
    let broker = Broker::start(&[]);
    let ended = refused(broker.place());
    assert!(
        ended.error_line().contains(&format!("process {}", broker.pid())),
        "{ended:?}"
    );
    assert!(broker.info(&[]).contains("no sessions"));
}

#[test]
fn socket_of_a_killed_broker_is_replaced() -> Outcome {
    let place = Broker::start(&[]).kill();
    assert_eq!(
        place.files(),
        ["wharf-0", "wharf-0.lock"],
        "a killed broker cannot clean up"
    );
    let place = Broker::start_in(place, &[]).stop(Signal::TERM)?;
    assert_eq!(place.files(), [""; 0]);
    Ok(())
}

#[test]
fn path_that_is_no_socket_is_left_alone() -> Outcome {
    let place = Place::new();
    std::fs::write(place.socket(), "precious")?;
    let ended = refused(&place);
    assert!(ended.error_line().contains("is not a socket"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(place.socket())?, "precious");

    std::fs::remove_file(place.socket())?;
    symlink("somewhere", place.socket())?;
    let ended = refused(&place);
    assert!(ended.error_line().contains("is not a socket"), "{ended:?}");
    assert_eq!(place.files(), ["wharf-0"]);
    Ok(())
}

#[test]
fn socket_of_another_program_is_left_alone() -> Outcome {
    let place = Place::new();
    let listener = UnixListener::bind(place.socket())?;
    let ended = refused(&place);
    assert!(ended.error_line().contains("accepts connections"), "{ended:?}");
    assert!(
        listener
            .local_addr()?
            .as_pathname()
            .is_some_and(|path| path.exists())
    );
    Ok(())
}

#[test]
fn socket_of_another_user_is_left_alone() -> Outcome {
    if !geteuid().is_root() {
        wharf_testkit::skip("a socket of another user: only root can make one");
        return Ok(());
    }
    let place = Place::new();
    drop(UnixListener::bind(place.socket())?);
    chown(place.socket(), Some(NOBODY), None)?;
    let ended = refused(&place);
    assert!(ended.error_line().contains("belongs to user 65534"), "{ended:?}");
    assert_eq!(place.files(), ["wharf-0"]);
    Ok(())
}

#[test]
fn directory_that_does_not_exist_is_named() {
    let place = Place::new();
    let ended = run(wharf(&[
        "serve",
        "--socket",
        &place.path().join("missing/wharf-0").to_string_lossy(),
    ]));
    assert!(ended.error_line().contains("missing/wharf-0"), "{ended:?}");
}

#[test]
fn limits_given_are_enforced_and_shown() -> Outcome {
    let broker = Broker::start(&["--quota-buffers", "2", "--quota-sessions", "1"]);
    let session = Session::connect_to(&broker.socket(), "greedy")?;
    let spec = BufferSpec {
        name: "frames",
        size_bytes: 4096,
        count: 3,
    };
    let error = session.allocate(&spec).unwrap_err().to_string();
    assert!(error.contains("3") && error.contains("2"), "{error}");
    let held = session.allocate(&BufferSpec { count: 2, ..spec })?;
    assert!(Session::connect_to(&broker.socket(), "one too many").is_err());
    let info = broker.info(&[]);
    assert!(info.contains("2 of 2") && info.contains("1 of 1"), "{info}");
    drop(held);
    Ok(())
}

#[test]
fn broker_goes_on_when_nobody_reads_its_log() -> Outcome {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let place = Place::new();
    let mut command = place.wharf(&["serve"]);
    command
        .env("RUST_LOG", "trace")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(writer);
    let mut broker = command.spawn()?;
    let answered = answers(&place.socket());
    let ended = broker.try_wait()?;
    broker.kill()?;
    broker.wait()?;
    assert_eq!((answered, ended), (Ok(()), None));
    Ok(())
}

#[test]
fn session_ends_with_its_process() -> Outcome {
    let broker = Broker::start(&[]);
    let session = Session::connect_to(&broker.socket(), "short")?;
    assert!(broker.info(&[]).contains("short"));
    drop(session);
    eventually(PATIENCE, || {
        let info = broker.info(&[]);
        if info.contains("no sessions") {
            Ok(())
        } else {
            Err(info)
        }
    })?;
    Ok(())
}
