//! The consumer.

use crate::seat::Seat;
use crate::stage::{Chair, Failure, Part, perform, refused};
use wharf::core::negotiation::Participant;
use wharf::{JoinOptions, Policy, Session, now_ns};
use wharf_testkit::actor::{ConsumerTerms, MoveStage, Order, Report};

pub(crate) fn play() -> Result<(), Failure> {
    perform(Audience {
        chair: Chair::default(),
        seat: None,
        stop_at: None,
    })
}

struct Audience {
    chair: Chair,
    seat: Option<Seat>,
    /// Where to stop once it has joined.
    stop_at: Option<MoveStage>,
}

impl Part for Audience {
    fn is_busy(&self) -> bool {
        self.seat.as_ref().is_some_and(Seat::wants_more)
    }

    fn go_on(&mut self) -> Result<(), Failure> {
        self.seat()?.watch()
    }

    fn obey(&mut self, order: Order, session: &Session) -> Result<Report, Failure> {
        match order {
            Order::TakeSeat { token, needs } => Ok(self.chair.take(session, &token, *needs)),
            Order::TakeBuffers { patience_ms } => self.chair.keep_buffers(patience_ms),
            Order::Join(terms) => Ok(self.join(session, &terms, None)),
            Order::JoinWith { terms, needs } => Ok(self.join(session, &terms, Some(&needs))),
            Order::Tally => Ok(Report::Tally(self.seat()?.tally())),
            Order::History => Ok(Report::History(self.seat()?.history().to_vec())),
            Order::StopAt(stage) => {
                match &mut self.seat {
                    Some(seat) => seat.stop_at(stage),
                    None => self.stop_at = Some(stage),
                }
                Ok(Report::Done)
            }
            Order::Leave => {
                let mut seat = self.seat.take().ok_or("not in a stream")?;
                seat.let_go(0)?;
                Ok(Report::Tally(seat.tally()))
            }
            order => Err(format!("{order:?} is not for a consumer").into()),
        }
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.chair = Chair::default();
        self.seat.take().map_or(Ok(()), |mut seat| seat.let_go(0))
    }
}

impl Audience {
    fn seat(&mut self) -> Result<&mut Seat, Failure> {
        self.seat.as_mut().ok_or_else(|| "not in a stream".into())
    }

    fn join(&mut self, session: &Session, terms: &ConsumerTerms, needs: Option<&Participant>) -> Report {
        let policy = match terms.policy {
            wharf_protocol::Policy::Block => Policy::Block,
            wharf_protocol::Policy::Latest => Policy::Latest,
        };
        let options = JoinOptions::new(terms.depth, policy);
        let options = needs.map_or(options, |needs| options.needs(needs));
        let asked_ns = now_ns();
        match session.join(&terms.token, options) {
            Ok(consumer) => {
                let mut seat = Seat::new(consumer, terms, (asked_ns, now_ns()));
                if let Some(stage) = self.stop_at.take() {
                    seat.stop_at(stage);
                }
                self.seat = Some(seat);
                Report::Done
            }
            Err(error) => refused(&error),
        }
    }
}
