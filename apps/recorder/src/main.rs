//! The recorder showcase.
fn main() {}
