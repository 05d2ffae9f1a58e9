//! A connection that says whatever it likes.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use wharf_protocol::BrokerError;
use wharf_protocol::codec::{ReplyError, decode_reply};

use super::PATIENCE;

pub struct Raw(pub UnixStream);

impl Raw {
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// Sends bytes, as many as the broker takes before it hangs up.
    pub fn say(&mut self, bytes: &[u8]) {
        match self.0.write_all(bytes) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            Err(error) => panic!("{error}"),
        }
    }

    pub fn say_with(&mut self, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
        self.try_say_with(bytes, fds).unwrap();
    }

    /// Sends descriptors along, unless the broker has hung up.
    pub fn try_say_with(&mut self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        self.send(bytes, fds, SendFlags::NOSIGNAL)
    }

    /// Sends a byte and descriptors out of band.
    pub fn say_out_of_band(&mut self, fds: &[BorrowedFd<'_>]) {
        self.send(b" ", fds, SendFlags::NOSIGNAL | SendFlags::OOB)
            .unwrap();
    }

    fn send(&mut self, bytes: &[u8], fds: &[BorrowedFd<'_>], flags: SendFlags) -> Result<(), Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
        let sent = sendmsg(&self.0, &[IoSlice::new(bytes)], &mut control, flags)?;
        assert_eq!(sent, bytes.len());
        Ok(())
    }

    /// The next message, without its NUL. `None` when the broker has hung up.
    pub fn hear(&mut self) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        let mut byte = [0];
        loop {
            match self.0.read(&mut byte) {
                Ok(0) => return None,
                Ok(_) if byte[0] == 0 => return Some(message),
                Ok(_) => message.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub fn hear_error(&mut self) -> BrokerError {
        let message = self.hear().expect("an answer");
        match decode_reply::<serde_json::Value>(&message) {
            Err(ReplyError::Broker(error)) => error,
            other => panic!("{other:?}"),
        }
    }
}
