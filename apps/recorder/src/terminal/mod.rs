//! The viewer's screen: pictures as half blocks in a terminal with 24-bit color, and keys.

mod render;
mod screen;

pub use render::Renderer;
pub use screen::{Input, Rescue, Screen};
