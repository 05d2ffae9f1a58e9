//! A pooled memfd sent over a socket for each frame; the consumer maps it, reads, unmaps, and sends one byte back.

use super::Channel;
use crate::Outcome;
use crate::frame::{self, Content, Stamp};
use crate::link::{Link, receive_with, send_with};
use crate::memory::{self, Shared};
use crate::terms::{Side, Terms};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Set in a byte that gives a buffer back; the rest is its number.
const GIVEN_BACK: u8 = 0x80;

pub(crate) struct Passing {
    sockets: Vec<UnixStream>,
    pool: Vec<Buffer>,
    frame_bytes: usize,
}

struct Buffer {
    memfd: OwnedFd,
    bytes: Shared,
    /// Consumers that have it.
    held_by: usize,
}

pub(crate) fn open(side: Side, terms: &Terms, links: &mut [Link]) -> Outcome<Passing> {
    let buffer = |_| {
        let memfd = memory::create(terms.frame_bytes)?;
        let bytes = Shared::map(&memfd, terms.frame_bytes)?;
        Ok(Buffer {
            memfd,
            bytes,
            held_by: 0,
        })
    };
    let sends = side == Side::Lead || terms.both_ways();
    let count = if sends { terms.buffers } else { 0 };
    Ok(Passing {
        sockets: links
            .iter()
            .map(|link| own_socket(side, link))
            .collect::<Outcome<_>>()?,
        pool: (0..count).map(buffer).collect::<Outcome<_>>()?,
        frame_bytes: terms.frame_bytes,
    })
}

/// A socket for frames alone, beside the link.
pub(super) fn own_socket(side: Side, link: &Link) -> Outcome<UnixStream> {
    match side {
        Side::Lead => {
            let (ours, theirs) = UnixStream::pair()?;
            link.give(theirs)?;
            Ok(ours)
        }
        Side::Follow => Ok(link.take()?.into()),
    }
}

impl Passing {
    fn take_back(&mut self, byte: u8) -> Outcome<()> {
        let buffer = self.pool.get_mut(usize::from(byte & !GIVEN_BACK));
        let buffer = buffer.filter(|buffer| buffer.held_by > 0);
        buffer.ok_or("a buffer came back that was not out")?.held_by -= 1;
        Ok(())
    }

    /// A free buffer, once there is one. Consumers give back in order: whoever has the oldest is waited for.
    fn wait_for_room(&mut self) -> Outcome<usize> {
        loop {
            if let Some(free) = self.pool.iter().position(|buffer| buffer.held_by == 0) {
                return Ok(free);
            }
            for index in 0..self.sockets.len() {
                let (byte, _) = receive_with(&self.sockets[index])?;
                self.take_back(byte)?;
            }
        }
    }
}

impl Channel for Passing {
    fn send(&mut self, stamp: Stamp, content: Content) -> Outcome<()> {
        let index = self.wait_for_room()?;
        let buffer = &mut self.pool[index];
        frame::write(buffer.bytes.bytes_mut(), stamp, content);
        buffer.held_by = self.sockets.len();
        for socket in &self.sockets {
            send_with(socket, u8::try_from(index)?, Some(buffer.memfd.as_fd()))?;
        }
        Ok(())
    }

    fn receive(&mut self, content: Content) -> Outcome<Stamp> {
        loop {
            let (byte, memfd) = receive_with(&self.sockets[0])?;
            let Some(memfd) = memfd else {
                self.take_back(byte)?;
                continue;
            };
            let stamp = frame::read(Shared::map(memfd, self.frame_bytes)?.bytes(), content)?;
            // Whoever sent its last frame may be gone.
            let _ = send_with(&self.sockets[0], byte | GIVEN_BACK, None);
            return Ok(stamp);
        }
    }
}
