//! The examples of the `wharf` crate, as separate processes on a real broker.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Broker, Outcome, PATIENCE, run, without_environment};
use wharf_testkit::{Process, eventually};

/// A built example. Building it from here would wait for the lock that `cargo test` holds.
fn example(name: &str, broker: &Broker) -> Command {
    let directory = Path::new(env!("CARGO_BIN_EXE_wharf"))
        .parent()
        .map(|built| built.join("examples"));
    let path: PathBuf = directory.unwrap_or_default().join(name);
    let how = "`cargo test --workspace` builds it, and so does `cargo build -p wharf --examples`";
    assert!(path.exists(), "there is no {}: {how}", path.display());
    let mut command = Command::new(path);
    without_environment(&mut command);
    command.env("WHARF_SOCKET", broker.socket());
    command
}

/// Runs `producer` and a consumer, and checks what the latter says.
fn share(consumer: &str, said: &str) -> Outcome {
    let broker = Broker::start(&[]);
    let mut producer = Process::spawn("producer", example("producer", &broker), PATIENCE)?;
    let token = producer.hear(PATIENCE)?;
    let mut consumer = example(consumer, &broker);
    consumer.arg(&token);
    let ended = run(consumer);
    assert_eq!(ended.output(), said);
    producer.finish()?;
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

// What the producer shares are the numbers 1 to 100.

#[test]
fn producer_and_blocking_consumer_agree_on_what_was_shared() -> Outcome {
    share("consumer", "received 100 frames, sum 5050, copied 0 bytes\n")
}

#[test]
fn producer_and_polling_consumer_agree_on_what_was_shared() -> Outcome {
    share("consumer_polled", "received 100 frames, sum 5050\n")
}

#[test]
fn producer_and_async_consumer_agree_on_what_was_shared() -> Outcome {
    share("consumer_async", "received 100 frames, sum 5050\n")
}

#[test]
fn points_of_a_timeline_reach_the_other_process_with_their_errors() -> Outcome {
    let broker = Broker::start(&[]);
    let mut owner = Process::spawn("timeline", example("timeline", &broker), PATIENCE)?;
    let token = owner.hear(PATIENCE)?;
    let mut waiting = example("timeline", &broker);
    waiting.arg(&token);
    let mut waiter = Process::spawn("timeline", waiting, PATIENCE)?;
    assert_eq!(waiter.hear(PATIENCE)?, "waiting");
    owner.say("finish")?;
    assert_eq!(waiter.hear(PATIENCE)?, "Failed(EIO (5)), Signaled");
    waiter.finish()?;
    owner.finish()?;
    Ok(())
}

#[test]
fn devices_hand_frames_on() {
    let broker = Broker::start(&[]);
    assert_eq!(run(example("fences", &broker)).output(), "handed on 100 frames\n");
}

#[test]
fn consumer_with_a_wrong_token_is_refused() {
    let broker = Broker::start(&[]);
    let mut consumer = example("consumer", &broker);
    consumer.arg("00112233445566778899aabbccddeeff");
    let ended = run(consumer);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn example_without_a_broker_fails() {
    let broker = Broker::start(&[]);
    let producer = example("producer", &broker);
    broker.kill();
    let ended = run(producer);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
}
