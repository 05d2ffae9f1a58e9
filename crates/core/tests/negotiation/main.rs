//! What suits everybody: the solver.

mod checker;
mod complaints;
mod details;
mod extremes;
mod late;
mod oracle;
mod support;
mod worked_example;
