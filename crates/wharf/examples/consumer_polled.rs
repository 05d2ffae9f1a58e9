//! Receives the frames of `producer` in an event loop of its own. Its argument is the token that `producer` printed.

use rustix::event::{PollFd, PollFlags, poll};
use wharf::{JoinOptions, ReceiveError, Session, Token};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let token = std::env::args().nth(1).ok_or("usage: consumer_polled TOKEN")?;
    let session = Session::connect("polling consumer")?;
    let mut consumer = session.join_polled(&Token::new(token), JoinOptions::every_frame(3))?;

    let (mut frames, mut sum) = (0, 0);
    loop {
        poll(&mut [PollFd::new(&consumer, PollFlags::IN)], None)?;
        match consumer.try_receive() {
            Ok(Some(frame)) => {
                let mut number = [0; 8];
                frame.view()?.copy_to(0, &mut number)?;
                frames += 1;
                sum += u64::from_le_bytes(number);
            }
            Ok(None) => {}
            Err(ReceiveError::Ended { .. }) => break,
            Err(error) => return Err(error.into()),
        }
    }
    println!("received {frames} frames, sum {sum}");
    Ok(())
}
