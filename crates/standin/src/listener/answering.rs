//! The loop that answers.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::io::Errno;
use wharf_core::fence::Fence;
use wharf_uapi::{Ioctl, dma_buf, udmabuf as uapi_udmabuf};

use super::brackets::Coherency;
use super::injection;
use super::sys::{self, Inbox, Notification, Reply};
use super::task::{Handles, Task, open_again};
use super::waits::Waits;
use crate::devices::dma_buf::{Begun, Outcome};
use crate::devices::sw_sync::Timeline;
use crate::devices::vgem::Card;
use crate::devices::{
    Answer, Buffer, Caller as _, Exactness, FileId, Object, Objects, dma_heap, install_and_tell, sw_sync,
    sync_file, udmabuf,
};
use crate::files::Descriptors;
use crate::memory::{Depot, Memories, Piece, Releases};
use crate::supervisor::InFlight;

/// The calls of all programs of a run, and how to answer them.
#[derive(Debug)]
pub(crate) struct Listener {
    fd: Arc<OwnedFd>,
    handles: Handles,
    pub(crate) objects: Arc<Objects>,
    pub(crate) depot: Depot,
    pub(crate) releases: Arc<Releases>,
    descriptors: Descriptors,
    waits: Arc<Waits>,
    in_flight: Arc<InFlight>,
    inbox: Inbox,
    /// The memory that buffers show parts of.
    pub(super) memories: Memories,
    /// Whether there may be buffers that another supervisor allocated.
    inherits: bool,
    /// In a run that checks coherency.
    pub(super) coherency: Option<Coherency>,
}

/// What there is to do for a call now.
pub(super) enum Next {
    Reply(Reply),
    /// It waits, and what it returns is known after that.
    Wait(Fence, Box<dyn FnOnce() -> Reply + Send>),
    Nothing,
}

impl From<Result<Answer, Errno>> for Next {
    fn from(answer: Result<Answer, Errno>) -> Self {
        match answer {
            Ok(Answer::Value(value)) => Self::Reply(Reply::Value(value)),
            Ok(Answer::Native) => Self::Reply(Reply::Native),
            Ok(Answer::Answered) => Self::Nothing,
            Err(errno) => Self::Reply(Reply::Error(errno)),
        }
    }
}

impl Listener {
    pub(crate) fn new(
        fd: Arc<OwnedFd>,
        (objects, depot, releases, descriptors): (Arc<Objects>, Depot, Arc<Releases>, Descriptors),
        in_flight: Arc<InFlight>,
        inherits: bool,
    ) -> Result<Self, Errno> {
        // Older kernels wake in their usual way.
        let _ = sys::wake_synchronously(fd.as_fd());
        Ok(Self {
            fd,
            handles: Handles::default(),
            objects,
            depot,
            releases,
            descriptors,
            waits: Arc::default(),
            inbox: in_flight.inbox()?,
            memories: Memories::default(),
            in_flight,
            inherits,
            coherency: None,
        })
    }

    /// Answers calls until no program is left.
    pub(crate) fn serve(&self) {
        loop {
            match sys::receive(self.fd.as_fd(), &self.inbox) {
                Ok(notification) => self.serve_one(&notification),
                // The caller was killed meanwhile, or everybody is gone.
                Err(Errno::NOENT) if is_deserted(self.fd.as_fd()) => return,
                Err(Errno::NOENT | Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn serve_one(&self, notification: &Notification) {
        let id = notification.id;
        match self.decide(notification) {
            Next::Reply(reply) => self.reply(id, reply),
            Next::Wait(fence, after) => self.wait(notification, &fence, after),
            Next::Nothing => {}
        }
        // Whoever found no room for a descriptor may have found cards closed.
        self.close_cards();
    }

    pub(super) fn reply(&self, id: u64, reply: Reply) {
        // Fails only when the caller was killed.
        let _ = sys::reply(self.fd.as_fd(), id, reply);
    }

    fn decide(&self, notification: &Notification) -> Next {
        let task = Task {
            listener: self.fd.as_fd(),
            handles: &self.handles,
            notification,
        };
        // CAST: numbers of calls are small.
        if injection::is_possible(notification) && i64::from(notification.data.nr) == libc::SYS_mmap {
            return self
                .map(&task)
                .unwrap_or_else(|errno| Next::Reply(Reply::Error(errno)));
        }
        let [fd, request, address, ..] = notification.data.args;
        // CAST: both are 32 bits wide in the kernel.
        let (fd, request) = (fd as i32, Ioctl::from_raw(request as u32));
        // Whatever cannot be looked at is none of ours: the kernel says what is wrong with it.
        let Ok((file, id)) = task.file(fd) else {
            return Next::Reply(Reply::Native);
        };
        let Some(object) = self
            .objects
            .get(id)
            .or_else(|| self.inherited(&file, id, request))
        else {
            return Next::Reply(Reply::Native);
        };
        drop(file);
        self.call(&task, object, (fd, request, address))
    }

    fn call(&self, task: &Task<'_>, object: Object, (fd, request, address): (i32, Ioctl, u64)) -> Next {
        let objects = &self.objects;
        match object {
            Object::Heap(heap) => self.allocate(task, &heap, request, address).into(),
            Object::Udmabuf(exactness) => self.make_udmabuf(task, exactness, request, address).into(),
            Object::Buffer(buffer) => {
                match crate::devices::dma_buf::call(task, (objects, &buffer), request, address) {
                    Ok(Outcome::After(fence)) => Next::Wait(fence, Box::new(|| Reply::Value(0))),
                    Ok(Outcome::Bracket(flags, fence)) => self.bracket(task, (&buffer, fd), (flags, fence)),
                    Ok(Outcome::Known(answer)) => Ok(answer).into(),
                    Err(errno) => Err(errno).into(),
                }
            }
            Object::SyncFile(file) => sync_file::call(task, (objects, &file), request, address).into(),
            Object::SwSync => Timeline::create(task, objects, fd)
                .and_then(|timeline| sw_sync::call(task, (objects, &timeline), request, address))
                .into(),
            Object::Timeline(timeline) => sw_sync::call(task, (objects, &timeline), request, address).into(),
            Object::Vgem => Card::create(task, objects, fd)
                .and_then(|card| self.card(task, &card, request, address))
                .into(),
            Object::Card(card) => self.card(task, &card, request, address).into(),
        }
    }

    fn allocate(
        &self,
        task: &Task<'_>,
        heap: &Arc<str>,
        request: Ioctl,
        address: u64,
    ) -> Result<Answer, Errno> {
        let asked = dma_heap::check(task, request, address)?;
        let size_bytes = asked.size_bytes;
        let piece = self.memory(heap, size_bytes)?;
        let id = piece.id;
        let given = piece.open(asked.flags & OFlags::ACCMODE)?;
        let buffer = Arc::new(self.finish(Buffer::of_heap(piece), heap)?);
        self.objects.insert(id, Object::Buffer(Arc::clone(&buffer)));
        let told = install_and_tell(
            task,
            (given.as_fd(), asked.flags),
            address,
            &asked.argument,
            |fd| {
                // CAST: descriptors are ints.
                buffer.is_known_as(|| task.process(), fd as i32);
                asked.with_number(fd)
            },
        );
        drop((given, buffer));
        // If it failed it is released like any other that nobody has.
        self.releases.add(&self.objects, id, size_bytes);
        told
    }

    /// Memory, and the file that the program is to see.
    pub(super) fn memory(&self, heap: &Arc<str>, size_bytes: u64) -> Result<Piece, Errno> {
        let mut piece = self.take(heap, size_bytes)?;
        if let Some(shown) = self.descriptors.show(piece.file.as_fd(), size_bytes)? {
            piece.show_as(shown);
        }
        Ok(piece)
    }

    fn take(&self, heap: &Arc<str>, size_bytes: u64) -> Result<Piece, Errno> {
        self.depot.take(heap, size_bytes).or_else(|errno| {
            // Perhaps the program has closed what we do not know yet.
            self.releases.look(&self.objects, std::time::Duration::ZERO);
            self.depot.drop_stale(std::time::Duration::ZERO);
            if errno == Errno::NOMEM {
                self.depot.take(heap, size_bytes)
            } else {
                Err(errno)
            }
        })
    }

    fn make_udmabuf(
        &self,
        task: &Task<'_>,
        exactness: Exactness,
        request: Ioctl,
        address: u64,
    ) -> Result<Answer, Errno> {
        let asked = match request {
            uapi_udmabuf::CREATE => udmabuf::check(task, &self.objects, address)?,
            uapi_udmabuf::CREATE_LIST => udmabuf::check_list(task, &self.objects, address)?,
            _ => return Ok(Answer::Native),
        };
        let Some(whole) = asked.whole() else {
            return self.make_of_parts(task, exactness, &asked);
        };
        if let Some(shown) = self.descriptors.show(whole.memory.as_fd(), whole.size_bytes)? {
            let given = shown.open_as_buffer(&self.objects)?;
            task.return_fd(given.as_fd(), asked.flags)?;
            return Ok(Answer::Answered);
        }
        // Memory that is a buffer already stays the one it is.
        if self.objects.get(whole.id).is_none() {
            let buffer = Buffer::of_others(Some(Begun::default()));
            self.objects.insert(whole.id, Object::Buffer(Arc::new(buffer)));
        }
        let given = open_again(&whole.memory, OFlags::RDWR)?;
        task.return_fd(given.as_fd(), asked.flags)?;
        Ok(Answer::Answered)
    }

    /// A buffer that a supervisor before this one allocated.
    fn inherited(&self, file: &OwnedFd, id: FileId, request: Ioctl) -> Option<Object> {
        let of_buffer = request.selector() >> 8 == dma_buf::SYNC.selector() >> 8;
        if !self.inherits || !of_buffer {
            return None;
        }
        let link = rustix::fs::readlink(format!("/proc/self/fd/{}", file.as_raw_fd()), Vec::new()).ok()?;
        let prefix = format!("/memfd:{}", crate::memory::NAME_PREFIX);
        if !link.as_bytes().starts_with(prefix.as_bytes()) {
            return None;
        }
        let object = Object::Buffer(Arc::new(Buffer::of_others(None)));
        self.objects.insert(id, object.clone());
        Some(object)
    }

    /// Has the call answered when `fence` is signaled, with what `after` says then.
    fn wait(&self, notification: &Notification, fence: &Fence, after: Box<dyn FnOnce() -> Reply + Send>) {
        let id = notification.id;
        let fd = Arc::clone(&self.fd);
        let answer = move |how: Result<(), Errno>| {
            let reply = how.map_or_else(Reply::Error, |()| after());
            // Fails only when the caller was killed.
            let _ = sys::reply(fd.as_fd(), id, reply);
        };
        self.waits.add(id, notification.pid, Box::new(answer));
        self.in_flight.note_waiting(self.waits.numbers().into_iter());
        // Whoever looks for signals may be asleep.
        self.releases.ring();
        self.waits.end_with(fence, id);
    }

    /// Ends the waits that a signal interrupts; tells whether some go on.
    pub(crate) fn interrupt_waits(&self) -> bool {
        let some_go_on = self.waits.interrupt();
        self.in_flight.note_waiting(self.waits.numbers().into_iter());
        self.descriptors.interrupt_waits() || some_go_on
    }

    /// The kernel's side: hangs up when no program is left.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether no program with the filter is left.
pub(crate) fn is_deserted(listener: BorrowedFd<'_>) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut fds = [PollFd::new(&listener, PollFlags::empty())];
    let now = rustix::time::Timespec::default();
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::HUP)
}
