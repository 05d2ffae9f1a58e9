//! The camera: the process that makes the frames.
//!
//! Pictures are drawn, or read, straight into shared buffers. What happens when no buffer is free depends on the source:
//! the test card is live, so its frame is dropped ([`live`]); a file can wait, so none of its frames is ([`patient`]).

mod input;
mod live;
mod pace;
mod patient;
mod stream;
mod tally;

use wharf::layout::{FrameLayout, LayoutError};
use wharf::{BufferSpec, Producer, Session, SessionError};

use crate::control::{CameraOutcome, Control, OpenOrder, Order, Ready, Word};
use crate::encoder;
use crate::rate::FrameRate;
use crate::shared;
use crate::viewer;
use crate::y4m::Y4mError;
use input::Input;
use stream::Stream;

/// What people call the buffers and the stream.
const NAME: &str = "preview";
/// The most that a stream can have.
const MAX_CONSUMERS: u32 = 64;
/// How often the token can be used: far more recordings than anyone begins.
const TOKEN_USES: u32 = 1000;

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CameraError {
    /// The input is no good.
    #[error(transparent)]
    Input(#[from] Y4mError),
    /// Its pictures have no layout.
    #[error("the camera cannot lay out its pictures: {0}")]
    Layout(#[from] LayoutError),
    /// The broker gives no buffers or no stream.
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
    let layout = shared::layout(input.size())?;
    let producer = produce(&layout, order.viewers)?;
    control.say(&Word::Ready(Ready {
        size: input.size(),
        rate,
        token: producer.token(TOKEN_USES)?,
        warnings: input.warnings(),
    }));
    Ok(capture(control, order, rate, (input, layout), producer))
}

/// Makes the stream, with buffers for the viewers, an encoder, one viewer more, and the frame that is being made.
fn produce(layout: &FrameLayout, viewers: u32) -> Result<Producer, SessionError> {
    let spec = BufferSpec {
        name: NAME,
        size_bytes: layout.size_bytes(),
        count: (viewers + 1) * viewer::DEPTH + encoder::DEPTH + 1,
    };
    let session = Session::connect("camera")?;
    let buffers = session.allocate(&spec)?;
    session.create_stream(NAME, buffers, MAX_CONSUMERS)
}

fn capture(
    control: &Control,
    order: &OpenOrder,
    rate: FrameRate,
    (input, layout): (Input, FrameLayout),
    producer: Producer,
) -> CameraOutcome {
    let mut stream = Stream::new(control, order, rate, layout, producer);
    if control.next_order() == Some(Order::Begin) {
        match input {
            Input::Card(card, _) => live::capture(&card, &mut stream),
            Input::Y4m(reader) => patient::capture(*reader, &mut stream),
        }
    }
    stream.finish()
}
