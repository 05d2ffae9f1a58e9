//! Frames published before their contents are there, and frames that are read after their release.

mod buffers;
mod contents;
mod depth;
mod hostile;
mod waiting;

use std::sync::Arc;

use wharf_core::Errno;
use wharf_stream::{FrameInfo, Points, PointsWriter, Policy, Sleepers, lend, settle};

use crate::support::{ConsumerOf, Kind, Place, ProducerOf, Stream, claim};

/// A stream of one consumer, both sides' points, and what each sees of the other's.
struct Pair<K: Kind> {
    stream: Stream<K>,
    page: K::Page,
    producer: ProducerOf<K>,
    consumer: ConsumerOf<K>,
    contents: PointsWriter<K::Own>,
    releases: PointsWriter<K::Own>,
}

type PointsOf<K> = Points<<K as Kind>::Other, <K as Kind>::Own>;

impl<K: Kind> Pair<K> {
    fn new(buffers: usize, depth: usize, policy: Policy) -> Self {
        let stream = Stream::<K>::new(buffers);
        let mut producer = stream.producer();
        producer.take_status_change();
        let Place {
            page,
            member,
            consumer,
        } = stream.place(0, depth, policy);
        producer.take_status_change();
        producer.admit(member);
        Self {
            contents: PointsWriter::of_producer(K::own(&stream.ring)),
            releases: PointsWriter::of_consumer(K::own(&page)),
            stream,
            page,
            producer,
            consumer,
        }
    }

    fn of_producer(&self) -> PointsOf<K> {
        Points::of_producer(
            (K::other(&self.stream.ring), K::other(&self.stream.status)),
            Arc::new(Sleepers::of_consumer(K::own(&self.page))),
        )
    }

    fn of_consumer(&self) -> PointsOf<K> {
        Points::of_consumer(
            (K::other(&self.page), K::other(&self.stream.status)),
            (0, self.consumer.incarnation()),
            Arc::new(Sleepers::of_producer(K::own(&self.stream.ring))),
        )
    }

    /// Publishes a frame that is not there yet: its number and its buffer.
    fn publish_unfinished(&mut self) -> (usize, u64) {
        let buffer = self.producer.try_acquire().unwrap();
        let info = FrameInfo::default();
        (buffer, self.producer.publish_unfinished(buffer, &info).unwrap())
    }

    fn finish(&mut self, point: (usize, u64), error: Option<Errno>) {
        self.contents.finish(point, error, [&K::other(&self.page)]);
    }

    /// Claims the next frame and lends it.
    fn claim_and_lend(&mut self) -> (usize, u64) {
        let claim = claim(&mut self.consumer);
        let point = lend(
            &K::own(&self.page),
            &K::other(&self.stream.ring),
            None,
            claim.buffer,
        );
        assert_eq!(point, Some(claim.seq));
        (claim.buffer, claim.seq)
    }

    fn settle(&mut self, point: (usize, u64), error: Option<Errno>) {
        settle(
            &mut self.releases,
            (&K::other(&self.stream.ring), None),
            point,
            error,
        );
    }
}
