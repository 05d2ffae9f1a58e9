//! Two devices hand frames on and no thread waits for them. Start a broker (`wharf serve`), then this.

use wharf::core::FenceContext;
use wharf::{BufferSpec, FrameInfo, JoinOptions, Session};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session = Session::connect("example camera")?;
    let buffers = session.allocate(&BufferSpec {
        name: "fenced",
        size_bytes: 4096,
        count: 3,
    })?;
    let mut producer = session.create_stream("fenced", buffers, 1)?;
    let mut consumer = session.join(&producer.token(1)?, JoinOptions::every_frame(2))?;
    producer.wait_for_consumers(1, None)?;
    for number in 1..=100 {
        let frame = producer.acquire_async(None)?;
        // A job for the camera: fill the buffer, after `frame.release_fences()`.
        let filled = FenceContext::new("camera", "jobs").fence(number);
        producer.publish_when(frame, &FrameInfo::default(), &filled.fence())?;
        let frame = consumer.receive(None)?;
        // A job for the screen: show the frame, after `frame.acquire_fence()`.
        let shown = FenceContext::new("screen", "jobs").fence(number);
        frame.release_after(&shown.fence());
        [filled, shown].into_iter().for_each(|job| job.signal());
    }
    println!("handed on {} frames", producer.finish()?.published);
    Ok(())
}
