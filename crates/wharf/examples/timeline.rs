//! Fences across processes. Without arguments it is a device that finishes jobs, and prints a token; with that token it waits for them.

use std::time::Duration;
use wharf::core::Errno;
use wharf::{FenceEvent, Session, Token};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session = Session::connect("example timeline")?;
    let patience = Some(Duration::from_secs(10));
    let Some(token) = std::env::args().nth(1) else {
        let jobs = session.create_timeline("jobs")?;
        println!("{}", jobs.token(1)?.reveal());
        std::io::stdin().read_line(&mut String::new())?;
        jobs.signal(1)?;
        jobs.signal_error(2, Errno::EIO)?;
        return Ok(jobs.signal(3)?);
    };
    let jobs = session.import_timeline(&Token::new(token))?;
    println!("waiting");
    jobs.wait(1, patience)?;
    // The next two as fences of the framework: for reservations, callbacks, and poll or epoll.
    let (second, third) = (jobs.fence(2), jobs.fence(3));
    let event = FenceEvent::new(&third)?;
    rustix::event::poll(
        &mut [rustix::event::PollFd::new(&event, rustix::event::PollFlags::IN)],
        None,
    )?;
    println!("{:?}, {:?}", second.status(), third.status());
    Ok(())
}
