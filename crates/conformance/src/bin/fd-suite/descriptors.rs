//! One buffer, many descriptors: copies, other processes, threads, what stays when descriptors are closed.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Command, Stdio};

use rustix::io::{Errno, FdFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use wharf_uapi::dma_buf::{SYNC_END, SYNC_RW};

use crate::case::{Outcome, Stop, Suite, expect_errno, expect_of, expect_ok};
use crate::sys::{Access, Pages, Share, fork, is_same};
use crate::things::{CLOEXEC, RDWR, SIZE, allocate, asking, buffer, call_number, heap, sync};

/// Adds the cases of this area.
pub(crate) fn add(suite: &mut Suite) {
    suite.add("descriptors/copy-is-the-same-file", || {
        let (buffer, copy) = copied()?;
        expect_of("the same:", true, is_same(&buffer, &copy)?)
    });
    suite.add("descriptors/two-buffers-are-two-files", || {
        expect_of("the same:", false, is_same(buffer()?, buffer()?)?)
    });
    suite.add("descriptors/copy-has-the-same-inode", || {
        let (buffer, copy) = copied()?;
        let inode = |file: &OwnedFd| rustix::fs::fstat(file).map(|stat| stat.st_ino);
        expect_of("the same:", true, inode(&buffer)? == inode(&copy)?)
    });
    suite.add("descriptors/copy-is-a-buffer-when-the-first-is-closed", || {
        let (buffer, copy) = copied()?;
        drop(buffer);
        expect_ok(sync(&copy, SYNC_RW))
    });
    suite.add("descriptors/copy-at-a-chosen-number", || {
        let buffer = buffer()?;
        let high = rustix::io::fcntl_dupfd_cloexec(&buffer, 900)?;
        expect_ok(sync(&high, SYNC_RW))
    });
    numbers(suite);
}

fn numbers(suite: &mut Suite) {
    suite.add("descriptors/closed-one-is-none", || {
        let buffer = buffer()?;
        let number = buffer.as_raw_fd();
        drop(buffer);
        let flags = u64::from(SYNC_RW).to_ne_bytes();
        expect_errno(
            Errno::BADF,
            call_number(number, wharf_uapi::dma_buf::SYNC, &flags),
        )
    });
    suite.add("descriptors/number-used-again-is-the-new-file", || {
        let buffer = buffer()?;
        let null = std::fs::File::open("/dev/null").map_err(|_| Errno::NOENT)?;
        let mut number = buffer;
        rustix::io::dup2(&null, &mut number)?;
        expect_errno(Errno::NOTTY, sync(&number, SYNC_RW))
    });
    suite.add("descriptors/sent-over-a-socket", sent);
    suite.add("descriptors/inherited-by-a-program", inherited);
    suite.add("descriptors/used-by-a-fork", || {
        let buffer = buffer()?;
        let Some(process) = fork()? else {
            let mapped = Pages::of(&buffer, (0, SIZE), Access::ReadWrite, Share::SHARED);
            let started = sync(&buffer, SYNC_RW);
            mapped.iter().for_each(|pages| pages.put(5, &[55]));
            let ended = started.and_then(|()| sync(&buffer, SYNC_RW | SYNC_END));
            std::process::exit(ended.map_or(1, |()| 0));
        };
        let ended = rustix::process::waitpid(Some(process), rustix::process::WaitOptions::empty())?;
        let code = ended.and_then(|(_, status)| status.exit_status());
        expect_of("exit code", 0, code.unwrap_or(-1))?;
        let pages = Pages::of(&buffer, (0, SIZE), Access::Read, Share::SHARED)?;
        expect_of("what it wrote:", 55, pages.get(5, 1)[0])
    });
    suite.add("descriptors/used-by-a-thread", || {
        let (buffer, copy) = copied()?;
        let thread = std::thread::spawn(move || sync(&copy, SYNC_RW));
        expect_ok(thread.join().map_err(|_| Errno::IO)?)?;
        expect_ok(sync(&buffer, SYNC_RW))
    });
    suite.add("descriptors/memory-stays-while-mapped", || {
        let buffer = buffer()?;
        let pages = Pages::of(&buffer, (0, SIZE), Access::ReadWrite, Share::SHARED)?;
        drop(buffer);
        std::thread::sleep(std::time::Duration::from_millis(100));
        pages.put(SIZE - 1, &[7]);
        expect_of("what was written:", 7, pages.get(SIZE - 1, 1)[0])
    });
}

fn copied() -> Result<(OwnedFd, OwnedFd), Stop> {
    let buffer = buffer()?;
    let copy = rustix::io::dup(&buffer)?;
    Ok((buffer, copy))
}

fn sent() -> Outcome {
    let buffer = buffer()?;
    let (left, right) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let fds = [buffer.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(&left, &[IoSlice::new(b"x")], &mut control, SendFlags::empty())?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let into = &mut [IoSliceMut::new(&mut byte)];
    recvmsg(&right, into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let received = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let received = received.ok_or(Errno::NOENT)?;
    expect_of("the same file:", true, is_same(&buffer, &received)?)?;
    drop(buffer);
    expect_ok(sync(&received, SYNC_RW))
}

/// This program again, which brackets what it got as its stdin.
fn inherited() -> Outcome {
    let buffer = allocate(heap()?, asking(RDWR | CLOEXEC))?;
    expect_of(
        "closed on exec:",
        FdFlags::CLOEXEC.bits(),
        rustix::io::fcntl_getfd(&buffer)?.bits(),
    )?;
    let program = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
    let run = Command::new(program)
        .arg(INHERITOR)
        .stdin(Stdio::from(buffer))
        .output();
    let told = run.map_err(|_| Errno::NOENT)?.stdout;
    let told = String::from_utf8_lossy(&told);
    expect_of("what it said:", "pass", told.trim())
}

/// The argument that makes this program [`bracket_stdin`].
pub(crate) const INHERITOR: &str = "bracket-stdin";

/// Brackets what the process was given as its stdin.
pub(crate) fn bracket_stdin() -> Outcome {
    expect_ok(sync(std::io::stdin(), SYNC_RW))
}
