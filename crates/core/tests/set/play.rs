//! A set and what its driver was ordered and told to pass on.

use crate::fake::{Fake, heap};
use wharf_core::negotiation::Participant;
use wharf_core::set::{
    Declared, LatePolicy, MoveFailure, News, Order, Rights, SetConfig, SetError, SetMachine, TokenId,
    TokenSpec,
};

/// A set with two heaps, whose creator gives everybody all rights it asks for.
pub(crate) struct Play {
    pub(crate) set: SetMachine,
    pub(crate) root: TokenId,
}

pub(crate) fn config() -> SetConfig {
    SetConfig {
        heaps: vec![heap("near"), heap("far")],
        late: LatePolicy::Reallocate,
        ..SetConfig::new("creator")
    }
}

impl Play {
    pub(crate) fn new(config: SetConfig) -> Self {
        let set = SetMachine::new(config, Box::new(Fake)).unwrap();
        Self {
            root: set.root(),
            set,
        }
    }

    /// Issues an expected token that grants writing and moving.
    pub(crate) fn expect(&mut self, label: &str) -> TokenId {
        self.issue(TokenSpec::expected(label))
    }

    /// Issues a token that grants writing and moving besides.
    pub(crate) fn issue(&mut self, spec: TokenSpec) -> TokenId {
        let rights = spec.rights | Rights::WRITE | Rights::MOVE;
        self.set.issue(self.root, spec.rights(rights)).unwrap()
    }

    pub(crate) fn declare(&mut self, token: TokenId, participant: Participant) -> Result<Declared, SetError> {
        self.set.declare(token, participant, &[])
    }

    /// Does what a driver with enough memory does until nothing is left to do, and returns the news.
    pub(crate) fn settle(&mut self) -> Vec<(u64, News)> {
        let mut news = Vec::new();
        loop {
            let orders = self.set.take_orders();
            if orders.is_empty() {
                return news;
            }
            for order in orders {
                match order {
                    Order::Allocate { generation, .. } => self.set.allocated(generation, Ok(())).unwrap(),
                    Order::Move { to, .. } => self.set.moved(to).unwrap(),
                    Order::Free { .. } => {}
                    Order::Tell { whom, news: one } => news.push((whom.0, one)),
                }
            }
        }
    }

    /// Begins with participants that are there when the memory is allocated, and the creator gone.
    pub(crate) fn begun(
        config: SetConfig,
        participants: impl IntoIterator<Item = Participant>,
    ) -> (Self, Vec<TokenId>) {
        let mut play = Self::new(config);
        let tokens: Vec<TokenId> = participants
            .into_iter()
            .map(|participant| {
                let token = play.expect(&participant.label.clone());
                play.declare(token, participant).unwrap();
                token
            })
            .collect();
        // Stays for tokens to be issued from it.
        play.set.seal(play.root).unwrap();
        play.settle();
        (play, tokens)
    }

    /// The news there are, without the orders.
    pub(crate) fn news(&mut self) -> Vec<(u64, News)> {
        let orders = self.set.take_orders().into_iter();
        let news = orders.filter_map(|order| match order {
            Order::Tell { whom, news } => Some((whom.0, news)),
            _ => None,
        });
        news.collect()
    }

    /// The orders there are, without the news.
    pub(crate) fn orders(&mut self) -> Vec<Order> {
        let orders = self.set.take_orders();
        orders
            .into_iter()
            .filter(|order| !matches!(order, Order::Tell { .. }))
            .collect()
    }

    /// Fails a move that has been ordered.
    pub(crate) fn fail_move(&mut self, to: u64, failure: MoveFailure) {
        self.set.not_moved(to, failure).unwrap();
    }
}

/// The number of pages that a buffer has.
pub(crate) fn size(play: &Play) -> u64 {
    play.set.plan().unwrap().size_bytes() / 4096
}
