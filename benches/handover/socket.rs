//! The frame's bytes through a socket, each way.

use crate::partner::Other;
use crate::{Link, Outcome};
use std::io::{ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

pub(crate) struct Copies {
    socket: UnixStream,
    frame: Vec<u8>,
    _other: Option<Other>,
}

pub(crate) fn lead(bytes: usize) -> Outcome<Copies> {
    let name = format!("wharf-bench-{}-{bytes}", std::process::id());
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    let mut other = Other::start("socket")?;
    other.tell(&name)?;
    other.tell(&bytes.to_string())?;
    let (socket, _) = listener.accept()?;
    Ok(Copies {
        socket,
        frame: vec![0; bytes],
        _other: Some(other),
    })
}

pub(crate) fn follow(name: &str, bytes: usize) -> Outcome<Copies> {
    let socket = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    Ok(Copies {
        socket,
        frame: vec![0; bytes],
        _other: None,
    })
}

impl Link for Copies {
    fn round_trip(&mut self) -> Outcome<()> {
        self.socket.write_all(&self.frame)?;
        Ok(self.socket.read_exact(&mut self.frame)?)
    }

    fn answer(&mut self) -> Outcome<bool> {
        match self.socket.read_exact(&mut self.frame) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.socket.write_all(&self.frame)?;
        Ok(true)
    }
}
