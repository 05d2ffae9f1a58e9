//! What is to be sent to a peer.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use wharf_protocol::transport::{Socket, SocketError};

use super::descriptors::Shared;

/// The answer that waits until its peer reads. There is never more than one: a peer's next call is served when the answer
/// to the one before is on its way. That bounds what waits for a peer that does not read. Contract: P1.
#[derive(Debug, Default)]
pub(super) struct Output(Option<Outgoing>);

#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    /// Go out with the first byte.
    fds: Vec<Shared>,
}

/// How far sending has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing waits.
    Idle,
    /// The peer has to read first.
    Blocked,
    /// So many descriptors are on their way through sockets that the kernel takes no more for now.
    Crowded,
    /// Nothing more can be sent.
    Broken,
}

impl Output {
    /// Takes a message to send. `false` if one waits already.
    pub(super) fn put(&mut self, bytes: Vec<u8>, fds: Vec<Shared>) -> bool {
        if self.0.is_some() {
            return false;
        }
        self.0 = Some(Outgoing { bytes, sent: 0, fds });
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Sends as much as the socket takes.
    pub(super) fn flush(&mut self, socket: &Socket) -> Progress {
        while let Some(message) = &mut self.0 {
            let fds: Vec<BorrowedFd<'_>> = message.fds.iter().filter_map(|fd| fd.fd()).collect();
            if !fds.is_empty() && !has_read(socket) {
                return Progress::Blocked;
            }
            match socket.send(&message.bytes[message.sent..], &fds) {
                Ok(sent) => {
                    message.sent += sent;
                    message.fds.clear();
                    if message.sent == message.bytes.len() {
                        self.0 = None;
                    }
                }
                Err(SocketError::WouldBlock) => return Progress::Blocked,
                Err(SocketError::Os(Errno::TOOMANYREFS)) => return Progress::Crowded,
                Err(_) => return Progress::Broken,
            }
        }
        Progress::Idle
    }
}

/// Whether a peer has read nearly all there was for it. Only then is it sent descriptors: how many can be under way to all
/// peers together is limited, and one that does not read must not use that up.
fn has_read(socket: &Socket) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::OUT)];
    let no_wait = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // A Unix socket is ready for writing when no more than a quarter of its send buffer is in use.
    poll(&mut fds, Some(&no_wait)).is_ok() && fds[0].revents().intersects(PollFlags::OUT | PollFlags::HUP)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::driver::descriptors::{Descriptor, Kept};
    use crate::driver::disposal::Disposal;

    #[test]
    fn message_arrives_whole_once_the_peer_reads() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (socket, mut output) = (Socket::from(ours), Output::default());
        let message: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        assert!(output.put(message.clone(), Vec::new()));
        let mut received = Vec::new();
        while output.flush(&socket) == Progress::Blocked {
            let mut chunk = vec![0; 50_000];
            let read = theirs.read(&mut chunk).unwrap();
            received.extend_from_slice(&chunk[..read]);
        }
        drop(socket);
        theirs.read_to_end(&mut received).unwrap();
        assert_eq!(received, message);
        assert!(output.is_empty());
    }

    #[test]
    fn second_message_has_to_wait_for_the_first() {
        let mut output = Output::default();
        assert!(output.put(vec![0; 10], Vec::new()));
        assert!(!output.put(vec![0], Vec::new()));
    }

    #[test]
    fn hung_up_peer_breaks_the_output() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let mut output = Output::default();
        output.put(b"{}\0".to_vec(), Vec::new());
        assert_eq!(output.flush(&Socket::from(ours)), Progress::Broken);
    }

    #[test]
    fn descriptors_wait_until_those_before_them_are_read() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&ours, 1).unwrap();
        let (socket, mut output) = (Socket::from(ours), Output::default());
        let memory = wharf_linux::Memfd::create("sent", 4096).unwrap();
        let kept = Kept::new(Descriptor::Memory(memory), &Disposal::new("test"));
        let kept = Shared::new(kept);
        let sent = (0..100).find(|_| {
            output.put(b"{}\0".to_vec(), vec![Shared::clone(&kept)]);
            output.flush(&socket) == Progress::Blocked
        });
        let sent = sent.expect("it is blocked in the end");
        assert!(sent < 4, "{sent} are under way");
        theirs.read_exact(&mut vec![0; 3 * sent]).unwrap();
        assert_eq!(output.flush(&socket), Progress::Idle);
    }
}
