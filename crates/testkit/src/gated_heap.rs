//! A heap whose allocations wait until they are let go on.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use wharf_linux::{AllocationRequest, Heap, HeapGuarantees, HeapMemory, HeapRefusal, RefusalReason};

/// How long an allocation waits at most: a test that forgets to open the gate fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
const PAUSE: Duration = Duration::from_millis(1);

/// A heap that is as slow as a test wants: while there is a file at its gate's path, allocations wait.
#[derive(Debug)]
pub struct GatedHeap {
    inner: Arc<dyn Heap>,
    gate: PathBuf,
}

impl GatedHeap {
    /// A heap with the name and the memory of `inner`, behind a gate that is closed while there is a file at `gate`.
    pub fn new(inner: impl Heap + 'static, gate: PathBuf) -> Self {
        Self {
            inner: Arc::new(inner),
            gate,
        }
    }

    fn wait(&self) -> bool {
        let until = Instant::now() + PATIENCE;
        while self.gate.exists() {
            if Instant::now() >= until {
                return false;
            }
            sleep(PAUSE);
        }
        true
    }
}

impl Heap for GatedHeap {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn guarantees(&self) -> HeapGuarantees {
        self.inner.guarantees()
    }

    fn allocate(&self, request: &AllocationRequest) -> Result<HeapMemory, HeapRefusal> {
        if !self.wait() {
            let reason = RefusalReason::NoMemory {
                call: "the gate",
                source: Errno::TIMEDOUT,
            };
            return Err(HeapRefusal::new(self.name(), request, reason));
        }
        self.inner.allocate(request)
    }
}
