//! Receives the frames of `producer` in a task of tokio. Its argument is the token that `producer` printed.

use wharf::{JoinOptions, ReceiveError, Session, Token, TokioConsumer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let token = std::env::args().nth(1).ok_or("usage: consumer_async TOKEN")?;
    let session = Session::connect("async consumer")?;
    let consumer = session.join_polled(&Token::new(token), JoinOptions::every_frame(3))?;
    let mut consumer = TokioConsumer::new(consumer)?;

    let (mut frames, mut sum) = (0, 0);
    loop {
        let frame = match consumer.receive().await {
            Err(ReceiveError::Ended { .. }) => break,
            received => received?,
        };
        let mut number = [0; 8];
        frame.view()?.copy_to(0, &mut number)?;
        frames += 1;
        sum += u64::from_le_bytes(number);
    }
    println!("received {frames} frames, sum {sum}");
    Ok(())
}
