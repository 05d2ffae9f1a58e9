//! A fence is signaled once.

use wharf_core::FenceContext;

fn main() {
    let owner = FenceContext::new("driver", "queue").fence(1);
    owner.signal();
    owner.signal();
}
