//! Two views of each buffer, as on a machine whose devices do not look into the CPU's caches, and what is wrong with how a program keeps
//! them together.
//!
//! In a run that checks coherency each buffer has two memory files. One is what devices see: *RAM*, mapped through the card. The other is what
//! the CPU sees, through its *cache*: mapped through the buffer's descriptor, the same for all processes of the run. Nothing but `SYNC` moves data
//! between them, and only as much as on a machine where it must:
//!
//! | call | moves |
//! |---|---|
//! | `START` with `READ` | all that differs, from RAM to the cache; what the CPU wrote and did not finish is lost |
//! | `START` with `WRITE` only | nothing; the CPU says that it does not read, see [`junk`] |
//! | `END` with `WRITE` | lines of 64 bytes that the CPU wrote, from the cache to RAM |
//! | `END` with `READ` only | nothing |
//!
//! Nobody is told of what CPU and card write. So each call compares both files with what they were at the last one, and what has changed without
//! the right calls around it is a [`Finding`]. A write of what was there already is not seen, and needs not be but for the case of [`junk`].
//!
//! | file | idea |
//! |---|---|
//! | `store` | the memory files |
//! | `bytes` | which bytes, to be told |
//! | `page` | a page: its two contents, what was written on which side |
//! | `junk` | what the CPU finds where it said that it does not read |
//! | `view` | all pages of a buffer |
//! | `call` | a `SYNC` call and who made it |
//! | `brackets` | which calls belong together, and what is wrong |
//! | `finding` | what is wrong, in words |
//! | `checked` | a buffer with two views |
//! | `ledger` | all buffers of the run |
//! | `report` | what is told at its end |
//!
//! Contract: E4.

mod brackets;
mod bytes;
mod call;
mod checked;
mod finding;
mod junk;
mod ledger;
mod page;
mod report;
mod store;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use call::Call;
pub(crate) use checked::Checked;
pub(crate) use ledger::Ledger;
pub(crate) use report::Report;

#[cfg(doc)]
use finding::Finding;
