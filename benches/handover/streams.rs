//! A stream each way.

use crate::partner::Other;
use crate::{Link, Outcome};
use std::path::Path;
use std::time::Duration;
use wharf::{BufferSpec, Consumer, FrameInfo, JoinOptions, Producer, ReceiveError, Session, Token};
use wharf_broker::Embedded;

const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

/// Our stream and the other's. What else has to live as long comes last.
pub(crate) struct Streams {
    ours: Producer,
    theirs: Consumer,
    bytes: usize,
    _other: Option<(Other, Embedded)>,
}

pub(crate) fn lead(bytes: usize) -> Outcome<Streams> {
    let broker = Embedded::start()?;
    let session = Session::connect_to(broker.socket_path(), "leader")?;
    let mut ours = produce(&session, bytes)?;
    let mut other = Other::start("streams")?;
    other.tell(&broker.socket_path().display().to_string())?;
    other.tell(ours.token(1)?.reveal())?;
    other.tell(&bytes.to_string())?;
    let theirs = session.join(&Token::new(other.hear()?), JoinOptions::every_frame(2))?;
    if !ours.wait_for_consumers(1, PATIENCE)? {
        return Err("the other side did not join".into());
    }
    Ok(Streams {
        ours,
        theirs,
        bytes,
        _other: Some((other, broker)),
    })
}

pub(crate) fn follow(socket: &str, token: &str, bytes: usize) -> Outcome<Streams> {
    let session = Session::connect_to(Path::new(socket), "follower")?;
    let mut ours = produce(&session, bytes)?;
    let theirs = session.join(&Token::new(token), JoinOptions::every_frame(2))?;
    println!("{}", ours.token(1)?.reveal());
    if !ours.wait_for_consumers(1, PATIENCE)? {
        return Err("the leader did not join".into());
    }
    Ok(Streams {
        ours,
        theirs,
        bytes,
        _other: None,
    })
}

fn produce(session: &Session, bytes: usize) -> Outcome<Producer> {
    let spec = BufferSpec {
        name: "bench",
        size_bytes: bytes as u64,
        count: 4,
    };
    Ok(session.create_stream("bench", session.allocate(&spec)?, 1)?)
}

impl Streams {
    fn send(&mut self) -> Outcome<()> {
        let frame = self.ours.acquire(PATIENCE)?;
        frame
            .view_mut()?
            .copy_from(0, &self.ours.stats().published.to_le_bytes())?;
        let info = FrameInfo {
            used_bytes: self.bytes as u64,
            ..FrameInfo::default()
        };
        self.ours.publish(frame, &info)?;
        Ok(())
    }

    fn receive(&mut self) -> Result<(), ReceiveError> {
        let frame = self.theirs.receive(None)?;
        let mut header = [0; 8];
        if let Ok(view) = frame.view() {
            let _ = view.copy_to(0, &mut header);
        }
        std::hint::black_box(header);
        Ok(())
    }
}

impl Link for Streams {
    fn round_trip(&mut self) -> Outcome<()> {
        self.send()?;
        Ok(self.receive()?)
    }

    fn answer(&mut self) -> Outcome<bool> {
        match self.receive() {
            Ok(()) => self.send().map(|()| true),
            Err(error) if error.is_final() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
