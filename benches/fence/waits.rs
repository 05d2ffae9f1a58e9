//! Two threads that wake each other.

use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread;

use wharf_core::{Fence, FenceContext, UniqueFence, Wait};

use crate::case;
use crate::turns::{Case, Measured};

/// Round trips between two starts of a thread.
const ROUNDS: usize = 500;

/// The side that wakes and the side that waits, each used once.
type Sides<W, S> = (W, S);

pub(crate) fn cases() -> Vec<Case> {
    let context = FenceContext::new("bench", "waits");
    vec![
        case("Mutex + Condvar", || round_trips(flag, set, wait_set)),
        case("mpsc channel", || round_trips(mpsc::channel, send, receive)),
        case("fence", move || {
            let make = || {
                let owner = context.fence(1);
                let fence = owner.fence();
                (owner, fence)
            };
            round_trips(make, UniqueFence::signal, wait_fence)
        }),
    ]
}

/// Signals there and back, each with a pair of its own, made before.
fn round_trips<W: Send, S: Send>(
    make: impl Fn() -> Sides<W, S>,
    wake: impl Fn(W) + Copy + Send,
    sleep: impl Fn(S) + Copy + Send,
) -> Measured {
    let mut there = Vec::new();
    let mut back = Vec::new();
    for _ in 0..ROUNDS {
        let ((wake_there, sleep_there), (wake_back, sleep_back)) = (make(), make());
        there.push((wake_there, sleep_back));
        back.push((sleep_there, wake_back));
    }
    thread::scope(|scope| {
        scope.spawn(move || {
            for (request, answer) in back {
                sleep(request);
                wake(answer);
            }
        });
        Measured::of(ROUNDS, move || {
            for (request, answer) in there {
                wake(request);
                sleep(answer);
            }
        })
    })
}

type Flag = Arc<(Mutex<bool>, Condvar)>;

fn flag() -> Sides<Flag, Flag> {
    let flag = Flag::default();
    (flag.clone(), flag)
}

fn set(flag: Flag) {
    *flag.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    flag.1.notify_one();
}

fn wait_set(flag: Flag) {
    let mut done = flag.0.lock().unwrap_or_else(PoisonError::into_inner);
    while !*done {
        done = flag.1.wait(done).unwrap_or_else(PoisonError::into_inner);
    }
}

fn send(sender: mpsc::Sender<()>) {
    let _ = sender.send(());
}

fn receive(receiver: mpsc::Receiver<()>) {
    let _ = receiver.recv();
}

fn wait_fence(fence: Fence) {
    let _ = fence.wait(&Wait::forever());
}
