//! Memory that should not be shared, or that is shared with strings attached.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails fails the test"
)]

mod common;

use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use common::{Broker, memfd, page};
use rustix::fs::SealFlags;
use wharf_memory::{Access, Mapping};
use wharf_protocol::{BrokerError, CreateStream, JoinStream, Policy, SetId};
use wharf_stream::{CONSUMER_PAGE_BYTES, RING_PAGE_BYTES};

fn create(set: SetId) -> CreateStream {
    CreateStream {
        set,
        name: String::new(),
        max_consumers: 1,
        room_ms: None,
        polled: None,
        rotation: None,
    }
}

/// Things that are no ring page, each with a word of what is wrong with it.
fn not_a_ring_page() -> Vec<(Box<dyn AsFd>, &'static str)> {
    let size = RING_PAGE_BYTES as u64;
    let all = SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL;
    let file = tempfile::tempfile().unwrap();
    file.set_len(size).unwrap();
    vec![
        (Box::new(memfd(size, SealFlags::empty())), "F_SEAL_SHRINK"),
        (Box::new(memfd(size, all - SealFlags::GROW)), "F_SEAL_GROW"),
        (
            Box::new(memfd(size, all - SealFlags::FUTURE_WRITE)),
            "F_SEAL_FUTURE_WRITE",
        ),
        (Box::new(memfd(size, all - SealFlags::SEAL)), "F_SEAL_SEAL"),
        (Box::new(memfd(size + 4096, all)), "bytes"),
        (Box::new(memfd(4096, all)), "bytes"),
        (Box::new(rustix::pipe::pipe().unwrap().0), "not a memfd"),
        (Box::new(file), "not a memfd"),
    ]
}

#[test]
fn pages_that_cannot_be_shared_are_refused() {
    let broker = Broker::start();
    let mut camera = broker.client("camera");
    let set = camera.allocate(4096, 4).0.set;
    for (fd, expected) in not_a_ring_page() {
        match camera.call_with(create(set), &[&*fd]) {
            Err(BrokerError::BadPage { reason }) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let good = page(RING_PAGE_BYTES);
    assert!(
        matches!(camera.call(create(set)), Err(BrokerError::BadPage { .. })),
        "none at all"
    );
    assert!(
        matches!(
            camera.call_with(create(set), &[&good, &good]),
            Err(BrokerError::BadPage { .. })
        ),
        "two"
    );
    camera.call_with(create(set), &[&good]).unwrap();
    drop(camera);
    broker.wait_until_empty();
}

#[test]
fn consumer_page_without_seals_does_not_join() {
    let broker = Broker::start();
    let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
    let produced = camera.stream(4, 1);
    let token = camera.stream_token(produced.stream, 1);
    let unsealed = memfd(CONSUMER_PAGE_BYTES as u64, SealFlags::SHRINK);
    let join = JoinStream::new(token.clone(), 1, Policy::Block);
    assert!(matches!(
        viewer.call_with(join, &[&unsealed]),
        Err(BrokerError::BadPage { .. })
    ));
    assert_eq!(produced.status.slot(0), (0, 0));
    viewer.join(&token, 1).unwrap();
}

/// A program that holds a lease on the memory it gets as its standard input, and says so.
///
/// A lease makes whoever opens the file wait until its holder lets go. Only a description that was opened can have one.
const LEASEHOLDER: &str = "
import fcntl, os, signal, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
own = os.open('/proc/self/fd/0', os.O_RDWR)
fcntl.fcntl(own, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('held', flush=True)
time.sleep(1000)
";

struct Leaseholder(Child);

impl Leaseholder {
    fn start(fd: &dyn AsFd) -> Option<Self> {
        let fd = fd.as_fd().try_clone_to_owned().unwrap();
        let program = Command::new("python3")
            .args(["-c", LEASEHOLDER])
            .stdin(fd)
            .stdout(Stdio::piped())
            .spawn();
        let mut holder = Self(program.ok()?);
        let mut line = String::new();
        BufReader::new(holder.0.stdout.take()?)
            .read_line(&mut line)
            .ok()?;
        (line == "held\n").then_some(holder)
    }
}

impl Drop for Leaseholder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn lease_on_memory_does_not_make_the_broker_wait() {
    let broker = Broker::start();
    let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
    let (set, buffers) = camera.allocate(4096, 2);
    let ring = page(RING_PAGE_BYTES);
    let mut holders = buffers
        .iter()
        .map(|buffer| Leaseholder::start(buffer))
        .collect::<Vec<_>>();
    // The page is sealed, so that it cannot be opened for writing any more: it has to be leased before.
    let leased_page = memfd(RING_PAGE_BYTES as u64, SealFlags::SHRINK | SealFlags::GROW);
    holders.push(Leaseholder::start(&leased_page));
    if holders.iter().any(Option::is_none) {
        eprintln!("skipped: there is no python3 that can take a lease");
        return;
    }
    rustix::fs::fcntl_add_seals(&leased_page, SealFlags::FUTURE_WRITE | SealFlags::SEAL).unwrap();
    // A broker that waits for the lease answers after 45 seconds, and the call gives up before.
    let stream = camera
        .call_with(create(set.set), &[&leased_page])
        .unwrap()
        .0
        .stream;
    let token = camera.stream_token(stream, 1);
    let (_, fds) = viewer.join(&token, 1).unwrap();
    for index in [0, 3, 4] {
        assert!(
            Mapping::map(&fds[index], 4096, Access::ReadWrite).is_err(),
            "shared as it is, and yet unwritable"
        );
    }
    let set = camera.allocate(4096, 2).0.set;
    camera.call_with(create(set), &[&ring]).unwrap();
}
