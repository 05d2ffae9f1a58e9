//! Receives the frames of `producer` without copying them. Its argument is the token that `producer` printed.

use wharf::{JoinOptions, Session, Token};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let token = std::env::args().nth(1).ok_or("usage: consumer TOKEN")?;
    let session = Session::connect("example consumer")?;
    let mut consumer = session.join(&Token::new(token), JoinOptions::every_frame(3))?;

    let (mut frames, mut sum) = (0, 0);
    for frame in consumer.frames() {
        let frame = frame?;
        let mut number = [0; 8];
        frame.view()?.copy_to(0, &mut number)?;
        frames += 1;
        sum += u64::from_le_bytes(number);
    }
    println!(
        "received {frames} frames, sum {sum}, copied {} bytes",
        consumer.stats().bytes_copied
    );
    Ok(())
}
