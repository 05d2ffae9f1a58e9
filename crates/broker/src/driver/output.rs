//! What is to be sent to a peer.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use wharf_protocol::transport::{Socket, SocketError};

use super::descriptors::Shared;

/// How many bytes may wait for a peer that does not read. With more, it is cut off. Contract: P1.
const MAX_WAITING_BYTES: usize = 1 << 20;

/// Messages that wait until their peer reads.
#[derive(Debug, Default)]
pub(super) struct Output {
    queue: VecDeque<Outgoing>,
    waiting_bytes: usize,
}

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
    /// Nothing more can be sent.
    Broken,
    /// So many descriptors are on their way through sockets that the kernel takes no more. Everything that waited has been
    /// taken back.
    TooManyUnderWay,
}

impl Output {
    /// Adds a message. `false` if too much waits already.
    pub(super) fn push(&mut self, bytes: Vec<u8>, fds: Vec<Shared>) -> bool {
        // A single message may be as long as it likes: its length is ours to decide, not the peer's.
        if self.waiting_bytes > 0 && self.waiting_bytes.saturating_add(bytes.len()) > MAX_WAITING_BYTES {
            return false;
        }
        self.waiting_bytes += bytes.len();
        self.queue.push_back(Outgoing { bytes, sent: 0, fds });
        true
    }

    /// Sends as much as the socket takes.
    pub(super) fn flush(&mut self, socket: &Socket) -> Progress {
        while let Some(message) = self.queue.front_mut() {
            let fds: Vec<BorrowedFd<'_>> = message.fds.iter().filter_map(|fd| fd.fd()).collect();
            match socket.send(&message.bytes[message.sent..], &fds) {
                Ok(sent) => {
                    message.sent += sent;
                    message.fds.clear();
                    self.waiting_bytes -= sent;
                    if message.sent == message.bytes.len() {
                        self.queue.pop_front();
                    }
                }
                Err(SocketError::WouldBlock) => return Progress::Blocked,
                Err(SocketError::Os(Errno::TOOMANYREFS)) => {
                    self.queue.clear();
                    self.waiting_bytes = 0;
                    return Progress::TooManyUnderWay;
                }
                Err(_) => return Progress::Broken,
            }
        }
        Progress::Idle
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn messages_arrive_whole_and_in_order_once_the_peer_reads() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (socket, mut output) = (Socket::from(ours), Output::default());
        let messages: Vec<Vec<u8>> = (0..7).map(|n| vec![n; 120_000]).collect();
        for message in &messages {
            assert!(output.push(message.clone(), Vec::new()));
        }
        let mut received = Vec::new();
        while output.flush(&socket) == Progress::Blocked {
            let mut chunk = vec![0; 50_000];
            let read = theirs.read(&mut chunk).unwrap();
            received.extend_from_slice(&chunk[..read]);
        }
        drop(socket);
        theirs.read_to_end(&mut received).unwrap();
        assert_eq!(received, messages.concat());
        assert_eq!(output.waiting_bytes, 0);
    }

    #[test]
    fn more_than_the_limit_does_not_wait() {
        let mut output = Output::default();
        assert!(
            output.push(vec![0; 2 * MAX_WAITING_BYTES], Vec::new()),
            "a single message may be longer"
        );
        assert!(!output.push(vec![0], Vec::new()));
        let mut output = Output::default();
        assert!(output.push(vec![0; MAX_WAITING_BYTES - 1], Vec::new()));
        assert!(output.push(vec![0], Vec::new()));
        assert!(!output.push(vec![0], Vec::new()));
    }

    #[test]
    fn hung_up_peer_breaks_the_output() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let mut output = Output::default();
        output.push(b"{}\0".to_vec(), Vec::new());
        assert_eq!(output.flush(&Socket::from(ours)), Progress::Broken);
    }
}
