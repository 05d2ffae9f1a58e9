//! How the producer waits for a buffer.

use super::Producer;
use crate::layout::{ASLEEP, MAX_CONSUMERS, points, ring as at};
use crate::member::Member;
use crate::stats::ProducerCounters;
use crate::waiting::{Looked, fence_before_last_look, sleep_within_reach};
use wharf_memory::{Deadline, Ordering, ReadWords, WaitOutcome, WriteWords, fence_heavy};

impl<O: WriteWords, R: ReadWords> Producer<O, R> {
    /// Waits until a consumer that was in the way at the last search for a buffer releases a frame or leaves, or the status page differs from
    /// what [`Producer::take_status_change`] last saw. If nobody was in the way it waits for any consumer. Contents that were not there
    /// then are waited for, too.
    ///
    /// `try_again` is called once after the producer has announced that it sleeps; when it returns `Some` the producer does
    /// not sleep. Returns that value, or `None` when the caller is to look again itself.
    ///
    /// # Blocking
    ///
    /// Until a release, a departure, a change by the broker, a signal or `deadline`: looking at first, if [`Producer::set_waiting`] says so,
    /// then asleep. A change by the broker alone may be noticed 5 ms late. Consumers that wish harm can hinder the
    /// wake-up (see [`Consumer::wait`](crate::Consumer::wait)): sleep in slices.
    pub fn wait<T>(
        &mut self,
        deadline: Option<Deadline>,
        try_again: impl FnOnce(&mut Self) -> Option<T>,
    ) -> (Option<T>, WaitOutcome) {
        match self.look_for_releases(deadline) {
            Looked::Found => {
                // The search that this wait belongs to is out of date.
                self.members.iter_mut().for_each(|member| member.kept = 0);
                return (None, WaitOutcome::Retry);
            }
            Looked::TimedOut => return (None, WaitOutcome::TimedOut),
            Looked::InVain => {}
        }
        self.note_wait();
        let version = self.seen_version;
        let bell = self.has_unfinished().then(|| {
            let bell = self.ring.futex(at::POINTS + points::BELL);
            // ORDERING: Acquire, and before looking again: who sees the bell sees the points.
            bell.load(Ordering::Acquire)
        });
        for member in &mut self.members {
            member.seen_releases = member.release_word().load(Ordering::Acquire);
            member.kept = 0;
        }
        self.ring.store_u32(at::WAITING, ASLEEP, Ordering::Relaxed);
        // ORDERING: fence between announcing the sleep and looking once more; its counterpart is in
        // `notify_release` of the consumer.
        let is_seen = fence_before_last_look(self.consumers_fence);
        let found = try_again(self);
        // One that left before its releases were looked at will not count another; it is for the caller to drop it.
        let may_sleep = found.is_none() && !self.members.iter().any(Member::has_left);
        let outcome = if may_sleep {
            self.sleep(is_seen, (version, bell), deadline)
        } else {
            WaitOutcome::Retry
        };
        self.ring.store_u32(at::WAITING, 0, Ordering::Relaxed);
        (found, outcome)
    }

    /// Asks consumers to make a full fence between releasing and looking whether the producer waits, or not any more. To be asked when
    /// consumers are there, too.
    pub(super) fn ask_for_fences(&mut self, asks: bool) {
        if asks == self.asks_for_fences {
            return;
        }
        self.asks_for_fences = asks;
        self.ring
            .store_u32(at::FENCED, u32::from(asks), Ordering::Relaxed);
        // ORDERING: heavy fence between asking and relying on it. A consumer that is beyond its look at the word by then, and has not seen
        // it, has released what it released before the look: from here on that is seen.
        self.consumers_fence = asks && fence_heavy();
    }

    /// Gives up waiting for a buffer: the caller goes without one. Only what is shown of this producer depends on it.
    pub fn give_up(&mut self) {
        if let Some(waited_ns) = self.spinner.give_up() {
            self.counters().has_waited(waited_ns);
        }
        self.counters().failed();
    }

    /// Shows who is in the way, if somebody is: otherwise this is no wait for a buffer.
    fn note_wait(&mut self) {
        if self.is_blocked_by_others() {
            let since_ns = self.spinner.sleeps();
            let blockers = self.members.iter().filter(|member| member.kept > 0);
            self.counters()
                .waits(since_ns, blockers.map(|member| member.slot));
        }
    }

    pub(super) fn counters(&self) -> ProducerCounters<'_, O> {
        ProducerCounters::new(&self.ring, at::STATS)
    }

    /// Looks whether somebody in the way releases something or leaves.
    fn look_for_releases(&mut self, deadline: Option<Deadline>) -> Looked {
        let (members, frames) = (&self.members, &self.frames);
        let (status, version) = (&self.status, self.seen_version);
        if members.iter().all(|member| member.kept == 0) {
            return Looked::InVain;
        }
        let has_news = |member: &Member<R>| member.kept > 0 && member.has_news(frames);
        self.spinner.look(deadline, || {
            members.iter().any(has_news) || status.version() != version
        })
    }

    fn sleep(
        &self,
        is_seen: bool,
        (version, bell): (u32, Option<u32>),
        deadline: Option<Deadline>,
    ) -> WaitOutcome {
        let status = (self.status.version_word(), version);
        let mut words = [status; MAX_CONSUMERS + 2];
        let in_the_way = |member: &&Member<R>| member.kept > 0;
        let nobody = !self.members.iter().any(|member| in_the_way(&member));
        let waited_for = self.members.iter().filter(|member| nobody || in_the_way(member));
        let mut count = 1;
        for (word, member) in words[1..].iter_mut().zip(waited_for) {
            *word = (member.release_word(), member.seen_releases);
            count += 1;
        }
        if let Some(seen) = bell {
            words[count] = (self.ring.futex(at::POINTS + points::BELL), seen);
            count += 1;
        }
        sleep_within_reach(is_seen, &words[..count], deadline)
    }
}
