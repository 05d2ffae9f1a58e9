//! Who is to blame: the fewest needs that cannot be had together.
//!
//! | File | What it does |
//! |---|---|
//! | `shrink` | the fewest items that fail together, with few tests |
//! | `direct` | conflicts that can be pointed at |
//! | `core` | the fewest needs: participants first, then what they state |
//! | `conflict` | one conflict for each reason why combinations of alternatives failed |
//! | `eliminate` | what was possible until somebody removed it |
//! | `refusal` | the report |

mod conflict;
mod core;
mod direct;
mod eliminate;
mod judging;
mod members;
mod refusal;
mod shrink;
#[cfg(test)]
pub(in crate::negotiation) mod tests;
#[cfg(test)]
mod truths;

pub(super) use eliminate::eliminations;
pub(super) use members::the_system;
pub(super) use refusal::report;
pub(super) use shrink::Ended;
