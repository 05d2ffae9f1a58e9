//! Who is to blame: the fewest needs that cannot be had together.

mod shrink;
