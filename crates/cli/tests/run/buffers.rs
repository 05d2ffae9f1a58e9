//! Buffers are a broker's, and count there for as long as the program has them.

use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;
use wharf_testkit::{Process, eventually};

use crate::programs::{Linked, program, wharf_run};
use crate::support::{Broker, PATIENCE};

/// A program that holds buffers of 64 KiB, and the broker they are of.
struct Holding {
    broker: Broker,
    process: Process,
    pid: u64,
}

impl Holding {
    fn start(arguments: &[&str]) -> Option<Self> {
        let program = program("hold", Linked::Dynamically)?;
        let broker = Broker::start(arguments);
        let (process, pid) = hold(&broker, &program);
        Some(Self { broker, process, pid })
    }

    fn order(&mut self, order: &str) {
        self.ask(order, "ok");
    }

    fn ask(&mut self, order: &str, answer: &str) {
        self.process.say(order).unwrap();
        assert_eq!(self.process.hear(PATIENCE).unwrap(), format!("{order}: {answer}"));
    }

    /// Waits until the broker counts this many bytes.
    fn expect_bytes(&self, bytes: u64) {
        expect_bytes(&self.broker, bytes);
    }
}

fn expect_bytes(broker: &Broker, bytes: u64) {
    let used = || {
        let state = state(broker);
        let used = state["users"][0]["used"]["memory_bytes"].as_u64();
        if used == Some(bytes) { Ok(()) } else { Err(state) }
    };
    eventually(PATIENCE, used).unwrap_or_else(|state| panic!("not {bytes}: {state}"));
}

fn hold(broker: &Broker, program: &Path) -> (Process, u64) {
    let socket = broker.socket();
    let options = ["--socket", socket.to_str().unwrap()];
    let command = wharf_run(&options, program, &["65536"]);
    let mut process = Process::spawn("hold", command, PATIENCE * 2).unwrap();
    let ready = process.hear(PATIENCE).unwrap();
    let pid = ready.strip_prefix("ready ").unwrap().parse().unwrap();
    (process, pid)
}

fn state(broker: &Broker) -> Value {
    serde_json::from_str(&broker.info(&["--json"])).unwrap()
}

#[test]
fn buffers_are_the_programs_own() {
    let Some(mut holding) = Holding::start(&[]) else {
        return;
    };
    holding.order("allocate");
    let state = state(&holding.broker);
    let session = &state["sessions"][0];
    assert_eq!(session["pid"].as_u64(), Some(holding.pid), "{state}");
    assert_eq!(session["memory_bytes"].as_u64(), Some(65536), "{state}");
    assert!(session["label"].as_str().unwrap().starts_with("hold"), "{state}");
    assert_eq!(
        state["sets"][0]["name"].as_str(),
        Some("dma_heap:system"),
        "{state}"
    );
}

#[test]
fn closed_buffers_are_given_back() {
    let Some(mut holding) = Holding::start(&[]) else {
        return;
    };
    for _ in 0..2 {
        holding.order("allocate");
        holding.expect_bytes(65536);
        // Old enough to be watched.
        std::thread::sleep(std::time::Duration::from_millis(60));
        holding.order("close");
        holding.expect_bytes(0);
    }
    // Closed while it is young.
    holding.order("allocate");
    holding.order("close");
    holding.expect_bytes(0);
}

#[test]
fn mapped_buffers_are_kept() {
    let Some(mut holding) = Holding::start(&[]) else {
        return;
    };
    holding.order("allocate");
    holding.order("map");
    holding.order("close");
    std::thread::sleep(std::time::Duration::from_millis(100));
    holding.expect_bytes(65536);
    holding.order("unmap");
    holding.expect_bytes(0);
}

#[test]
fn death_frees_everything_at_once() {
    let Some(mut holding) = Holding::start(&[]) else {
        return;
    };
    for _ in 0..20 {
        holding.order("allocate");
    }
    let pid = rustix::process::Pid::from_raw(holding.pid as i32).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    holding.expect_bytes(0);
}

#[test]
fn quota_is_the_brokers() {
    let Some(mut holding) = Holding::start(&["--quota-bytes", "150000"]) else {
        return;
    };
    holding.order("allocate");
    holding.order("allocate");
    holding.ask("allocate", "ENOMEM");
    holding.order("close");
    // What was closed a moment ago counts no more, though nobody has noticed yet.
    holding.order("allocate");
    holding.ask("allocate", "ENOMEM");
}

#[test]
fn broker_that_dies_is_replaced() {
    let Some(Holding {
        broker, mut process, ..
    }) = Holding::start(&[])
    else {
        return;
    };
    let mut order = |order: &str, answer: &str| {
        process.say(order).unwrap();
        assert_eq!(process.hear(PATIENCE).unwrap(), format!("{order}: {answer}"));
    };
    order("allocate", "ok");
    let place = broker.kill();
    order("sync", "ok");
    order("allocate", "ENOMEM");
    let broker = Broker::start_in(place, &[]);
    order("allocate", "ok");
    order("sync", "ok");
    assert_eq!(state(&broker)["sets"].as_array().unwrap().len(), 1);
}
