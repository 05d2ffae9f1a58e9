//! Doorbells, on one thread: what rings and what does not. Contract: S7.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use proptest::prelude::*;
use wharf_memory::WriteWords as _;
use wharf_stream::layout::{POLLING, consumer as own};
use wharf_stream::{Consumer, Doorbell, Member, Policy, Producer};

use crate::support::{Heap, Kind as _, Stream};

/// A doorbell that counts.
#[derive(Debug, Clone, Default)]
struct Bell(Arc<AtomicUsize>);

impl Doorbell for Bell {
    fn ring(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Bell {
    fn rings(&self) -> usize {
        self.0.load(SeqCst)
    }
}
