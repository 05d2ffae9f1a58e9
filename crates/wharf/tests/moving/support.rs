//! Streams that move, and who hinders them.

use std::time::{Duration, Instant};
use wharf::{
    BrokerError, CallError, Consumer, Hindrance, JoinOptions, Producer, Reallocation, Role, SessionError,
};

use crate::common::{Fixture, PATIENCE, assert_whole, publish_whole, spec};

impl Fixture {
    pub(crate) fn producer(&self, count: u32) -> Producer {
        self.stream_in(&spec(4096, count))
    }

    /// Joins as the only consumer, after others have left.
    pub(crate) fn join_after(&self, producer: &mut Producer, options: JoinOptions) -> Consumer {
        let token = producer.token(1).unwrap();
        let consumer = self.session("viewer").join(&token, options).unwrap();
        assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());
        consumer
    }

    /// What the broker has booked for everybody, in bytes of buffers.
    pub(crate) fn booked_bytes(&self) -> u64 {
        let state = self.session("looker").state().unwrap();
        state.users.iter().map(|user| user.used.bytes).sum()
    }
}

/// Publishes and receives until the stream lies in `generation`.
pub(crate) fn run_until(producer: &mut Producer, consumers: &mut [&mut Consumer], generation: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (seq, lies_in) = publish_whole(producer);
        for consumer in consumers.iter_mut() {
            let frame = consumer.receive(PATIENCE).unwrap();
            assert_eq!(
                (frame.seq(), frame.skipped(), frame.generation()),
                (seq, 0, lies_in)
            );
            assert_whole(&frame);
        }
        if lies_in == generation {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the stream stays in generation {lies_in}"
        );
    }
}

/// Moves the stream while frames flow.
pub(crate) fn move_on(producer: &mut Producer, consumers: &mut [&mut Consumer], to: &Reallocation<'_>) {
    let generation = producer.begin_move(to).unwrap();
    run_until(producer, consumers, generation);
    assert!(producer.is_moved(generation).unwrap());
}

pub(crate) fn blockers(error: &SessionError) -> Vec<(String, Role, Hindrance)> {
    match error {
        SessionError::Call(CallError::Broker(BrokerError::MoveBusy { blockers, .. })) => blockers
            .iter()
            .map(|blocker| {
                assert_eq!(blocker.pid, std::process::id());
                (blocker.label.clone(), blocker.role, blocker.reason)
            })
            .collect(),
        other => panic!("{other}"),
    }
}
