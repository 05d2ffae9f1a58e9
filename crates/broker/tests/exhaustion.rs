//! A broker that runs out of file descriptors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails fails the test"
)]

mod common;

use std::os::unix::net::UnixStream;
use std::path::Path;

use common::child::{self, Actor};
use common::raw::Raw;
use common::{Broker, Client};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use wharf_broker::{Config, Server};
use wharf_protocol::codec::encode_call;
use wharf_protocol::{
    AllocateBuffers, Amounts, BrokerError, Call, GetState, ImportBuffers, ObjectKind, Register,
    Resource as Kind,
};

/// Plays a broker that may have 40 descriptors.
#[test]
fn poor_broker() {
    let Some(socket) = child::socket() else { return };
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(40),
            maximum: Some(40),
        },
    )
    .unwrap();
    let mut server = Server::bind(&socket, Config::default()).unwrap();
    child::tell("serving");
    server.run(std::io::stdin()).unwrap();
}

fn start(directory: &Path) -> (Actor, std::path::PathBuf) {
    let socket = directory.join("wharf-0");
    let mut broker = Actor::start("poor_broker", &socket);
    assert_eq!(broker.hear(), "serving");
    (broker, socket)
}

/// User and system time the process has used, in ticks of 10 ms.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Asks as a stranger. Whether there was an answer, or a refusal for want of descriptors.
fn ask(client: &mut Raw) -> bool {
    client.say(b"{\"method\":\"org.varlink.service.GetInfo\"}\0");
    let answer = client.hear().expect("an answer");
    if answer.starts_with(b"{\"parameters\"") {
        return true;
    }
    assert!(answer.starts_with(b"{\"error\":\"dev.wharf.Broker.OutOfDescriptors\""));
    assert_eq!(client.hear(), None, "the broker hangs up");
    false
}

#[test]
fn connections_beyond_the_limit_are_told_why_and_the_rest_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (_broker, socket) = start(directory.path());
    let mut first = Client::connect(&socket);
    first
        .call(Register {
            label: "first".to_owned(),
        })
        .unwrap();
    let mut crowd: Vec<_> = (0..60).map(|_| Raw::connect(&socket)).collect();
    let served = crowd
        .iter_mut()
        .filter_map(|client| ask(client).then_some(()))
        .count();
    assert!((1..30).contains(&served), "{served} were served");
    let buffers = |count| AllocateBuffers {
        name: String::new(),
        size_bytes: 1,
        count,
    };
    assert_eq!(
        first.call(buffers(30)).unwrap_err(),
        BrokerError::OutOfDescriptors
    );
    first.call(GetState {}).unwrap();
    drop(crowd);
    common::wait_until("there is room again", || ask(&mut Raw::connect(&socket)));
    common::wait_until("buffers can be had again", || first.call(buffers(8)).is_ok());
}

#[test]
fn broker_without_descriptors_does_not_spin() {
    let directory = tempfile::tempdir().unwrap();
    let (broker, socket) = start(directory.path());
    let _crowd: Vec<_> = (0..60).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let mut last = Raw::connect(&socket);
    assert!(!ask(&mut last));
    let before = ticks(broker.pid());
    std::thread::sleep(std::time::Duration::from_millis(500));
    let used = ticks(broker.pid()) - before;
    assert!(
        used < 25,
        "a broker that spins uses all of the 50 ticks, this one {used}"
    );
}

#[test]
fn page_that_cannot_be_received_is_not_blamed_on_its_sender() {
    let directory = tempfile::tempdir().unwrap();
    let (_broker, socket) = start(directory.path());
    let mut camera = Client::connect(&socket);
    camera
        .call(Register {
            label: "camera".to_owned(),
        })
        .unwrap();
    let set = camera.allocate(4096, 2).0.set;
    // Fill the broker up to its last descriptor: connections first, in pairs, then a single buffer.
    let crowd: Vec<_> = (0..40).map(|_| Raw::connect(&socket)).collect();
    camera.call(GetState {}).unwrap();
    while camera
        .call(AllocateBuffers {
            name: String::new(),
            size_bytes: 1,
            count: 1,
        })
        .is_ok()
    {}
    let ring = common::page(wharf_stream::RING_PAGE_BYTES);
    let create = || wharf_protocol::CreateStream {
        set,
        name: String::new(),
        max_consumers: 1,
        room_ms: None,
        polled: None,
        rotation: None,
    };
    assert_eq!(
        camera.call_with(create(), &[&ring]).unwrap_err(),
        BrokerError::OutOfDescriptors
    );
    drop(crowd);
    common::wait_until("there is room again", || {
        camera.call_with(create(), &[&ring]).is_ok()
    });
}

/// Plays a broker for which descriptors under way are counted, as they are for any but privileged processes.
#[test]
fn unprivileged_broker() {
    let Some(socket) = child::socket() else { return };
    set_capabilities(
        None,
        CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        },
    )
    .unwrap();
    let mut server = Server::bind(&socket, Config::default()).unwrap();
    // Binding has raised the limit, which is also that of descriptors under way. The broker itself has up to 70 for a moment: 20 buffers, and
    // the descriptors with which they were made until a thread has closed them.
    let limit = Some(90);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit,
            maximum: limit,
        },
    )
    .unwrap();
    child::tell("serving");
    server.run(std::io::stdin()).unwrap();
}

#[test]
fn replies_that_find_too_many_descriptors_under_way_are_sent_later() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("wharf-0");
    let mut broker = Actor::start("unprivileged_broker", &socket);
    assert_eq!(broker.hear(), "serving");
    let mut camera = Client::connect(&socket);
    let label = |label: &str| Register {
        label: label.to_owned(),
    };
    camera.call(label("camera")).unwrap();
    let set = camera.allocate(4096, 20).0.set;
    let token = camera.token(ObjectKind::Set, set.0, 1000);
    let call = |call: Call| encode_call(&call).unwrap();
    let mut greedy: Vec<_> = (0..8).map(|_| Raw::connect(&socket)).collect();
    for (index, viewer) in greedy.iter_mut().enumerate() {
        viewer.say(&call(label(&index.to_string()).into()));
        viewer.hear().unwrap();
        let import = ImportBuffers {
            token: token.clone(),
            contract: None,
        };
        viewer.say(&call(import.into()).repeat(5));
    }
    // There are more to be sent than may be under way. Whoever needs none is served at once, the rest when it reads.
    camera.call(GetState {}).unwrap();
    let listening: Vec<_> = greedy
        .into_iter()
        .map(|mut viewer| {
            std::thread::spawn(move || {
                for _ in 0..5 {
                    let answer = viewer.hear().unwrap_or_default();
                    let text = String::from_utf8_lossy(&answer);
                    assert!(text.starts_with("{\"parameters\""), "answered: {text}");
                }
            })
        })
        .collect();
    for viewer in listening {
        viewer.join().unwrap();
    }
    camera.call(GetState {}).unwrap();
}

/// Plays a broker in a process namespace of its own.
#[test]
fn secluded_broker() {
    let Some(socket) = child::socket() else { return };
    let mut server = Server::bind(&socket, Config::default()).unwrap();
    child::tell("serving");
    server.run(std::io::stdin()).unwrap();
}

#[test]
fn caller_that_the_broker_cannot_see_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("wharf-0");
    let namespace = ["unshare", "--pid", "--fork", "--kill-child"];
    let allowed = std::process::Command::new(namespace[0])
        .args(&namespace[1..])
        .arg("true")
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there can be no process namespace here");
        return;
    }
    let mut broker = Actor::start_under(&namespace, "secluded_broker", &socket);
    assert_eq!(broker.hear(), "serving");
    for _ in 0..2 {
        let mut outsider = Raw::connect(&socket);
        let error = outsider.hear_error();
        assert!(
            matches!(&error, BrokerError::ProtocolViolation { reason } if reason.contains("namespace")),
            "{error}"
        );
        assert_eq!(outsider.hear(), None);
    }
}

#[test]
fn limit_is_raised_as_far_as_allowed() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = maximum.map_or(Some(4096), |maximum| Some(maximum.min(4096) - 1));
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    let _embedded = wharf_broker::Embedded::start().unwrap();
    assert_eq!(
        getrlimit(Resource::Nofile).current,
        current,
        "an embedded broker leaves its process as it is"
    );
    let _broker = Broker::start();
    assert_eq!(getrlimit(Resource::Nofile).current, maximum);
}

#[test]
fn quota_on_descriptors_refuses_the_connection_with_the_numbers() {
    let quota = Amounts {
        fds: 5,
        ..Config::default().quota
    };
    let broker = Broker::with(Config { quota });
    let _clients = [broker.client("one"), broker.client("two")];
    let mut third = Raw::connect(broker.socket());
    let error = third.hear_error();
    let uid = rustix::process::geteuid().as_raw();
    let expected = BrokerError::QuotaExceeded {
        resource: Kind::Fds,
        limit: 5,
        used: 4,
        requested: 2,
        uid,
    };
    assert_eq!(error, expected);
    assert_eq!(third.hear(), None);
}

#[test]
fn client_that_is_refused_reads_why_even_if_it_speaks_first() {
    let quota = Amounts {
        fds: 2,
        ..Config::default().quota
    };
    let broker = Broker::with(Config { quota });
    let _only = broker.client("only");
    for _ in 0..50 {
        let mut refused = broker.connect();
        let error = refused
            .call(Register {
                label: "one too many".to_owned(),
            })
            .unwrap_err();
        assert!(
            matches!(
                error,
                BrokerError::QuotaExceeded {
                    resource: Kind::Fds,
                    ..
                }
            ),
            "{error}"
        );
    }
}
