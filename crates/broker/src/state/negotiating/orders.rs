//! Doing what a set wants done.

use wharf_core::set::{News, Order, TokenId};
use wharf_protocol::{BrokerError, SetId};

use super::errors::broker_error;
use crate::state::Machine;

impl Machine {
    /// Does what a set wants done, until it wants nothing more.
    pub(super) fn follow_orders(&mut self, id: SetId) {
        loop {
            let Ok(set) = self.negotiating.set_mut(id) else {
                return;
            };
            let orders = set.machine.take_orders();
            if orders.is_empty() {
                break;
            }
            for order in orders {
                self.follow_order(id, order);
            }
        }
        self.put_into_use(id);
        self.negotiating.touch(id);
    }

    fn follow_order(&mut self, id: SetId, order: Order) {
        match order {
            Order::Allocate {
                generation,
                plan,
                heaps,
            } => self.ask_heap(id, generation, *plan, heaps),
            Order::Move { to, .. } => self.begin_negotiated_move(id, to),
            Order::Free { generation } => self.give_up(id, generation),
            Order::Tell { whom, news } => self.told(id, TokenId::from(whom), news),
        }
    }

    /// What somebody is to hear. Who has buffers or waits for them is looked at when the event is over; here is what does not show then.
    fn told(&mut self, id: SetId, token: TokenId, news: News) {
        match news {
            News::Refused(error) => {
                if let Ok(set) = self.negotiating.set_mut(id) {
                    let refusal = broker_error(id, error);
                    set.refusals.entry(token).or_insert(refusal);
                }
            }
            News::Lost | News::Replaced { .. } => self.forget_seat(id, token),
            News::Over(_) => self.lose_place(id, token),
            News::LeftOut => {
                if let Ok(set) = self.negotiating.set_mut(id)
                    && set.writer == Some(token)
                {
                    set.writer = None;
                }
            }
            News::Ready { .. } | News::Moved { .. } => {}
        }
    }

    /// Notes why a move came to nothing, in the words of whoever failed, for the one who is refused for it.
    pub(super) fn note_refusal(&mut self, id: SetId, token: TokenId, error: BrokerError) {
        if let Ok(set) = self.negotiating.set_mut(id) {
            set.refusals.insert(token, error);
        }
    }
}
