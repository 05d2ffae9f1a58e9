//! Frames on a thread of their own.

use super::Consumer;
use crate::error::ReceiveError;
use crate::frame::Frame;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How often the thread looks whether it is to stop.
const SLICE: Duration = Duration::from_millis(100);

/// A thread that hands each frame of a stream to a function. Made by [`Consumer::on_frames`].
///
/// When it is dropped, the thread stops after the frame it is at, at the latest a tenth of a second later.
pub struct FrameThread {
    stop: Stop,
    thread: JoinHandle<Result<Consumer, ReceiveError>>,
}

impl Consumer {
    /// Starts a thread that calls `function` with each frame, until the stream ends or it is [stopped](FrameThread::stop).
    ///
    /// # Errors
    ///
    /// `EAGAIN` when the system starts no more threads.
    pub fn on_frames(mut self, mut function: impl FnMut(Frame) + Send + 'static) -> io::Result<FrameThread> {
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        let run = move || {
            while !is_stopped.load(Ordering::Relaxed) {
                match self.receive(Some(SLICE)) {
                    Ok(frame) => function(frame),
                    Err(ReceiveError::TimedOut { .. } | ReceiveError::Corrupt(_)) => {}
                    Err(ReceiveError::Ended { .. }) => break,
                    Err(error) => return Err(error),
                }
            }
            Ok(self)
        };
        let thread = Builder::new().name("wharf-frames".to_owned()).spawn(run)?;
        Ok(FrameThread {
            stop: Stop(stop),
            thread,
        })
    }
}

impl FrameThread {
    /// Whether the thread has come to its end, because the stream has.
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops the thread, and returns the consumer it had.
    ///
    /// # Blocking
    ///
    /// Until the function has returned and the thread has noticed, a tenth of a second at most.
    ///
    /// # Errors
    ///
    /// The error that ended the thread, but not [`ReceiveError::Ended`].
    ///
    /// # Panics
    ///
    /// As the function did, if it did.
    pub fn stop(self) -> Result<Consumer, ReceiveError> {
        self.stop.0.store(true, Ordering::Relaxed);
        self.wait()
    }

    /// Waits until the stream has ended, and returns the consumer.
    ///
    /// # Blocking
    ///
    /// Until the stream ends.
    ///
    /// # Errors
    ///
    /// As [`FrameThread::stop`].
    ///
    /// # Panics
    ///
    /// As the function did, if it did.
    pub fn wait(self) -> Result<Consumer, ReceiveError> {
        let Self { stop, thread } = self;
        let outcome = thread.join();
        drop(stop);
        match outcome {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Stops the thread when it is dropped.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for FrameThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameThread")
            .field("is_over", &self.is_over())
            .finish()
    }
}
