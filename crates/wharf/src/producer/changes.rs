//! How a producer learns of consumers that come, go and die.

use super::Producer;
use super::members::{identity, policy};
use crate::connection::SHORT_PATIENCE;
use crate::error::{PageError, SessionError};
use crate::page;
use crate::watch::RingingEnd;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wharf_linux::{BellEnd, PidFd};
use wharf_protocol::transport::CallError;
use wharf_protocol::{Method, TakeChanges};
use wharf_stream::{CONSUMER_PAGE_BYTES, CONSUMER_PAGE_CELLS, Departure, MAX_CONSUMERS, Member};

/// How long a broker that did not answer is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Descriptors that come with each new member: its page and its process. Doorbells follow.
const FDS_PER_MEMBER: usize = 2;

/// What the producer still has to ask the broker.
#[derive(Debug, Default)]
pub(super) enum News {
    /// Nothing.
    #[default]
    None,
    /// Who has joined, not before this moment.
    Pending(Instant),
    /// Nothing ever again: the broker is gone.
    BrokerGone,
}

impl Producer {
    /// Takes up dropped frames and what the broker announced. Two loads when there is nothing new.
    pub(super) fn refresh(&mut self) {
        for index in self.returned.take() {
            self.ring.abandon(index);
        }
        let changed = self.ring.take_status_change();
        if changed || self.mover.is_under_way() {
            self.follow_moves();
        }
        if changed || self.ring.has_departures() {
            self.drop_departed();
        }
        if !self.older.is_empty() {
            self.drop_older();
        }
        let due = match self.news {
            News::BrokerGone => false,
            News::None => changed,
            News::Pending(due) => Instant::now() >= due,
        };
        if due {
            self.fetch_joined();
        }
    }

    /// Whether the broker is to be asked again who joined.
    pub(super) fn has_news_pending(&self) -> bool {
        matches!(self.news, News::Pending(_))
    }

    fn drop_departed(&mut self) {
        for (member, departure) in self.ring.drop_departed() {
            self.forget((member.slot(), member.incarnation()), departure);
        }
    }

    fn forget(&mut self, consumer: (usize, u64), departure: Departure) {
        self.fences.forget(consumer, departure);
        self.roster.remove(consumer, departure);
    }

    /// Asks who joined and admits them. A broker that is gone or silent, or a consumer that cannot be admitted, must not stop the
    /// frames (contract P6): what went wrong is kept for the user and tried again.
    fn fetch_joined(&mut self) {
        let request = TakeChanges {
            stream: self.stream,
            after: self.admitted,
        };
        let answer = self.connection.call_within(SHORT_PATIENCE, request, &[]);
        let outcome = answer
            .map_err(SessionError::from)
            .and_then(|(reply, fds)| self.admit_all(&reply.joined, fds));
        self.news = match outcome {
            Ok(()) => News::None,
            Err(SessionError::Call(CallError::BrokerGone { .. })) => News::BrokerGone,
            Err(trouble) => {
                self.trouble = Some(trouble);
                News::Pending(Instant::now() + RETRY_AFTER)
            }
        };
    }

    fn admit_all(
        &mut self,
        joined: &[wharf_protocol::Member],
        fds: Vec<OwnedFd>,
    ) -> Result<(), SessionError> {
        let polls = usize::from(self.watch.is_some());
        let count = |member: &wharf_protocol::Member| FDS_PER_MEMBER + usize::from(member.polls) + polls;
        let expected = joined.iter().map(count).sum();
        if fds.len() != expected {
            return Err(SessionError::Descriptors {
                method: "TakeChanges",
                expected,
                got: fds.len(),
            });
        }
        let mut fds = fds.into_iter();
        for member in joined {
            let (page, process) = (fds.next(), fds.next());
            let mut bell = |is_there: bool| is_there.then(|| fds.next()).flatten().map(BellEnd::from_fd);
            let bells = (bell(member.polls), bell(polls > 0));
            self.admit(member, page, process, bells)?;
            self.admitted = member.incarnation;
        }
        Ok(())
    }

    /// Fails when the broker has closed the connection.
    pub(super) fn check_broker(&self) -> Result<(), SessionError> {
        if self.connection.is_hung_up() {
            let method = TakeChanges::NAME;
            return Err(CallError::BrokerGone { method }.into());
        }
        Ok(())
    }

    fn admit(
        &mut self,
        member: &wharf_protocol::Member,
        page: Option<OwnedFd>,
        process: Option<OwnedFd>,
        (own, rings): (Option<BellEnd>, Option<BellEnd>),
    ) -> Result<(), SessionError> {
        let process = process
            .ok_or(PageError::Missing)
            .and_then(|fd| Ok(PidFd::from_fd(fd)?));
        let process = process.map_err(|source| SessionError::Page {
            page: "consumer",
            source,
        })?;
        let page = page::open(
            "consumer",
            page.as_ref(),
            CONSUMER_PAGE_BYTES,
            CONSUMER_PAGE_CELLS,
        )?;
        let (slot, incarnation) = identity(member);
        if slot >= MAX_CONSUMERS {
            return Err(SessionError::Incompatible {
                stream: self.name.clone(),
            });
        }
        if let (Some(watch), Some(bell)) = (&self.watch, &rings) {
            watch.add_bell(incarnation, bell)?;
            watch.add_process(&process)?;
        }
        // CAST: u32 fits usize on Linux.
        let depth = member.depth as usize;
        let (page, process) = (Arc::new(page), Arc::new(process));
        self.fences.admit((slot, incarnation), &page, &process);
        let admitted = Member::new(slot, incarnation, depth, policy(member), page);
        self.ring.admit(match own {
            Some(bell) => admitted.with_bell(Box::new(RingingEnd(bell))),
            None => admitted,
        });
        self.roster.add(member, process, rings);
        Ok(())
    }

    /// Drops the consumers whose process is dead, without asking the broker, who may be dead too; tells whether there were any.
    pub(super) fn bury_dead(&mut self) -> bool {
        let dead = self.roster.dead();
        for (slot, incarnation) in &dead {
            if self.ring.drop_member(*slot, *incarnation).is_some() {
                self.forget((*slot, *incarnation), Departure::Dropped);
            }
        }
        !dead.is_empty()
    }
}
