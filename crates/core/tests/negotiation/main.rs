//! What suits everybody: the solver.

mod support;
mod worked_example;
