//! What each user holds through the broker, and how much that may be. Contract: P3.

use std::collections::BTreeMap;

use wharf_protocol::{Amounts, BrokerError, Resource};

/// The limits of the default configuration, per user: 4 GiB in 1024 buffers, 64 sessions, 64 streams and 4096 file
/// descriptors held by the broker.
pub const DEFAULT_QUOTA: Amounts = Amounts {
    bytes: 4 << 30,
    buffers: 1024,
    sessions: 64,
    streams: 64,
    fds: 4096,
};

pub(super) const NOTHING: Amounts = Amounts {
    bytes: 0,
    buffers: 0,
    sessions: 0,
    streams: 0,
    fds: 0,
};

/// What a connection costs: its socket and the handle of its process.
pub(super) const CONNECTION: Amounts = Amounts { fds: 2, ..NOTHING };
/// What a registered session costs on top of its connection.
pub(super) const SESSION: Amounts = Amounts {
    sessions: 1,
    ..NOTHING
};
/// What a running stream costs: itself, its ring page and its status page.
pub(super) const RUNNING_STREAM: Amounts = Amounts {
    streams: 1,
    fds: 2,
    ..NOTHING
};
/// The part of that which is given back when the stream ends, even while consumers are still in it.
pub(super) const STREAM_PAGES: Amounts = Amounts { fds: 2, ..NOTHING };
/// The part of that which is given back when the last consumer of an ended stream has left.
pub(super) const ENDED_STREAM: Amounts = Amounts {
    streams: 1,
    ..NOTHING
};
/// What a consumer page costs its consumer as long as the stream runs.
pub(super) const CONSUMER_PAGE: Amounts = Amounts { fds: 1, ..NOTHING };

/// What the bell that the broker rings for a producer costs it as long as the stream runs.
pub(super) const STREAM_BELL: Amounts = Amounts { fds: 1, ..NOTHING };
/// What a timeline costs its owner: its page and its status page.
pub(super) const TIMELINE: Amounts = Amounts { fds: 2, ..NOTHING };
/// What the waiter page of an import of a timeline costs the importer.
pub(super) const IMPORT: Amounts = Amounts { fds: 1, ..NOTHING };

/// What a set of `count` buffers of `size_bytes` bytes each costs. A sum above 64 bits is above every quota too.
pub(super) fn cost_of_buffers(size_bytes: u64, count: u32) -> Amounts {
    let count = u64::from(count);
    Amounts {
        bytes: size_bytes.saturating_mul(count),
        buffers: count,
        fds: count,
        ..NOTHING
    }
}

/// The sum of two costs.
pub(super) fn sum(a: Amounts, b: Amounts) -> Amounts {
    zip(a, b, u64::saturating_add)
}

fn zip(a: Amounts, b: Amounts, f: impl Fn(u64, u64) -> u64) -> Amounts {
    Amounts {
        bytes: f(a.bytes, b.bytes),
        buffers: f(a.buffers, b.buffers),
        sessions: f(a.sessions, b.sessions),
        streams: f(a.streams, b.streams),
        fds: f(a.fds, b.fds),
    }
}

/// The amounts, each beside the resource it is one of.
fn by_resource(amounts: Amounts) -> [(Resource, u64); 5] {
    [
        (Resource::Bytes, amounts.bytes),
        (Resource::Buffers, amounts.buffers),
        (Resource::Sessions, amounts.sessions),
        (Resource::Streams, amounts.streams),
        (Resource::Fds, amounts.fds),
    ]
}

/// The books: one account per user that holds anything.
///
/// # Invariants
/// Nobody's use exceeds the quota in any resource. An account without use does not exist.
#[derive(Debug)]
pub(super) struct Accounts {
    quota: Amounts,
    used: BTreeMap<u32, Amounts>,
}

impl Accounts {
    pub(super) fn new(quota: Amounts) -> Self {
        Self {
            quota,
            used: BTreeMap::new(),
        }
    }

    /// Books `cost` to the user, completely or not at all.
    ///
    /// # Errors
    /// [`BrokerError::QuotaExceeded`] names the first resource that runs out.
    pub(super) fn charge(&mut self, uid: u32, cost: Amounts) -> Result<(), BrokerError> {
        self.check(uid, cost)?;
        self.set_used(uid, sum(self.used(uid), cost));
        Ok(())
    }

    /// Whether [`Accounts::charge`] would succeed.
    pub(super) fn check(&self, uid: u32, cost: Amounts) -> Result<(), BrokerError> {
        let used = self.used(uid);
        let limits = by_resource(self.quota).into_iter().zip(by_resource(used));
        for (((resource, limit), (_, used)), (_, requested)) in limits.zip(by_resource(cost)) {
            if requested > limit.saturating_sub(used) {
                return Err(BrokerError::QuotaExceeded {
                    resource,
                    limit,
                    used,
                    requested,
                    uid,
                });
            }
        }
        Ok(())
    }

    /// Takes back what [`Accounts::charge`] has booked.
    pub(super) fn release(&mut self, uid: u32, cost: Amounts) {
        let left = zip(self.used(uid), cost, u64::saturating_sub);
        debug_assert_eq!(
            sum(left, cost),
            self.used(uid),
            "user {uid} gets back more than was charged"
        );
        self.set_used(uid, left);
    }

    fn set_used(&mut self, uid: u32, used: Amounts) {
        if used == NOTHING {
            self.used.remove(&uid);
        } else {
            self.used.insert(uid, used);
        }
    }

    /// What the user holds.
    pub(super) fn used(&self, uid: u32) -> Amounts {
        self.used.get(&uid).copied().unwrap_or(NOTHING)
    }

    /// What each user may hold.
    pub(super) fn quota(&self) -> Amounts {
        self.quota
    }

    /// The users that hold something, in ascending order, with what they hold.
    pub(super) fn users(&self) -> impl Iterator<Item = (u32, Amounts)> {
        self.used.iter().map(|(&uid, &used)| (uid, used))
    }
}

/// Whether a user who has `used` of something that is counted one by one, and not on an account, may have one more.
///
/// # Errors
/// [`BrokerError::QuotaExceeded`].
pub(super) fn one_more(uid: u32, resource: Resource, used: usize, limit: usize) -> Result<(), BrokerError> {
    if used < limit {
        return Ok(());
    }
    Err(BrokerError::QuotaExceeded {
        resource,
        limit: limit as u64,
        used: used as u64,
        requested: 1,
        uid,
    })
}
