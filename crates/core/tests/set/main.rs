//! Buffer sets: who takes part, when memory is allocated, and what happens when somebody comes or goes after that.

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
