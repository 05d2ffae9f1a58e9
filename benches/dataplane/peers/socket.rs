//! The frame's bytes through a Unix stream socket.

use super::Channel;
use super::rights::own_socket;
use crate::Outcome;
use crate::frame::{self, Content, Stamp};
use crate::link::Link;
use crate::terms::{Side, Terms};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

pub(crate) struct Copies {
    sockets: Vec<UnixStream>,
    frame: Vec<u8>,
}

pub(crate) fn open(side: Side, terms: &Terms, links: &mut [Link]) -> Outcome<Copies> {
    Ok(Copies {
        sockets: links
            .iter()
            .map(|link| own_socket(side, link))
            .collect::<Outcome<_>>()?,
        frame: vec![0; terms.frame_bytes],
    })
}

impl Channel for Copies {
    fn send(&mut self, stamp: Stamp, content: Content) -> Outcome<()> {
        frame::write(&mut self.frame, stamp, content);
        for socket in &mut self.sockets {
            socket.write_all(&self.frame)?;
        }
        Ok(())
    }

    fn receive(&mut self, content: Content) -> Outcome<Stamp> {
        self.sockets[0].read_exact(&mut self.frame)?;
        frame::read(&self.frame, content)
    }
}
