//! Descriptors and errors over real sockets.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::pipe::pipe;
use wharf_protocol::codec::Decoder;
use wharf_protocol::transport::{Socket, SocketError};

fn pair() -> std::io::Result<(Socket, Socket)> {
    let (left, right) = UnixStream::pair()?;
    Ok((left.into(), right.into()))
}

/// Asserts that what is written into `writer` comes out of `reader`.
fn assert_same_pipe(writer: OwnedFd, reader: OwnedFd) -> std::io::Result<()> {
    File::from(writer).write_all(b"hello")?;
    let mut text = String::new();
    File::from(reader).read_to_string(&mut text)?;
    assert_eq!(text, "hello");
    Ok(())
}

#[test]
fn descriptor_arrives_with_its_message_and_is_close_on_exec() -> std::io::Result<()> {
    let (left, right) = pair()?;
    let (reader, writer) = pipe()?;
    assert_eq!(left.send(b"here\0", &[reader.as_fd()]), Ok(5));
    drop(reader);

    let mut buffer = [0; 100];
    let mut received = right.receive(&mut buffer, 8).expect("a message is there");
    assert_eq!(&buffer[..received.bytes], b"here\0");
    let reader = received.fds.pop().expect("a descriptor is there");
    assert!(fcntl_getfd(&reader)?.contains(FdFlags::CLOEXEC));
    assert_same_pipe(writer, reader)
}

#[test]
fn pipelined_messages_get_their_own_descriptors_from_the_real_kernel() -> std::io::Result<()> {
    let (left, right) = pair()?;
    let mut writers = Vec::new();
    for count in [0, 2, 0, 0, 1] {
        let pipes: Vec<_> = (0..count).map(|_| pipe()).collect::<Result<_, _>>()?;
        let fds: Vec<BorrowedFd<'_>> = pipes.iter().map(|(reader, _)| reader.as_fd()).collect();
        assert_eq!(left.send(format!("{count}\0").as_bytes(), &fds), Ok(2));
        writers.extend(pipes.into_iter().map(|(_, writer)| writer));
    }

    let mut decoder = Decoder::for_calls();
    let mut buffer = [0; 100];
    while let Ok(received) = right.receive(&mut buffer, 8) {
        decoder.push(&buffer[..received.bytes], received.fds);
    }
    let mut writers = writers.into_iter();
    for count in ["0", "2", "0", "0", "1"] {
        let message = decoder
            .next_message()
            .expect("complete")
            .expect("within the limits");
        assert_eq!(message.bytes, count.as_bytes());
        assert_eq!(message.fds.len().to_string(), count);
        for (reader, writer) in message.fds.into_iter().zip(writers.by_ref()) {
            assert_same_pipe(writer, reader)?;
        }
    }
    Ok(())
}

#[test]
fn descriptors_beyond_those_expected_are_reported_lost_and_closed() -> std::io::Result<()> {
    let (left, right) = pair()?;
    let (reader, writer) = pipe()?;
    assert_eq!(left.send(b"many\0", &[writer.as_fd(); 20]), Ok(5));
    drop(writer);

    let mut buffer = [0; 100];
    let lost = right
        .receive(&mut buffer, 8)
        .expect_err("20 descriptors do not fit");
    assert_eq!(lost, SocketError::DescriptorsLost { bytes: 5 });
    assert_eq!(lost.errno(), Errno::MFILE);
    assert_eq!(&buffer[..5], b"many\0");

    // No writing end is left anywhere, so the pipe is at its end instead of merely empty.
    assert_eq!(File::from(reader).read(&mut buffer)?, 0);
    Ok(())
}

#[test]
fn most_descriptors_a_reply_can_have_arrive_together() -> std::io::Result<()> {
    let (left, right) = pair()?;
    let (reader, _writer) = pipe()?;
    assert_eq!(left.send(b"\0", &[reader.as_fd(); 253]), Ok(1));

    let received = right.receive(&mut [0; 8], 253).expect("they fit");
    assert_eq!(received.fds.len(), 253);
    Ok(())
}

#[test]
fn more_descriptors_than_the_kernel_passes_are_refused_and_nothing_is_sent() -> std::io::Result<()> {
    let (left, right) = pair()?;
    let (reader, _writer) = pipe()?;
    for count in [254, 255, 256, 1000] {
        assert_eq!(
            left.send(b"\0", &vec![reader.as_fd(); count]),
            Err(SocketError::Os(Errno::INVAL))
        );
    }
    assert_eq!(
        right.receive(&mut [0; 8], 253).map(|_| ()),
        Err(SocketError::WouldBlock)
    );
    Ok(())
}

#[test]
fn full_socket_takes_a_part_then_would_block_and_the_rest_follows() -> std::io::Result<()> {
    let (left, right) = pair()?;
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    let (mut sent, mut received, mut partial) = (0, Vec::new(), 0);
    let mut buffer = vec![0; 65536];
    while received.len() < bytes.len() {
        while sent < bytes.len() {
            match left.send(&bytes[sent..], &[]) {
                Ok(count) => sent += count,
                Err(error) => {
                    assert_eq!(error, SocketError::WouldBlock);
                    partial += 1;
                    break;
                }
            }
        }
        let read = right.receive(&mut buffer, 8).expect("something is there");
        received.extend_from_slice(&buffer[..read.bytes]);
    }
    assert!(partial > 0, "a megabyte does not fit into a socket at once");
    assert_eq!(received, bytes);
    Ok(())
}

#[test]
fn hang_up_is_reported_after_everything_sent_was_read() -> std::io::Result<()> {
    let (left, right) = pair()?;
    assert_eq!(left.send(b"bye\0", &[]), Ok(4));
    drop(left);

    let mut buffer = [0; 100];
    assert_eq!(right.receive(&mut buffer, 8).map(|read| read.bytes), Ok(4));
    assert_eq!(
        right.receive(&mut buffer, 8).map(|_| ()),
        Err(SocketError::Disconnected)
    );
    assert_eq!(right.send(b"hello?\0", &[]), Err(SocketError::Disconnected));
    Ok(())
}

#[test]
fn peer_credentials_are_those_of_the_peer() -> std::io::Result<()> {
    let (left, _right) = pair()?;
    let peer = left.peer_credentials().expect("a Unix socket has them");
    assert_eq!(peer.pid, Some(rustix::process::getpid()));
    assert_eq!(peer.uid, rustix::process::getuid().as_raw());
    assert_eq!(peer.gid, rustix::process::getgid().as_raw());
    Ok(())
}
