//! What suits everybody: the solver.

mod complaints;
mod oracle;
mod support;
mod worked_example;
