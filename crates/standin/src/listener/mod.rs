//! Trapping the program's calls, and answering them.
//!
//! | file | idea |
//! |---|---|
//! | `filter` | which calls are trapped |
//! | `sys` | the system calls of it, and all `unsafe` |
//! | `task` | the caller's memory and descriptors |
//! | `status` | what `/proc` tells of it |
//! | `waits` | calls that wait for a fence |
//! | `injection` | having the caller make another call than it did |
//! | `mapping` | which mappings are trapped, and what they are of |
//! | `cards` | calls on cards, and mappings of their buffers |
//! | `parts` | making and mapping buffers of parts of memory files |
//! | `brackets` | runs that check coherency: their buffers, and `SYNC` calls on them |
//! | `site` | where in the program a call was made |
//! | `answering` | the loop that answers |

pub(crate) mod answering;
mod brackets;
mod cards;
pub(crate) mod filter;
pub(crate) mod injection;
mod mapping;
mod parts;
mod site;
pub(crate) mod status;
pub(crate) mod sys;
pub(crate) mod task;
pub(crate) mod waits;

pub(crate) use answering::Listener;
