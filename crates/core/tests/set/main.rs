//! Buffer sets: who takes part, when memory is allocated, and what happens when somebody comes or goes after that.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod core_solver;
mod domains;
mod fake;
mod heaps;
mod late;
mod leaving;
mod listing;
mod model;
mod play;
mod sealing;
mod sysmem;
mod tokens;
