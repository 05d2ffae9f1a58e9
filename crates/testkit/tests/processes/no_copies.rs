//! Frames pass from process to process without passing through the kernel. Contract: S6.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use wharf_testkit::actor::{Actor, Behavior, ConsumerTerms, Order, Report, Role};
use wharf_testkit::{Pattern, eventually, skip};

use super::world::{PATIENCE, World, every_frame, open, spawn, spawn_through};

const FRAME_BYTES: u64 = 8 << 20;
const FRAMES: u64 = 200;
const BUFFERS: u32 = 4;
/// What all system calls of a process together may have moved: an eighth of one frame. Orders, reports and the talk with the
/// broker are far below that.
const FEW_BYTES: u64 = FRAME_BYTES / 8;
/// Every system call that can move bytes from or to memory, by name; a kernel need not know them all.
const TRANSFERS: &str = "trace=read,write,pread64,pwrite64,readv,writev,?preadv,?pwritev,?preadv2,?pwritev2,sendmsg,recvmsg,\
    sendto,recvfrom,?sendmmsg,?recvmmsg,?sendfile,splice,?vmsplice,?tee,copy_file_range,process_vm_readv,process_vm_writev";

/// Brings a producer and a consumer of large frames together, of which the first 400 KiB are filled and looked at.
fn bring_together(world: &World, producer: &mut Actor, consumer: &mut Actor) {
    let pattern = Pattern {
        seed: 1,
        len_bytes: 400 << 10,
    };
    producer.connect(&world.socket(), "camera").unwrap();
    producer.tell(&open(BUFFERS, FRAME_BYTES, pattern)).unwrap();
    let token = producer.token(1).unwrap();
    consumer.connect(&world.socket(), "encoder").unwrap();
    let behavior = Behavior::Steady { keep: 1, hold_us: 0 };
    let terms: ConsumerTerms = every_frame(&token, 2, behavior, pattern);
    consumer.tell(&Order::Join(terms)).unwrap();
    producer.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
}

/// Publishes all frames and waits until they have arrived.
fn pass_frames(producer: &mut Actor, consumer: &mut Actor) {
    for _ in 0..FRAMES {
        let report = producer.ask(&Order::PublishOne { patience_ms: 20_000 }).unwrap();
        assert!(matches!(report, Report::Published { .. }), "{report:?}");
    }
    let all = eventually(PATIENCE, || match consumer.tally().unwrap() {
        tally if tally.last_seq == FRAMES => Ok(tally),
        tally => Err(tally),
    });
    let tally = all.unwrap();
    assert_eq!((tally.received, tally.bytes_copied), (FRAMES, 0));
}

#[test]
fn system_calls_move_no_frame_bytes() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("system_calls_move_no_frame_bytes: strace is not installed");
    }
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let logs = ["producer", "consumer"].map(|role| directory.path().join(role));
    let [mut producer, mut consumer] =
        [(Role::Producer, &logs[0]), (Role::Consumer, &logs[1])].map(|(role, log)| spawn_traced(&role, log));
    bring_together(&world, &mut producer, &mut consumer);
    pass_frames(&mut producer, &mut consumer);
    for actor in [producer, consumer] {
        actor.finish().unwrap();
    }
    for log in &logs {
        let trace = fs::read_to_string(log).unwrap();
        let moved = moved_bytes(&trace);
        assert!(
            trace.contains("+++ exited with 0 +++"),
            "the trace is not complete: {}",
            log.display()
        );
        assert!(
            moved > 0 && moved < FEW_BYTES,
            "{moved} bytes in {}",
            log.display()
        );
        eprintln!(
            "{}: {moved} bytes in system calls for {FRAMES} frames of {FRAME_BYTES}",
            log.display()
        );
    }
    world.finish();
}

fn spawn_traced(role: &Role, log: &Path) -> Actor {
    let options = ["strace", "-f", "-q", "-s", "0", "-e", TRANSFERS, "-o"].map(OsStr::new);
    let wrapper: Vec<&OsStr> = options.into_iter().chain([log.as_os_str()]).collect();
    spawn_through(&wrapper, role)
}

/// The sum of what the calls in a trace returned: bytes moved.
fn moved_bytes(trace: &str) -> u64 {
    let returned = |line: &str| line.rsplit_once(" = ")?.1.split(' ').next()?.parse::<u64>().ok();
    trace.lines().filter_map(returned).sum()
}

#[test]
fn kernel_counts_no_frame_bytes_read_or_written() {
    if !Path::new("/proc/self/io").exists() {
        return skip("kernel_counts_no_frame_bytes_read_or_written: this kernel has no /proc/PID/io");
    }
    let world = World::new();
    let (mut producer, mut consumer) = (spawn(Role::Producer), spawn(Role::Consumer));
    bring_together(&world, &mut producer.actor, &mut consumer.actor);
    let pids = [producer.actor.pid(), consumer.actor.pid()];
    let before = pids.map(transferred_bytes);
    pass_frames(&mut producer.actor, &mut consumer.actor);
    for (pid, before) in pids.into_iter().zip(before) {
        let moved = transferred_bytes(pid) - before;
        assert!(moved < FEW_BYTES, "{moved} bytes by process {pid}");
        eprintln!("process {pid}: {moved} bytes read and written for {FRAMES} frames of {FRAME_BYTES}");
    }
    producer.close();
    consumer.close();
    world.finish();
}

/// Bytes a process has read and written by system calls so far.
fn transferred_bytes(pid: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let count = |name: &str| {
        let line = io.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    count("rchar:") + count("wchar:")
}
