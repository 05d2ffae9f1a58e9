//! Doorbells of those who wait with poll or epoll: who has an end of which, and when the broker rings. Contract: S7, P1.
//!
//! A consumer that polls has one bell with three ends: its own, the producer's, and the broker's. A producer that polls has
//! one with two ends that the broker rings, and one with two ends for each consumer, so that no consumer can take away what another
//! rang. All are made before the call that needs them is served.

use wharf_protocol::{Amounts, BrokerError, JoinStream, StreamId};

use super::accounts::NOTHING;
use super::operations::Work;
use super::stream::Stream;
use super::{Answered, Effect, FdHandle, Machine, OperationId, Request};

/// The ends of the bells that were made for a call.
#[derive(Clone, Debug)]
pub(super) struct Bells(Vec<Vec<FdHandle>>);

/// The ends of a consumer's bell that the broker keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemberBell {
    /// The producer's, who may ask for it again.
    pub(super) producer: FdHandle,
    /// The one the broker rings.
    pub(super) broker: FdHandle,
}

/// The bells that come into being with a consumer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct JoinBells {
    /// The ends of its own that the broker keeps, if it polls.
    pub(super) own: Option<MemberBell>,
    /// The producer's end of the one that the consumer rings, if the producer polls.
    pub(super) producers: Option<FdHandle>,
    /// What the consumer gets: its end of its own bell, and of the producer's.
    pub(super) for_consumer: [Option<FdHandle>; 2],
}

impl Bells {
    pub(super) fn handles(&self) -> Vec<FdHandle> {
        self.0.concat()
    }

    /// The ends of the only bell of a stream: the producer's, which it is sent, and the broker's.
    pub(super) fn of_stream(&self) -> Option<(FdHandle, FdHandle)> {
        match self.0.first()?[..] {
            [producer, broker] => Some((producer, broker)),
            _ => None,
        }
    }

    /// The bells made for a consumer.
    pub(super) fn of_member(&self) -> JoinBells {
        let mut bells = JoinBells::default();
        for ends in &self.0 {
            match ends[..] {
                [consumer, producer, broker] => {
                    bells.own = Some(MemberBell { producer, broker });
                    bells.for_consumer[0] = Some(consumer);
                }
                [producer, consumer] => {
                    bells.producers = Some(producer);
                    bells.for_consumer[1] = Some(consumer);
                }
                _ => {}
            }
        }
        bells
    }
}

impl JoinBells {
    /// What is kept costs, as long as the stream runs.
    pub(super) fn cost(&self) -> Amounts {
        Amounts {
            fds: self.kept().len() as u64,
            ..NOTHING
        }
    }

    /// The ends the broker keeps.
    pub(super) fn kept(&self) -> Vec<FdHandle> {
        let own = self.own.map(|own| [own.producer, own.broker]);
        own.into_iter().flatten().chain(self.producers).collect()
    }
}

impl Machine {
    /// Has the bells made that a join needs; `None` if they are there or none are needed.
    pub(super) fn bells_for_joining(
        &mut self,
        request: &Request,
        call: &JoinStream,
        id: StreamId,
    ) -> Option<Answered> {
        let rings_producer = self.streams.get(&id).is_some_and(|stream| stream.bell.is_some());
        let own = call.polled.unwrap_or(false).then_some(3);
        let ends: Vec<u32> = own.into_iter().chain(rings_producer.then_some(2)).collect();
        self.make_bells(request, ends)
    }

    /// Has bells with so many ends made for a call, which is served again then; `None` if they are there or none are needed.
    pub(super) fn make_bells(&mut self, request: &Request, ends: Vec<u32>) -> Option<Answered> {
        if ends.is_empty() || request.bells.is_some() {
            return None;
        }
        let cost = Amounts {
            fds: ends.iter().copied().map(u64::from).sum(),
            ..NOTHING
        };
        Some(
            self.begin(request, Work::Bells, cost, |operation| Effect::MakeBells {
                operation,
                ends,
            }),
        )
    }

    pub(super) fn bells_made(&mut self, id: OperationId, outcome: Result<Vec<Vec<FdHandle>>, BrokerError>) {
        let Some(mut operation) = self.conclude(id, Work::Bells) else {
            return self.drop_handles(outcome.unwrap_or_default().concat());
        };
        match outcome {
            Ok(bells) => {
                if let Ok(caller) = self.caller(operation.request.peer) {
                    self.accounts.release(caller.uid, operation.cost);
                }
                operation.request.bells = Some(Bells(bells));
                self.serve(operation.request);
            }
            Err(error) => self.abandon(operation, error),
        }
    }

    /// Rings for the producer of a stream that polls.
    pub(super) fn ring_producer(&mut self, id: StreamId) {
        self.ring(self.streams.get(&id).and_then(|stream| stream.bell));
    }

    /// Rings for everybody in a stream who polls.
    pub(super) fn ring_all(&mut self, id: StreamId) {
        let bells: Vec<FdHandle> = self.streams.get(&id).map(Stream::bells).unwrap_or_default();
        self.ring(bells);
    }

    pub(super) fn ring(&mut self, bells: impl IntoIterator<Item = FdHandle>) {
        let bells: Vec<FdHandle> = bells.into_iter().collect();
        if !bells.is_empty() {
            self.effects.push(Effect::Ring { bells });
        }
    }
}
