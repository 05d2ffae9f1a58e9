//! Process handles.

use std::error::Error;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use wharf_linux::{Memfd, Pid, PidFd};

type TestResult = Result<(), Box<dyn Error>>;

/// A child that lives until its standard input is closed or it is killed.
fn spawn() -> Result<(Child, Pid), Box<dyn Error>> {
    let child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id())?).ok_or("pid 0")?;
    Ok((child, pid))
}

fn wait_for_death(pidfd: &PidFd) -> TestResult {
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], None)?;
    Ok(())
}

#[test]
fn a_killed_process_is_dead_before_and_after_it_is_reaped() -> TestResult {
    let (mut child, pid) = spawn()?;
    let pidfd = PidFd::open(pid)?;
    assert!(!pidfd.is_dead()?);
    child.kill()?;
    wait_for_death(&pidfd)?;
    assert!(pidfd.is_dead()?, "not reaped yet");
    child.wait()?;
    assert!(pidfd.is_dead()?, "reaped");
    Ok(())
}

#[test]
fn a_process_that_exits_by_itself_is_dead() -> TestResult {
    let (mut child, pid) = spawn()?;
    let pidfd = PidFd::open(pid)?;
    drop(child.stdin.take());
    wait_for_death(&pidfd)?;
    assert!(pidfd.is_dead()?);
    assert!(child.wait()?.success());
    Ok(())
}

#[test]
fn taking_over_a_handle_leaves_the_exit_status_to_the_parent() -> TestResult {
    let (mut child, pid) = spawn()?;
    let pidfd = PidFd::open(pid)?;
    drop(child.stdin.take());
    wait_for_death(&pidfd)?;
    let taken = PidFd::from_fd(pidfd.as_fd().try_clone_to_owned()?)?;
    assert!(taken.is_dead()?);
    assert!(child.wait()?.success());
    Ok(())
}

#[test]
fn a_handle_of_a_process_that_is_not_a_child_can_be_taken_over() -> TestResult {
    let myself = PidFd::open(rustix::process::getpid())?;
    let taken = PidFd::from_fd(myself.as_fd().try_clone_to_owned()?)?;
    assert!(!taken.is_dead()?);
    Ok(())
}

#[test]
fn a_process_that_does_not_exist_cannot_be_opened() -> TestResult {
    let beyond_all = Pid::from_raw(i32::MAX).ok_or("pid 0")?;
    let refused = PidFd::open(beyond_all).map(drop).expect_err("no such process");
    assert_eq!(refused.errno(), Errno::SRCH);
    assert!(refused.to_string().contains("2147483647"), "{refused}");
    Ok(())
}

#[test]
fn other_descriptors_are_not_process_handles() -> TestResult {
    let memfd = Memfd::create("no process", 4096)?;
    let refused = PidFd::from_fd(memfd.into()).map(drop).expect_err("a memfd");
    assert_eq!(refused.errno(), Errno::BADF);
    assert!(Memfd::from_fd(refused.into_fd()).is_ok(), "it came back");
    Ok(())
}
