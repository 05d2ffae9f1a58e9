//! Devices that hand frames to each other while nobody waits.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use wharf::core::{Fence, FenceContext, UniqueFence, Wait};
use wharf::{BrokerBuffer, DmaBuf, JoinOptions};

use crate::common::{AT_ONCE, PATIENCE, info};
use crate::support::{Pair, SIZE};

fn fill(buffer: &DmaBuf, byte: u8) {
    let memory = buffer.exporter::<BrokerBuffer>().unwrap();
    memory
        .mapping()
        .view_mut()
        .unwrap()
        .copy_from(0, &[byte; SIZE])
        .unwrap();
}

fn bytes(buffer: &DmaBuf) -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    let memory = buffer.exporter::<BrokerBuffer>().unwrap();
    memory.mapping().view().copy_to(0, &mut bytes).unwrap();
    bytes
}

/// A device: works off its jobs in order, each after its fences. Threads that use it never wait.
struct Device(mpsc::Sender<Job>, FenceContext);

struct Job {
    after: Vec<Fence>,
    work: Box<dyn FnOnce() + Send>,
    done: UniqueFence,
}

impl Device {
    fn new(name: &str) -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for job in queue {
                job.after
                    .iter()
                    .for_each(|fence| fence.wait(&Wait::forever()).unwrap());
                (job.work)();
                job.done.signal();
            }
        });
        Self(jobs, FenceContext::new("soft-device", name))
    }

    fn start(&self, number: u64, after: Vec<Fence>, work: impl FnOnce() + Send + 'static) -> Fence {
        let done = self.1.fence(number);
        let fence = done.fence();
        let work = Box::new(work);
        self.0.send(Job { after, work, done }).unwrap();
        fence
    }
}

#[test]
fn pipeline_of_devices_never_blocks_a_thread() {
    const FRAMES: u64 = 300;
    let mut pair = Pair::new(4, JoinOptions::every_frame(3));
    let (camera, screen) = (Device::new("camera"), Device::new("screen"));
    let (sender, seen) = mpsc::channel();
    let (mut published, mut received, mut handed_out) = (0, 0, 0);
    let give_up = Instant::now() + Duration::from_secs(60);
    while received < FRAMES {
        assert!(
            Instant::now() < give_up,
            "{published} published, {received} received"
        );
        if published < FRAMES
            && let Ok(frame) = pair.producer.acquire_async(AT_ONCE)
        {
            published += 1;
            handed_out += usize::from(!frame.release_fences().is_empty());
            let (buffer, byte) = (frame.buffer().clone(), published as u8);
            let after = frame.release_fences().to_vec();
            let filled = camera.start(published, after, move || fill(&buffer, byte));
            pair.producer
                .publish_when(frame, &info(SIZE as u64), &filled)
                .unwrap();
        }
        if let Ok(frame) = pair.consumer.receive(AT_ONCE) {
            received += 1;
            let (buffer, byte, sender) = (frame.buffer().clone(), frame.seq() as u8, sender.clone());
            let after = frame.acquire_fence().cloned().into_iter().collect();
            let read = screen.start(received, after, move || {
                let bytes = bytes(&buffer);
                sender.send(bytes.iter().all(|read| *read == byte)).unwrap();
            });
            frame.release_after(&read);
        }
    }
    let seen: Vec<bool> = (0..FRAMES)
        .map(|_| seen.recv_timeout(PATIENCE.unwrap()).unwrap())
        .collect();
    assert!(
        seen.iter().all(|is_whole| *is_whole),
        "a device saw another frame"
    );
    assert!(handed_out > 0, "the producer went ahead of the consumer's device");
}
