//! Work of this process on the frames of a stream, as the other side is told of it.

use super::{Contexts, when_signaled};
use crate::lock::lock;
use std::sync::{Arc, Mutex};
use wharf_core::{Errno, Fence, UniqueFence};
use wharf_memory::{OwnedWords, ReadOnlyWords};
use wharf_stream::{Doorbell, MAX_BUFFERS, PointsWriter, settle};

/// Which consumer: its slot and its incarnation.
type Identity = (usize, u64);

/// The producer's work: the contents of frames published before they are there.
#[derive(Debug)]
pub(crate) struct Contents {
    contexts: Contexts,
    own: Mutex<Own>,
    /// The fence of the newest such frame in each buffer.
    last: Mutex<[Option<Fence>; MAX_BUFFERS]>,
}

#[derive(Debug)]
struct Own {
    points: PointsWriter<Arc<OwnedWords>>,
    /// The pages of the consumers, which say whether one sleeps.
    consumers: Vec<(Identity, Arc<ReadOnlyWords>)>,
}

impl Contents {
    /// `bell` is the producer's own, if it polls.
    pub(crate) fn new(ring: Arc<OwnedWords>, name: &str, bell: Option<Arc<dyn Doorbell>>) -> Arc<Self> {
        let points = PointsWriter::of_producer(ring);
        Arc::new(Self {
            contexts: Contexts::new(name),
            own: Mutex::new(Own {
                points: match bell {
                    Some(bell) => points.with_bell(bell),
                    None => points,
                },
                consumers: Vec::new(),
            }),
            last: Mutex::new([const { None }; MAX_BUFFERS]),
        })
    }

    /// Takes note of a consumer, before it gets its first frame.
    pub(crate) fn add(&self, consumer: Identity, page: Arc<ReadOnlyWords>) {
        lock(&self.own).consumers.push((consumer, page));
    }

    pub(crate) fn remove(&self, consumer: Identity) {
        lock(&self.own).consumers.retain(|(other, _)| *other != consumer);
    }

    /// A fence for the contents of frame `seq` in `buffer`.
    pub(crate) fn begin(&self, buffer: usize, seq: u64) -> UniqueFence {
        self.contexts.of(buffer).fence(seq)
    }

    /// The fence of the newest contents of `buffer`, if it is not signaled.
    pub(crate) fn pending(&self, buffer: usize) -> Option<Fence> {
        let last = lock(&self.last).get(buffer).cloned().flatten();
        last.filter(|fence| !fence.is_signaled())
    }

    /// Has the contents of frame `seq` in `buffer`, which is published, be there when `fence` is signaled: `contents` is then, too.
    pub(crate) fn finish_with(
        self: &Arc<Self>,
        (buffer, seq): (usize, u64),
        contents: UniqueFence,
        fence: &Fence,
    ) {
        if let Some(last) = lock(&self.last).get_mut(buffer) {
            *last = Some(contents.fence());
        }
        let here = Arc::clone(self);
        when_signaled(fence, move |error| {
            here.finish((buffer, seq), error);
            match error {
                None => contents.signal(),
                // A fence that has no ops is signaled by its owner only.
                Some(errno) => drop(contents.signal_error(errno)),
            }
        });
    }

    fn finish(&self, point: (usize, u64), error: Option<Errno>) {
        let mut own = lock(&self.own);
        let Own { points, consumers } = &mut *own;
        points.finish(point, error, consumers.iter().map(|(_, page)| page));
    }
}

/// A consumer's work: on frames that it has lent back.
#[derive(Debug)]
pub(crate) struct Releases {
    points: Mutex<PointsWriter<Arc<OwnedWords>>>,
}

impl Releases {
    pub(crate) fn new(page: Arc<OwnedWords>) -> Self {
        Self {
            points: Mutex::new(PointsWriter::of_consumer(page)),
        }
    }

    /// Says that the work on a frame is over.
    pub(crate) fn settle(
        &self,
        producer: (&Arc<ReadOnlyWords>, Option<&dyn Doorbell>),
        point: (usize, u64),
        error: Option<Errno>,
    ) {
        settle(&mut *lock(&self.points), producer, point, error);
    }
}
