//! A producer that fills every frame with its number.

use crate::stage::{Stage, Words, incarnation};
use shuttle::sync::atomic::Ordering;
use std::sync::Arc;
use wharf_memory::WriteWords as _;
use wharf_stream::layout::ring;
use wharf_stream::{Member, Places, Producer};

/// What a buffer holds while it is being filled.
const FILLING: u64 = u64::MAX;

pub(crate) struct Maker {
    stage: Arc<Stage>,
    pub(crate) producer: Producer<Words, Words>,
}

impl Maker {
    pub(crate) fn new(stage: &Arc<Stage>) -> Self {
        let mut producer = Producer::new(stage.ring.clone(), stage.status.clone(), stage.buffers.len());
        producer.take_status_change();
        Self {
            stage: stage.clone(),
            producer,
        }
    }

    /// Lets those in whose first frame is the next.
    fn admit(&mut self) {
        for (slot, seat) in self.stage.seats.iter().enumerate() {
            if seat.first == self.producer.head() + 1 {
                let page = self.stage.consumers[slot].clone();
                let member = Member::new(slot, incarnation(slot), seat.depth, seat.policy, page);
                self.producer.admit(member);
            }
        }
    }

    /// Publishes all frames, asleep while it is blocked; before each it does something.
    pub(crate) fn publish_all(&mut self, before: fn(&Stage)) {
        for seq in 1..=self.stage.frames {
            before(&self.stage);
            self.admit();
            let buffer = self.acquire();
            let contents = &self.stage.buffers[buffer];
            contents.store(FILLING, Ordering::SeqCst);
            contents.store(seq, Ordering::SeqCst);
            // The frame's slot says its number once more, so that a slot copied while it is written shows.
            let describe = |ring: &Words, places: Places| {
                ring.store_u64(places.slot + ring::GENERATION, seq, Ordering::Relaxed);
            };
            assert_eq!(self.producer.publish_with(buffer, describe), Some(seq));
        }
    }

    pub(crate) fn acquire(&mut self) -> usize {
        loop {
            if self.producer.take_status_change() || self.producer.has_departures() {
                self.producer.drop_departed();
            }
            if let Some(buffer) = self.producer.acquire_now() {
                return buffer;
            }
            if let (Some(buffer), _) = self.producer.wait(None, Producer::acquire_now) {
                return buffer;
            }
        }
    }
}
