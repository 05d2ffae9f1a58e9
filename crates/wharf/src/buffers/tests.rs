//! What the broker's own sealing hides from outside: what owners have sealed themselves.

use super::{BrokerBuffer, BufferSet, BufferSpec};
use crate::Session;
use std::os::fd::AsFd;
use wharf_broker::Embedded;
use wharf_linux::Memfd;

fn allocate(broker: &Embedded) -> BufferSet {
    let session = Session::connect_to(broker.socket_path(), "test").unwrap();
    let spec = BufferSpec {
        name: "t",
        size_bytes: 4096,
        count: 2,
    };
    session.allocate(&spec).unwrap()
}

fn exporter(set: &BufferSet, index: usize) -> &BrokerBuffer {
    set.buffers()[index].exporter::<BrokerBuffer>().unwrap()
}

/// Which buffers nobody can map for writing any more.
fn sealed(set: &BufferSet) -> Vec<bool> {
    let is_sealed = |index| {
        let seals = exporter(set, index).memory.memfd().inspect().unwrap().seals;
        seals.contains(Memfd::WRITE_SEALED)
    };
    (0..set.buffers().len()).map(is_sealed).collect()
}

#[test]
fn owner_seals_the_buffers_whose_descriptors_nobody_else_can_have() {
    let broker = Embedded::start().unwrap();
    let set = allocate(&broker);
    exporter(&set, 1).as_fd();
    assert_eq!(sealed(&set), [false, false]);
    set.seal();
    assert_eq!(sealed(&set), [true, false]);
    set.seal();
    let token = set.token(1).unwrap();
    assert!(!token.reveal().is_empty());
    assert_eq!(sealed(&set), [true, true], "the broker seals the rest");
}
