//! Shares a counter as a stream of frames. Start a broker (`wharf serve`), then this; it prints a token for `consumer`.

use std::time::Duration;
use wharf::{BufferSpec, FrameInfo, Session};

const FRAMES: u64 = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session = Session::connect("example producer")?;
    let spec = BufferSpec {
        name: "counter",
        size_bytes: 1920 * 1080 * 4,
        count: 4,
    };
    let mut producer = session.create_stream("counter", session.allocate(&spec)?, 2)?;
    println!("{}", producer.token(2)?.reveal());

    producer.wait_for_consumers(1, None)?;
    for number in 1..=FRAMES {
        let frame = producer.acquire(Some(Duration::from_secs(5)))?;
        frame.view_mut()?.copy_from(0, &number.to_le_bytes())?;
        producer.publish(
            frame,
            &FrameInfo {
                used_bytes: 8,
                timestamp_ns: wharf::now_ns(),
                ..FrameInfo::default()
            },
        )?;
    }
    let stats = producer.finish()?;
    eprintln!(
        "published {} frames, copied {} bytes",
        stats.published, stats.bytes_copied
    );
    Ok(())
}
