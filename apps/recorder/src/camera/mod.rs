//! The camera: the process that makes the frames.
//!
//! Pictures are drawn, or read, straight into shared buffers. What happens when no buffer is free depends on the source:
//! the test card is live, so its frame is dropped ([`live`]); a file can wait, so none of its frames is ([`patient`]).

mod input;
mod live;
mod memory;
mod moves;
mod pace;
mod patient;
mod stream;
mod tally;

use std::time::Duration;

use wharf::core::set::{Contents, LatePolicy};
use wharf::{NegotiationError, Producer, Session, SessionError, SetId, SetOptions};

use crate::control::{CameraOutcome, Control, OpenOrder, Ready, Word};
use crate::needs::{self, BadNeeds};
use crate::size::Size;
use crate::y4m::Y4mError;
use input::Input;
use memory::{Memory, NoLayout};
use stream::Stream;

/// What people call the buffers and the stream.
const NAME: &str = "preview";
/// The most that a stream can have.
const MAX_CONSUMERS: u32 = 64;
/// How often the token can be used: far more recordings than anyone begins.
const TOKEN_USES: u32 = 1000;
/// How long the others may take to follow to other memory, before the newcomer is refused and they are named.
const MOVE_PATIENCE: Duration = Duration::from_secs(5);
/// How long the first memory may take.
const MEMORY_PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CameraError {
    /// The input is no good.
    #[error(transparent)]
    Input(#[from] Y4mError),
    /// It does not know what it needs.
    #[error("the camera does not know what it needs: {0}")]
    Needs(#[from] BadNeeds),
    /// There is no memory for its pictures.
    #[error("the camera gets no buffers: {}", one_line(.0))]
    Memory(#[from] NegotiationError),
    /// Its pictures have no place there.
    #[error("the camera cannot lay out its pictures: {0}")]
    Layout(#[from] NoLayout),
    /// The broker gives no stream.
    #[error("the camera cannot make its stream: {0}")]
    Session(#[from] SessionError),
}

/// Does what the order says, up to the last frame.
pub(crate) fn run(control: &Control, order: &OpenOrder) -> Result<CameraOutcome, CameraError> {
    let input = match Input::open(&order.source, control.stop()) {
        Ok(input) => input,
        Err(_) if control.stop().is_raised() => return Ok(CameraOutcome::default()),
        Err(error) => return Err(error.into()),
    };
    let rate = order.rate.or(input.rate()).unwrap_or_default();
    let (producer, set) = produce(input.size(), order.viewers)?;
    let memory = Memory::of(&producer, input.size())?;
    control.say(&Word::Ready(Ready {
        size: input.size(),
        rate,
        token: producer.token(TOKEN_USES)?,
        set,
        memory: memory.report.clone(),
        warnings: input.warnings(),
    }));
    let stream = Stream::new(control, order, rate, memory, producer);
    Ok(capture(input, stream))
}

/// Makes the stream, in memory as this camera needs it. Who comes later and needs something else may have it moved.
fn produce(size: Size, viewers: u32) -> Result<(Producer, SetId), CameraError> {
    let session = Session::connect("camera")?;
    let options = SetOptions::new(NAME)
        .late(LatePolicy::Reallocate)
        .contents(Contents::Discard)
        .move_deadline(MOVE_PATIENCE);
    let set = session.create_set(&options)?;
    let number = set.id();
    let mut seat = set.take_seat(needs::camera(size, viewers)?)?;
    let buffers = seat.buffers(Some(MEMORY_PATIENCE))?;
    Ok((session.create_stream(NAME, buffers, MAX_CONSUMERS)?, number))
}

fn capture(input: Input, mut stream: Stream<'_>) -> CameraOutcome {
    if stream.wait_to_begin() {
        match input {
            Input::Card(card, _) => live::capture(&card, &mut stream),
            Input::Y4m(reader) => patient::capture(*reader, &mut stream),
        }
    }
    stream.finish()
}

/// The reason, without the pages that a report can have.
fn one_line(error: &NegotiationError) -> String {
    error
        .report()
        .map_or_else(|| error.to_string(), |report| report.summary())
}
