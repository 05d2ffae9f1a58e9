//! Frame contents as models see them.

use loom::cell::UnsafeCell;

/// Stands for memory that one side writes while no other reads: loom fails the model when a read and a write, or two writes, are
/// not ordered by what the code under test does. Exists only with `--cfg loom`.
#[derive(Debug, Default)]
pub struct TrackedCell(UnsafeCell<()>);

// SAFETY:
// * There is nothing in the cell: accesses are recorded by loom and touch no memory.
unsafe impl Sync for TrackedCell {}

impl TrackedCell {
    /// Records a read.
    pub fn read(&self) {
        self.0.with(|_| ());
    }

    /// Records a write.
    pub fn write(&self) {
        self.0.with_mut(|_| ());
    }
}
