//! The conversation between the director and the processes it starts.
//!
//! It runs over a Unix socket in a directory that only this user can enter, whose path children find in their
//! environment. Each side writes JSON values, one a line; [`Order`]s go to the children, [`Word`]s come from them.
//! Frames never pass here, and tokens do only because an argument could be seen by other users.
//!
//! * [`Control`] is a child's end. When the director is gone it makes the child stop.
//! * [`Listener`] and [`Line`] are the director's ends, which never block.

mod child;
mod director;
mod line;
mod message;
mod stop;
mod text;

pub(crate) use child::{CONTROL_ENV, Control};
pub(crate) use director::{Line, ListenError, Listener};
pub(crate) use message::{
    CameraMove, CameraOutcome, ConsumerMove, ConsumerOutcome, HandedOver, Key, OpenOrder, Order, Ready,
    RecordOrder, RecordingState, Settled, Source, ViewOrder, Word,
};
pub(crate) use stop::{Stop, Woken};
