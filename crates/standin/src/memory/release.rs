//! Noticing that the program has closed and unmapped a buffer.
//!
//! It closes without telling us. What it gets is a description of its own, opened from ours, and the kernel says of a file whether ours
//! is the only one left that can be used (a write lease is granted only then): mappings, copies of the descriptor in other processes and
//! those under way in sockets all count.
//!
//! When to ask: a new buffer is *young* and asked about after a short while, because most that are closed are closed soon. Who lives on is
//! watched with inotify, which tells of each close, but may join several into one and tells it a moment early; so that it only makes a
//! buffer young again. Nothing is asked while nothing happens. The death of a program closes everything it had, which is told like any
//! other close.
//!
//! A page that the kernel itself has pinned (a registered buffer of `io_uring`) is not seen. The memory is never used for anybody else
//! (Contract: B4): it is dropped, and the pinned pages live on with whoever pinned them.
//!
//! Where the memory belongs to another user (a broker of root's, say) the kernel does not answer: it is then kept until all programs are
//! gone.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::OFlags;
use rustix::fs::inotify;
use rustix::io::Errno;

use crate::devices::{FileId, Object, Objects};
use crate::listener::sys::is_sole_description;
use crate::listener::task::open_again;

/// How long a buffer is young.
pub(crate) const YOUTH: Duration = Duration::from_millis(20);
/// How many can be young: beyond that they are asked about by whoever allocates the next.
const MAX_YOUNG: usize = 64;
/// How much memory the young can have, in bytes.
const MAX_YOUNG_BYTES: u64 = 64 << 20;

#[derive(Debug, Clone, Copy)]
struct Young {
    id: FileId,
    since: Instant,
    size_bytes: u64,
}

/// A buffer that is watched: our own descriptions, one for each of its files, and the numbers of the watches.
#[derive(Debug)]
struct Watched {
    probes: Vec<OwnedFd>,
    watches: Vec<i32>,
}

#[derive(Debug, Default)]
struct Books {
    young: Vec<Young>,
    young_bytes: u64,
    watched: HashMap<FileId, Watched>,
    by_watch: HashMap<i32, FileId>,
}

/// What is known of who still has what.
#[derive(Debug)]
pub(crate) struct Releases {
    /// Taken before the books, by who looks: whoever looks next finds given back what others found released.
    looking: Mutex<()>,
    books: Mutex<Books>,
    inotify: OwnedFd,
    bell: OwnedFd,
}

/// What asking about a buffer came to.
#[derive(Debug, PartialEq, Eq)]
enum Holders {
    Nobody,
    Somebody,
    Unknown,
}

fn ask(probes: &[OwnedFd]) -> Holders {
    for probe in probes {
        match is_sole_description(probe.as_fd()) {
            Ok(true) => {}
            Ok(false) => return Holders::Somebody,
            Err(_) => return Holders::Unknown,
        }
    }
    Holders::Nobody
}

impl Releases {
    pub(crate) fn new() -> Result<Self, Errno> {
        Ok(Self {
            looking: Mutex::default(),
            books: Mutex::default(),
            inotify: inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?,
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Readable when there is something for [`Releases::look`].
    pub(crate) fn closings(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Readable when there are young ones and there were none, and after [`Releases::ring`].
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// While this is held, nothing is found released.
    pub(crate) fn pause(&self) -> impl Drop + '_ {
        self.looking.lock()
    }

    /// Stops the bell.
    pub(crate) fn heard(&self) {
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
    }

    /// The program has a new buffer.
    pub(crate) fn add(&self, objects: &Objects, id: FileId, size_bytes: u64) {
        let mut books = self.books.lock();
        let first = books.young.is_empty();
        books.young_bytes = books.young_bytes.saturating_add(size_bytes);
        books.young.push(Young {
            id,
            since: Instant::now(),
            size_bytes,
        });
        let many = books.young.len() > MAX_YOUNG || books.young_bytes > MAX_YOUNG_BYTES;
        drop(books);
        if many {
            self.look(objects, Duration::ZERO);
        } else if first {
            self.ring();
        }
    }

    /// Has whoever attends to this look around now.
    pub(crate) fn ring(&self) {
        // A bell that cannot be rung any louder rings.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Forgets the buffers that nobody has any more, of those that were young for as long as `youth` or closed by somebody. Tells
    /// whether some are young still.
    pub(crate) fn look(&self, objects: &Objects, youth: Duration) -> bool {
        let mut released = Vec::new();
        let looking = self.looking.lock();
        let mut books = self.books.lock();
        self.read_closings(&mut books);
        let now = Instant::now();
        let due: Vec<Young> = books
            .young
            .extract_if(.., |young| now - young.since >= youth)
            .collect();
        for young in due {
            books.young_bytes = books.young_bytes.saturating_sub(young.size_bytes);
            if self.is_released(&mut books, objects, young.id) {
                self.unwatch(&mut books, young.id);
                released.extend(objects.remove(young.id));
            }
        }
        let more = !books.young.is_empty();
        drop(books);
        // Their memory goes without the lock on the books.
        drop(released);
        drop(looking);
        more
    }

    /// Whether nobody has it; who has is watched from now on.
    fn is_released(&self, books: &mut Books, objects: &Objects, id: FileId) -> bool {
        if let Some(watched) = books.watched.get(&id) {
            return ask(&watched.probes) == Holders::Nobody;
        }
        let Some(Object::Buffer(buffer)) = objects.get(id) else {
            return false;
        };
        let probes = buffer.files().map(|file| open_again(file, OFlags::RDWR));
        let Ok(probes) = probes.collect::<Result<Vec<OwnedFd>, Errno>>() else {
            return false;
        };
        if probes.is_empty() {
            return false;
        }
        match ask(&probes) {
            Holders::Nobody => true,
            Holders::Unknown => false,
            // Whoever closed it before it was watched is asked about once more.
            Holders::Somebody => self.watch(books, id, probes) && ask_watched(books, id),
        }
    }

    fn watch(&self, books: &mut Books, id: FileId, probes: Vec<OwnedFd>) -> bool {
        use std::os::fd::AsRawFd;
        let closes = inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::CLOSE_NOWRITE;
        let watch = |probe: &OwnedFd| {
            let path = format!("/proc/self/fd/{}", probe.as_raw_fd());
            inotify::add_watch(&self.inotify, path, closes)
        };
        match probes.iter().map(watch).collect::<Result<Vec<i32>, Errno>>() {
            Ok(watches) => {
                books.by_watch.extend(watches.iter().map(|watch| (*watch, id)));
                books.watched.insert(id, Watched { probes, watches });
                true
            }
            // Too many watches: it stays young.
            Err(_) => {
                let young = Young {
                    id,
                    since: Instant::now(),
                    size_bytes: 0,
                };
                books.young.push(young);
                false
            }
        }
    }

    fn unwatch(&self, books: &mut Books, id: FileId) {
        let watched = books.watched.remove(&id);
        for watch in watched.into_iter().flat_map(|watched| watched.watches) {
            books.by_watch.remove(&watch);
            let _ = inotify::remove_watch(&self.inotify, watch);
        }
    }

    /// Makes young what was closed by somebody.
    fn read_closings(&self, books: &mut Books) {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let now = Instant::now();
        while let Ok(event) = reader.next() {
            if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) {
                let all: Vec<FileId> = books.watched.keys().copied().collect();
                all.into_iter().for_each(|id| make_young(books, id, now));
            } else if let Some(id) = books.by_watch.get(&event.wd()).copied() {
                make_young(books, id, now);
            }
        }
    }
}

fn ask_watched(books: &Books, id: FileId) -> bool {
    let watched = books.watched.get(&id);
    watched.is_some_and(|watched| ask(&watched.probes) == Holders::Nobody)
}

/// Twice: now, because usually it is released already; and again soon, because the kernel tells a moment early.
fn make_young(books: &mut Books, id: FileId, now: Instant) {
    for since in [now.checked_sub(YOUTH).unwrap_or(now), now] {
        books.young.push(Young {
            id,
            since,
            size_bytes: 0,
        });
    }
}
