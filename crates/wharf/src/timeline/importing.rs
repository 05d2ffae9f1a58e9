//! How a timeline of another process is imported.

use super::cells::Cell;
use super::imported::{Imported, ImportedTimeline, Record};
use crate::connection::Connection;
use crate::error::{PageError, SessionError};
use crate::page;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use wharf_core::FenceContext;
use wharf_linux::PidFd;
use wharf_protocol::{ImportTimeline, ImportTimelineReply, ReleaseTimeline, Token};
use wharf_stream::timeline::layout::{self, PAGE_BYTES, is_marked, status};
use wharf_stream::timeline::{Import, PointReader, TimelineStatus, Waiting};

/// Descriptors that come with the reply: the timeline's page, its status page, its owner's process.
const FDS: usize = 3;

impl ImportedTimeline {
    pub(crate) fn import(connection: &Arc<Connection>, token: &Token) -> Result<Self, SessionError> {
        let cell = connection.waiter_pages().take()?;
        let request = ImportTimeline {
            token: token.clone(),
            // CAST: cells of a page are below 512.
            cell: cell.number() as u32,
        };
        let undo = |connection: &Connection, reply: &ImportTimelineReply| {
            connection.give_back(ReleaseTimeline {
                timeline: reply.timeline,
                import: reply.import,
            });
        };
        let page = cell.memfd().as_fd();
        let (reply, fds) = connection.obtain(request, &[page], |_| FDS, undo)?;
        let record = Record {
            connection: Arc::clone(connection),
            timeline: reply.timeline,
            number: reply.import,
        };
        let shared = assemble(reply, fds, record, cell)?;
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

fn assemble(
    reply: ImportTimelineReply,
    fds: Vec<OwnedFd>,
    record: Record,
    cell: Cell,
) -> Result<Imported, SessionError> {
    let mut fds = fds.into_iter();
    let points = page::open("timeline", fds.next().as_ref(), PAGE_BYTES, layout::page::END)?;
    let status = page::open("status", fds.next().as_ref(), PAGE_BYTES, status::END)?;
    let owner = fds
        .next()
        .ok_or(PageError::Missing)
        .and_then(|fd| Ok(PidFd::from_fd(fd)?));
    let owner = owner.map_err(|source| SessionError::Page {
        page: "owner",
        source,
    })?;
    if !is_marked(&points) || !is_marked(&status) {
        return Err(SessionError::Incompatible { stream: reply.name });
    }
    let waiting = Waiting::new(Arc::clone(cell.words()), cell.number());
    Ok(Imported {
        import: Import::new(
            PointReader::new(points, layout::page::BASE),
            TimelineStatus::new(status),
            waiting,
        ),
        context: FenceContext::new("wharf", &reply.name),
        name: reply.name,
        owner,
        owner_label: reply.owner_label,
        owner_pid: reply.owner_pid,
        pending: std::sync::Mutex::default(),
        _record: record,
        _cell: cell,
    })
}
