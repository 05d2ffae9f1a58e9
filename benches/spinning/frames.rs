//! Frames of streams.

use crate::{Outcome, pin_to_cpu, unpin};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use wharf::{BufferSpec, Consumer, FrameInfo, JoinOptions, Producer, Session, Waiting};
use wharf_broker::Embedded;

const PATIENCE: Option<Duration> = Some(Duration::from_secs(5));

/// A stream with `consumers` consumers.
fn stream(
    session: &Session,
    (bytes, count): (u64, u32),
    (consumers, depth): (u32, u32),
    waiting: Waiting,
) -> Outcome<(Producer, Vec<Consumer>)> {
    let spec = BufferSpec {
        name: "bench",
        size_bytes: bytes,
        count,
    };
    let mut producer = session.create_stream("bench", session.allocate(&spec)?, consumers)?;
    producer.set_waiting(waiting);
    let token = producer.token(consumers)?;
    let options = JoinOptions::every_frame(depth).with_waiting(waiting);
    let joined: Result<Vec<_>, _> = (0..consumers).map(|_| session.join(&token, options)).collect();
    let joined = joined?;
    producer.wait_for_consumers(consumers as usize, PATIENCE)?;
    Ok((producer, joined))
}

fn send(producer: &mut Producer, value: u64) -> Outcome<()> {
    let frame = producer.acquire(PATIENCE)?;
    frame.view_mut()?.copy_from(0, &value.to_le_bytes())?;
    let info = FrameInfo {
        used_bytes: 64,
        ..FrameInfo::default()
    };
    producer.publish(frame, &info)?;
    Ok(())
}

fn receive(consumer: &mut Consumer) -> Outcome<u64> {
    let frame = consumer.receive(PATIENCE)?;
    let mut value = [0; 8];
    frame.view()?.copy_to(0, &mut value)?;
    Ok(u64::from_le_bytes(value))
}

fn start(body: impl FnOnce() -> Outcome<()> + Send + 'static) -> JoinHandle<Outcome<()>> {
    std::thread::spawn(move || {
        pin_to_cpu(1);
        body()
    })
}

/// Nanoseconds of a round trip of a frame each way.
pub(crate) fn ping(turn: Duration, waiting: Waiting, bytes: u64) -> Outcome<f64> {
    unpin();
    let broker = Embedded::start()?;
    let session = Session::connect_to(broker.socket_path(), "bench")?;
    let (mut there, mut arrived) = stream(&session, (bytes, 4), (1, 2), waiting)?;
    let (mut back, mut returned) = stream(&session, (bytes, 4), (1, 2), waiting)?;
    let mut inbox = arrived.remove(0);
    let thread = start(move || {
        loop {
            let value = receive(&mut inbox)?;
            send(&mut back, value)?;
            if value == u64::MAX {
                return Ok(());
            }
        }
    });
    pin_to_cpu(0);
    let inbox = &mut returned[0];
    let (start, mut rounds) = (Instant::now(), 0);
    while start.elapsed() < turn {
        for _ in 0..1000 {
            rounds += 1;
            send(&mut there, rounds)?;
            receive(inbox)?;
        }
    }
    let ns = start.elapsed().as_nanos() as f64 / rounds as f64;
    send(&mut there, u64::MAX)?;
    receive(inbox)?;
    thread.join().map_err(|_| "panicked")??;
    Ok(ns)
}

/// Nanoseconds a frame, one way.
pub(crate) fn flood(turn: Duration, waiting: Waiting) -> Outcome<f64> {
    unpin();
    let broker = Embedded::start()?;
    let session = Session::connect_to(broker.socket_path(), "bench")?;
    let (mut producer, mut consumers) = stream(&session, (4096, 16), (1, 15), waiting)?;
    let mut consumer = consumers.remove(0);
    let thread = start(move || {
        while receive(&mut consumer)? != u64::MAX {}
        Ok(())
    });
    pin_to_cpu(0);
    let (start, mut sent) = (Instant::now(), 0);
    while start.elapsed() < turn {
        for _ in 0..1000 {
            sent += 1;
            send(&mut producer, sent)?;
        }
    }
    let ns = start.elapsed().as_nanos() as f64 / sent as f64;
    send(&mut producer, u64::MAX)?;
    thread.join().map_err(|_| "panicked")??;
    Ok(ns)
}

/// Nanoseconds to acquire and publish to consumers on the other processor, which are done with the frame before the next one.
pub(crate) fn publish(turn: Duration, consumers: u32) -> Outcome<f64> {
    unpin();
    let broker = Embedded::start()?;
    let session = Session::connect_to(broker.socket_path(), "bench")?;
    let (mut producer, mut joined) = stream(&session, (4096, 16), (consumers, 1), Waiting::default())?;
    let (go, turns) = std::sync::mpsc::channel();
    let (done, ends) = std::sync::mpsc::channel();
    let thread = start(move || {
        while turns.recv().is_ok() {
            for consumer in &mut joined {
                receive(consumer)?;
            }
            done.send(())?;
        }
        Ok(())
    });
    pin_to_cpu(0);
    let (start, mut spent, mut rounds) = (Instant::now(), Vec::new(), 0);
    while start.elapsed() < turn {
        rounds += 1;
        let begin = Instant::now();
        send(&mut producer, rounds)?;
        spent.push(begin.elapsed().as_nanos() as f64);
        go.send(())?;
        ends.recv()?;
    }
    drop(go);
    thread.join().map_err(|_| "panicked")??;
    spent.sort_unstable_by(f64::total_cmp);
    Ok(spent[spent.len() / 2])
}

/// Nanoseconds to acquire, publish, receive and release on one processor.
pub(crate) fn alone(turn: Duration) -> Outcome<f64> {
    unpin();
    let broker = Embedded::start()?;
    let session = Session::connect_to(broker.socket_path(), "bench")?;
    let (mut producer, mut consumers) = stream(&session, (4096, 4), (1, 2), Waiting::default())?;
    pin_to_cpu(0);
    let (start, mut rounds) = (Instant::now(), 0);
    while start.elapsed() < turn {
        for _ in 0..1000 {
            rounds += 1;
            send(&mut producer, rounds)?;
            receive(&mut consumers[0])?;
        }
    }
    Ok(start.elapsed().as_nanos() as f64 / rounds as f64)
}
