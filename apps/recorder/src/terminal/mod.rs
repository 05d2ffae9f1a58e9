//! The viewer's screen: pictures as half blocks in a terminal with 24-bit color, and keys.

mod keys;
mod render;
mod screen;

pub use keys::{Key, Keys};
pub use render::Renderer;
pub use screen::{Rescue, Screen};
