//! The owner's side is gone after the signal.

use wharf_core::{Errno, FenceContext};

fn main() {
    let owner = FenceContext::new("driver", "queue").fence(1);
    let _ = owner.signal_error(Errno::EIO);
    let _ = owner.fence();
}
