//! Streams in async code, on real runtimes and a real broker. Contract: S7.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use futures_core::Stream;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;
use wharf::core::FenceContext;
use wharf::{
    AsyncConsumer, AsyncProducer, Frame, JoinOptions, PolledConsumer, PolledProducer, Producer, Readiness,
    ReceiveError, SmolConsumer, SmolProducer, TokioConsumer, TokioProducer,
};

use common::{Fixture, PATIENCE, info, spec};

const FRAMES: u64 = 300;

impl Fixture {
    /// A producer that blocks, and a consumer of every frame.
    fn stream(&self, depth: u32) -> (Producer, PolledConsumer) {
        let mut producer = self.stream_in(&spec(10_000, depth + 2));
        let consumer = self.join_polled(&mut producer, JoinOptions::every_frame(depth));
        (producer, consumer)
    }

    /// Both sides poll.
    fn polled_stream(&self, depth: u32) -> (PolledProducer, PolledConsumer) {
        let mut producer = self.polled_stream_in(&spec(10_000, depth + 2));
        let token = producer.token(1).unwrap();
        let consumer = self
            .session("viewer")
            .join_polled(&token, JoinOptions::every_frame(depth))
            .unwrap();
        assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());
        (producer, consumer)
    }
}

/// Publishes on a thread of its own, now and then with a pause, and ends the stream.
fn feed(mut producer: Producer) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for number in 0..FRAMES {
            let frame = producer.acquire(PATIENCE).unwrap();
            producer.publish(frame, &info(100)).unwrap();
            if number % 5 == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        producer.finish().unwrap();
    })
}

async fn receive_all<R: Readiness>(mut consumer: AsyncConsumer<R>) {
    for seq in 1..=FRAMES {
        assert_eq!(consumer.receive().await.unwrap().seq(), seq);
    }
    assert!(matches!(
        consumer.receive().await,
        Err(ReceiveError::Ended { .. })
    ));
}

async fn publish_all<R: Readiness>(mut producer: AsyncProducer<R>) {
    for _ in 0..FRAMES {
        let frame = producer.acquire().await.unwrap();
        producer.publish(frame, &info(100)).unwrap();
    }
    producer.finish().unwrap();
}

async fn next<R: Readiness>(consumer: &mut AsyncConsumer<R>) -> Option<Result<Frame, ReceiveError>> {
    poll_fn(|cx| Pin::new(&mut *consumer).poll_next(cx)).await
}

fn on_tokio(task: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let outcome = tokio::time::timeout(Duration::from_secs(60), task).await;
        assert!(outcome.is_ok(), "somebody is stuck");
    });
}

/// On smol, with a limit for the time it may take.
fn on_smol(task: impl Future<Output = ()>) {
    smol::block_on(smol::future::or(task, async {
        smol::Timer::after(Duration::from_secs(60)).await;
        panic!("somebody is stuck");
    }));
}

#[test]
fn many_streams_share_a_thread_of_tokio() {
    let fixture = Fixture::new();
    on_tokio(async {
        let (feeding, receiving): (Vec<_>, Vec<_>) = (0..6)
            .map(|_| {
                let (producer, consumer) = fixture.stream(2);
                let consumer = TokioConsumer::new(consumer).unwrap();
                (feed(producer), tokio::spawn(receive_all(consumer)))
            })
            .unzip();
        for task in receiving {
            task.await.unwrap();
        }
        feeding.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn many_streams_share_a_thread_of_smol() {
    let fixture = Fixture::new();
    let executor = smol::LocalExecutor::new();
    on_smol(executor.run(async {
        let (feeding, receiving): (Vec<_>, Vec<_>) = (0..6)
            .map(|_| {
                let (producer, consumer) = fixture.stream(2);
                let consumer = SmolConsumer::new(consumer).unwrap();
                (feed(producer), executor.spawn(receive_all(consumer)))
            })
            .unzip();
        for task in receiving {
            task.await;
        }
        feeding.into_iter().for_each(|thread| thread.join().unwrap());
    }));
}

#[test]
fn producer_awaits_a_consumer_of_every_frame_on_the_same_thread_of_tokio() {
    let fixture = Fixture::new();
    on_tokio(async {
        let (producer, consumer) = fixture.polled_stream(2);
        let publishing = tokio::spawn(publish_all(TokioProducer::new(producer).unwrap()));
        receive_all(TokioConsumer::new(consumer).unwrap()).await;
        publishing.await.unwrap();
    });
}

#[test]
fn producer_awaits_a_consumer_of_every_frame_on_the_same_thread_of_smol() {
    let fixture = Fixture::new();
    let executor = smol::LocalExecutor::new();
    on_smol(executor.run(async {
        let (producer, consumer) = fixture.polled_stream(2);
        let publishing = executor.spawn(publish_all(SmolProducer::new(producer).unwrap()));
        receive_all(SmolConsumer::new(consumer).unwrap()).await;
        publishing.await;
    }));
}

/// The producer's device fills a frame that is published, the consumer's reads one that is released; no task waits for either.
async fn work_of_devices<R: Readiness>(mut producer: AsyncProducer<R>, mut consumer: AsyncConsumer<R>) {
    let device = FenceContext::new("soft-device", "queue");
    let count = producer.get_ref().buffers().len() as u64;
    for number in 1..=count {
        let frame = producer.acquire().await.unwrap();
        let filling = device.fence(2 * number);
        producer
            .publish_when(frame, &info(100), &filling.fence())
            .unwrap();
        let frame = consumer.receive().await.unwrap();
        assert!(frame.acquire_fence().is_some());
        let reading = device.fence(2 * number + 1);
        frame.release_after(&reading.fence());
        let lent = producer.acquire_async().await.unwrap();
        std::thread::spawn(move || {
            filling.signal();
            reading.signal();
        });
        assert!(lent.wait_idle(PATIENCE));
    }
}

#[test]
fn fences_of_devices_travel_with_frames_on_tokio() {
    let fixture = Fixture::new();
    on_tokio(async {
        let (producer, consumer) = fixture.polled_stream(1);
        let sides = (TokioProducer::new(producer), TokioConsumer::new(consumer));
        work_of_devices(sides.0.unwrap(), sides.1.unwrap()).await;
    });
}

#[test]
fn fences_of_devices_travel_with_frames_on_smol() {
    let fixture = Fixture::new();
    on_smol(async {
        let (producer, consumer) = fixture.polled_stream(1);
        let sides = (SmolProducer::new(producer), SmolConsumer::new(consumer));
        work_of_devices(sides.0.unwrap(), sides.1.unwrap()).await;
    });
}

#[test]
fn tasks_may_move_between_threads() {
    let fixture = Fixture::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (producer, consumer) = fixture.polled_stream(2);
        let publishing = tokio::spawn(publish_all(TokioProducer::new(producer).unwrap()));
        let receiving = tokio::spawn(receive_all(TokioConsumer::new(consumer).unwrap()));
        let both = async { (publishing.await.unwrap(), receiving.await.unwrap()) };
        assert!(tokio::time::timeout(Duration::from_secs(60), both).await.is_ok());
    });
}

#[test]
fn receiving_that_is_given_up_again_and_again_loses_no_frame() {
    let fixture = Fixture::new();
    on_tokio(async {
        let (producer, consumer) = fixture.stream(2);
        let mut consumer = TokioConsumer::new(consumer).unwrap();
        let feeding = feed(producer);
        let (mut seq, mut given_up) = (0, 0);
        while seq < FRAMES {
            tokio::select! {
                biased;
                frame = consumer.receive() => {
                    seq += 1;
                    assert_eq!(frame.unwrap().seq(), seq);
                }
                () = tokio::task::yield_now() => given_up += 1,
            }
        }
        assert!(given_up > 0);
        feeding.join().unwrap();
    });
}

#[test]
fn acquiring_that_is_given_up_again_and_again_loses_no_buffer() {
    let fixture = Fixture::new();
    on_tokio(async {
        let (producer, consumer) = fixture.polled_stream(1);
        let mut producer = TokioProducer::new(producer).unwrap();
        let receiving = tokio::spawn(async move {
            let mut consumer = TokioConsumer::new(consumer).unwrap();
            for seq in 1..=FRAMES {
                assert_eq!(consumer.receive().await.unwrap().seq(), seq);
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
            }
        });
        let (mut published, mut given_up) = (0, 0);
        while published < FRAMES {
            tokio::select! {
                biased;
                frame = producer.acquire() => {
                    published = producer.publish(frame.unwrap(), &info(100)).unwrap();
                }
                () = tokio::task::yield_now() => given_up += 1,
            }
        }
        assert!(given_up > 0);
        receiving.await.unwrap();
    });
}

#[test]
fn one_task_takes_turns_between_two_streams() {
    let fixture = Fixture::new();
    on_tokio(async {
        let (streams, mut consumers): (Vec<_>, Vec<_>) = (0..2)
            .map(|_| {
                let (producer, consumer) = fixture.stream(2);
                (feed(producer), TokioConsumer::new(consumer).unwrap())
            })
            .unzip();
        let (left, right) = consumers.split_at_mut(1);
        let mut received = [0, 0];
        while received != [FRAMES, FRAMES] {
            let (frame, which) = tokio::select! {
                frame = left[0].receive(), if received[0] < FRAMES => (frame, 0),
                frame = right[0].receive(), if received[1] < FRAMES => (frame, 1),
            };
            received[which] += 1;
            assert_eq!(frame.unwrap().seq(), received[which]);
        }
        streams.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn stream_yields_every_frame_and_ends() {
    let fixture = Fixture::new();
    on_smol(async {
        let (producer, consumer) = fixture.stream(2);
        let mut consumer = SmolConsumer::new(consumer).unwrap();
        let feeding = feed(producer);
        let mut seq = 0;
        while let Some(frame) = next(&mut consumer).await {
            seq += 1;
            assert_eq!(frame.unwrap().seq(), seq);
        }
        assert_eq!(seq, FRAMES);
        assert!(next(&mut consumer).await.is_none(), "it stays over");
        feeding.join().unwrap();
    });
}

#[test]
fn stream_of_somebody_who_holds_too_many_frames_says_so_and_is_over() {
    let fixture = Fixture::new();
    on_tokio(async {
        let (mut producer, consumer) = fixture.stream(1);
        let mut consumer = TokioConsumer::new(consumer).unwrap();
        let frame = producer.acquire(PATIENCE).unwrap();
        producer.publish(frame, &info(100)).unwrap();
        let held = next(&mut consumer).await.unwrap().unwrap();
        let error = next(&mut consumer).await.unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::HoldsTooMany { .. }), "{error}");
        assert!(next(&mut consumer).await.is_none());
        drop(held);
    });
}

#[test]
fn task_is_woken_by_the_end_of_the_stream() {
    let fixture = Fixture::new();
    on_tokio(async {
        let (producer, consumer) = fixture.stream(2);
        let mut consumer = TokioConsumer::new(consumer).unwrap();
        let waiting = tokio::spawn(async move { consumer.receive().await.map(drop) });
        tokio::task::yield_now().await;
        producer.finish().unwrap();
        assert!(matches!(waiting.await.unwrap(), Err(ReceiveError::Ended { .. })));
    });
}
