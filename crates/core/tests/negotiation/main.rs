//! What suits everybody: the solver.

mod complaints;
mod extremes;
mod oracle;
mod support;
mod worked_example;
