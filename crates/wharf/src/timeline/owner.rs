//! The owner's side of a timeline.

use super::fences::{self, Due, Pending, Source};
use crate::connection::{Connection, SHORT_PATIENCE};
use crate::error::SessionError;
use crate::lock::lock;
use crate::page;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};
use wharf_core::{Errno, Fence, FenceContext, FenceStatus, WeakFence};
use wharf_memory::{OwnedWords, ReadOnlyWords};
use wharf_protocol::transport::CallError;
use wharf_protocol::{
    CreateTimeline, CreateTimelineReply, DropTimeline, IssueToken, ObjectKind, TakeImporters,
    TakeImportersReply, TimelineId, Token,
};
use wharf_stream::timeline::layout::{self, PAGE_BYTES, status, waiter};
use wharf_stream::timeline::{End, Importers, PointReader, PointWriter, SignalPointError, TimelineStatus};

/// How long a broker that did not answer is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long after a question the next one comes at the earliest, whatever importers do.
const PAUSE: Duration = Duration::from_millis(10);

/// A timeline of this process: it signals points, others wait for them.
///
/// When it is dropped, points that are not signaled fail with `ECANCELED`; when its process dies, with `EOWNERDEAD`. Threads may share it.
///
/// # Examples
///
/// See `examples/timeline.rs`.
///
/// # References
///
/// `dma_fence_context_alloc` (drivers/dma-buf/dma-fence.c, v6.12). Contract: F.
#[derive(Debug)]
pub struct Timeline {
    connection: Arc<Connection>,
    id: TimelineId,
    name: String,
    context: FenceContext,
    status: TimelineStatus<ReadOnlyWords>,
    shared: Arc<Shared>,
    news: Mutex<News>,
}

/// What a timeline shares with its fences.
#[derive(Debug)]
struct Shared {
    /// For fences: needs no lock.
    reader: PointReader<Arc<OwnedWords>>,
    own: Mutex<Own>,
}

#[derive(Debug)]
struct Own {
    points: PointWriter<Arc<OwnedWords>>,
    importers: Importers<ReadOnlyWords>,
    /// The version of the status page up to which `importers` is right.
    version: u32,
    pending: Pending,
}

/// When to ask the broker for importers.
#[derive(Debug)]
enum News {
    /// Not before this moment.
    After(Instant),
    /// Never again: the broker is gone.
    BrokerGone,
}

impl Timeline {
    pub(crate) fn create(connection: &Arc<Connection>, name: &str) -> Result<Self, SessionError> {
        let made = page::create("timeline", PAGE_BYTES, layout::page::END)?;
        layout::mark(&made.words);
        let request = CreateTimeline {
            name: name.to_owned(),
        };
        let undo = |connection: &Connection, reply: &CreateTimelineReply| {
            connection.give_back(DropTimeline {
                timeline: reply.timeline,
            });
        };
        let (reply, fds) = connection.obtain(request, &[made.memfd.as_fd()], |_| 1, undo)?;
        let status = page::open("status", fds.first(), PAGE_BYTES, status::END)
            .inspect_err(|_| undo(connection, &reply))?;
        let words = Arc::new(made.words);
        let own = Own {
            points: PointWriter::new(Arc::clone(&words), layout::page::BASE),
            importers: Importers::default(),
            version: 0,
            pending: Pending::default(),
        };
        Ok(Self {
            connection: Arc::clone(connection),
            id: reply.timeline,
            name: name.to_owned(),
            context: FenceContext::new("wharf", name),
            status: TimelineStatus::new(status),
            shared: Arc::new(Shared {
                reader: PointReader::new(words, layout::page::BASE),
                own: Mutex::new(own),
            }),
            news: Mutex::new(News::After(Instant::now())),
        })
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The highest point signaled; 0 at first.
    pub fn value(&self) -> u64 {
        self.shared.reader.value()
    }

    /// How many imports of it this process knows of.
    pub fn importers(&self) -> usize {
        self.shared.lock().importers.count()
    }

    /// Makes a token with which it can be imported `uses` times (1..=1000).
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`](crate::PATIENCE).
    ///
    /// # Errors
    ///
    /// [`SessionError::Call`]: `EINVAL` for `uses` out of range; `EPIPE` when the broker is gone.
    pub fn token(&self, uses: u32) -> Result<Token, SessionError> {
        let request = IssueToken {
            kind: ObjectKind::Timeline,
            id: self.id.0,
            uses,
        };
        Ok(self.connection.ask(request)?.token)
    }

    /// Signals `point`, and with it all points before it. What this thread did before is seen by whoever sees the signal.
    ///
    /// # Blocking
    ///
    /// No. It makes a system call only if somebody sleeps for such a point. Callbacks of this process's own fences run on this
    /// thread. After all that, the first signal since somebody imported the timeline asks the broker for it: some tens of
    /// microseconds, at most every ten milliseconds; a broker that does not answer costs a tenth of a second, at most once a second.
    ///
    /// # Errors
    ///
    /// [`SignalPointError`]: `EINVAL` for a point that is not above all before, `ERANGE` for one above 2^58 - 1.
    pub fn signal(&self, point: u64) -> Result<(), SignalPointError> {
        self.advance(point, |points| points.signal(point))
    }

    /// Signals `point` with an error; points before it that were not signaled are signaled without. Otherwise as [`Timeline::signal`].
    ///
    /// # Errors
    ///
    /// As [`Timeline::signal`]; `EINVAL` for a number that is not from 1 to 4095.
    pub fn signal_error(&self, point: u64, errno: Errno) -> Result<(), SignalPointError> {
        self.advance(point, |points| points.signal_error(point, errno))
    }

    /// The fence of a point. Its callbacks run on the thread that signals it, or finds it signaled.
    pub fn fence(&self, point: u64) -> Fence {
        fences::fence(&self.shared, (&self.context, point), point)
    }

    fn advance(
        &self,
        point: u64,
        signal: impl FnOnce(&mut PointWriter<Arc<OwnedWords>>) -> Result<(), SignalPointError>,
    ) -> Result<(), SignalPointError> {
        let (due, is_behind) = {
            let mut own = self.shared.lock();
            signal(&mut own.points)?;
            if own.importers.must_be_woken(&self.status, point) {
                own.points.wake();
            }
            let is_behind = self.status.version() != own.version;
            let due = (!own.pending.is_empty()).then(|| own.pending.take_up_to(point));
            (due, is_behind)
        };
        if let Some(due) = due {
            due.settle();
        }
        if is_behind {
            self.fetch_importers();
        }
        Ok(())
    }

    /// Asks the broker who came and went. If that fails, signals go on waking everybody (contract P6).
    #[cold]
    fn fetch_importers(&self) {
        let mut news = match self.news.try_lock() {
            Ok(news) => news,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Another thread is asking.
            Err(TryLockError::WouldBlock) => return,
        };
        match *news {
            News::After(moment) if Instant::now() >= moment => {}
            _ => return,
        }
        // Before the question: what changes after this is news again.
        let (version, newest) = (self.status.version(), self.status.imports());
        let request = TakeImporters {
            timeline: self.id,
            after: self.shared.lock().importers.newest(),
        };
        let answer = self.connection.call_within(SHORT_PATIENCE, request, &[]);
        let outcome = answer
            .map_err(SessionError::from)
            .and_then(|(reply, fds)| self.note((version, newest), &reply, fds));
        *news = match outcome {
            Ok(()) => News::After(Instant::now() + PAUSE),
            Err(SessionError::Call(CallError::BrokerGone { .. })) => News::BrokerGone,
            Err(_) => News::After(Instant::now() + RETRY_AFTER),
        };
    }

    fn note(
        &self,
        (version, newest): (u32, u64),
        reply: &TakeImportersReply,
        fds: Vec<OwnedFd>,
    ) -> Result<(), SessionError> {
        let (expected, got) = (reply.joined.len(), fds.len());
        if got != expected {
            return Err(SessionError::Descriptors {
                method: "TakeImporters",
                expected,
                got,
            });
        }
        let open = |fd: &OwnedFd| page::open("waiter", Some(fd), PAGE_BYTES, waiter::END);
        let pages = fds.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let mut own = self.shared.lock();
        for (joined, page) in reply.joined.iter().zip(pages) {
            // CAST: u32 fits usize on Linux.
            if !own.importers.add(joined.import, page, joined.cell as usize) {
                return Err(SessionError::Incompatible {
                    stream: self.name.clone(),
                });
            }
        }
        own.importers.retain(newest, &reply.present);
        own.version = version;
        Ok(())
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.shared.reader.close(End::Dropped);
        self.shared.take_all().settle();
        self.connection.give_back(DropTimeline { timeline: self.id });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Own> {
        lock(&self.own)
    }

    fn take_all(&self) -> Due {
        self.lock().pending.take_up_to(u64::MAX)
    }
}

impl Source for Shared {
    type Point = u64;

    fn status(&self, point: u64) -> FenceStatus {
        self.reader.status(point)
    }

    fn enlist(self: &Arc<Self>, point: u64, fence: &WeakFence) -> bool {
        let mut own = self.lock();
        // Under the lock: who signals after this finds the fence.
        if self.reader.status(point).is_signaled() {
            return false;
        }
        own.pending.add(point, fence);
        true
    }
}
