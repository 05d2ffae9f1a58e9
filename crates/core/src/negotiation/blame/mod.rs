//! Who is to blame: the fewest needs that cannot be had together.

mod conflict;
mod core;
mod direct;
mod judging;
mod members;
mod shrink;
#[cfg(test)]
mod tests;
