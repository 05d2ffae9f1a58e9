//! What participants count in their pages is what they did: seen by a process that only looks.

use std::os::fd::OwnedFd;

use wharf_memory::{Access, Mapping, ReadOnlyWords};
use wharf_protocol::transport::BlockingClient;
use wharf_protocol::{Member, StreamId, WatchStream};
use wharf_stream::stats::{ConsumerLook, Quantile, Watched};
use wharf_stream::{
    CONSUMER_PAGE_BYTES, CONSUMER_PAGE_CELLS, RING_PAGE_BYTES, RING_PAGE_CELLS, STATUS_PAGE_BYTES,
    STATUS_PAGE_CELLS,
};
use wharf_testkit::actor::{Behavior, Order};
use wharf_testkit::{Pattern, Rng};

use super::world::{PATIENCE, World, assert_complete, every_frame, latest};

/// Takes its time with each frame, so that others have to wait for it.
const SLOW: Behavior = Behavior::Steady {
    keep: 1,
    hold_us: 3000,
};

fn map(fd: &OwnedFd, len_bytes: usize, cells: usize) -> ReadOnlyWords {
    let mapping = Mapping::map(fd, len_bytes, Access::ReadOnly).unwrap();
    ReadOnlyWords::new(mapping, cells).unwrap()
}

/// The pages of a stream.
struct Pages {
    stream: Watched<ReadOnlyWords>,
    consumers: Vec<(Member, ReadOnlyWords)>,
}

impl Pages {
    fn take(world: &World) -> Self {
        let mut client = BlockingClient::connect(&world.socket(), PATIENCE).unwrap();
        let stream = StreamId(1);
        let (reply, fds) = client.call(WatchStream { stream }, &[], PATIENCE).unwrap();
        let ring = map(&fds[0], RING_PAGE_BYTES, RING_PAGE_CELLS);
        let status = map(&fds[1], STATUS_PAGE_BYTES, STATUS_PAGE_CELLS);
        let pages = fds[2..]
            .iter()
            .map(|fd| map(fd, CONSUMER_PAGE_BYTES, CONSUMER_PAGE_CELLS));
        Self {
            stream: Watched::new(ring, status),
            consumers: reply.members.into_iter().zip(pages).collect(),
        }
    }

    fn look(&self, label: &str) -> ConsumerLook {
        let mut consumers = self.consumers.iter();
        let (member, page) = consumers.find(|(member, _)| member.label == label).unwrap();
        let slot = member.slot.0 as usize;
        self.stream.consumer(page, slot, member.incarnation.0).unwrap()
    }
}

#[test]
fn counts_of_a_stream_are_what_its_processes_did() {
    let pattern = Pattern::whole(Rng::from_env("statistics").next_u64());
    let world = World::new();
    let mut camera = world.producer(8, pattern);
    let token = camera.actor.token(20).unwrap();
    let mut encoder = world.consumer("encoder", &every_frame(&token, 3, SLOW, pattern));
    let mut viewer = world.consumer("viewer", &latest(&token, 1, SLOW, pattern));
    camera.actor.tell(&Order::AwaitConsumers { count: 2 }).unwrap();
    let pages = Pages::take(&world);
    assert!(pages.stream.layout_matches());
    camera.actor.tell(&Order::Run { pause_us: 100 }).unwrap();
    encoder.await_more(30);
    let last = camera.actor.pause().unwrap();
    let of_encoder = encoder.await_tally("the last frame", |tally| tally.last_seq == last);
    let of_viewer = viewer.await_tally("the last frame", |tally| tally.last_seq == last);
    assert_complete(&of_encoder, last);
    let producer = pages.stream.producer();
    assert_eq!(producer.published, last);
    assert!(producer.waits > 0, "the encoder was slow: {producer:?}");
    assert!(producer.waited_ns > 10_000_000, "{producer:?}");
    assert!(producer.wakes <= last);
    assert_eq!(producer.failures, 0);
    let look = pages.look("encoder");
    assert_eq!(
        (look.received(), look.skipped, look.queued),
        (of_encoder.received, 0, 0)
    );
    assert_eq!(look.holds.len(), of_encoder.holding);
    assert!(look.latency.quantile_ns(Quantile::P50).unwrap() > 0);
    let look = pages.look("viewer");
    assert_eq!(
        (look.received(), look.skipped),
        (of_viewer.received, of_viewer.skipped)
    );
    assert_eq!((look.queued, look.holds.len()), (0, of_viewer.holding));
    encoder.close();
    viewer.close();
    camera.close();
    world.finish();
}
