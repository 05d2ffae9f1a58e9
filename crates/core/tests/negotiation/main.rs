//! What suits everybody: the solver.

mod complaints;
mod support;
mod worked_example;
