//! How a producer learns of consumers that come, go and die.

use super::Producer;
use super::members::{identity, policy};
use crate::connection::SHORT_PATIENCE;
use crate::error::{PageError, SessionError};
use crate::page;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use wharf_linux::PidFd;
use wharf_protocol::TakeChanges;
use wharf_protocol::transport::CallError;
use wharf_stream::{CONSUMER_PAGE_BYTES, CONSUMER_PAGE_CELLS, Departure, MAX_CONSUMERS, Member};

/// How long a broker that did not answer is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Descriptors that come with each new member: its page and its process.
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
    pub(super) fn refresh(&mut self) -> Result<(), SessionError> {
        for index in self.returned.take() {
            self.ring.abandon(index);
        }
        let changed = self.ring.take_status_change();
        self.drop_departed();
        match self.news {
            News::BrokerGone => return Ok(()),
            News::None if changed => {}
            News::Pending(due) if changed || Instant::now() >= due => {}
            News::None | News::Pending(_) => return Ok(()),
        }
        self.fetch_joined()
    }

    fn drop_departed(&mut self) {
        for (member, departure) in self.ring.drop_departed() {
            self.roster
                .remove((member.slot(), member.incarnation()), departure);
        }
    }

    fn fetch_joined(&mut self) -> Result<(), SessionError> {
        let answer = self
            .connection
            .call_within(SHORT_PATIENCE, TakeChanges { stream: self.stream }, &[]);
        self.news = match &answer {
            Err(CallError::BrokerGone { .. }) => News::BrokerGone,
            Err(_) => News::Pending(Instant::now() + RETRY_AFTER),
            Ok(_) => News::None,
        };
        // A broker that is gone or silent must not stop the frames (contract P6); what it refuses or garbles is reported.
        let (reply, fds) = match answer {
            Err(CallError::BrokerGone { .. } | CallError::Timeout { .. }) => return Ok(()),
            answer => answer?,
        };
        let expected = reply.joined.len() * FDS_PER_MEMBER;
        if fds.len() != expected {
            return Err(SessionError::Descriptors {
                method: "TakeChanges",
                expected,
                got: fds.len(),
            });
        }
        let mut fds = fds.into_iter();
        let mut outcome = Ok(());
        for member in &reply.joined {
            let admitted = self.admit(member, fds.next(), fds.next());
            outcome = outcome.and(admitted);
        }
        outcome
    }

    fn admit(
        &mut self,
        member: &wharf_protocol::Member,
        page: Option<OwnedFd>,
        process: Option<OwnedFd>,
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
        // CAST: u32 fits usize on Linux.
        let depth = member.depth as usize;
        self.ring
            .admit(Member::new(slot, incarnation, depth, policy(member), page));
        self.roster.add(member, process);
        Ok(())
    }

    /// Drops the consumers whose process is dead, without asking the broker, who may be dead too.
    pub(super) fn bury_dead(&mut self) {
        for (slot, incarnation) in self.roster.dead() {
            if self.ring.drop_member(slot, incarnation).is_some() {
                self.roster.remove((slot, incarnation), Departure::Dropped);
            }
        }
    }
}
