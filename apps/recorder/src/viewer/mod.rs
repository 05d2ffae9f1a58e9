//! A viewer: a process that shows the newest frames, in the terminal if there is one, and counts them.

mod check;
mod status;

use std::io;
use std::time::Duration;

use wharf::{Frame, JoinOptions, Session};

use crate::consuming::{JoinError, Over, Place};
use crate::control::{ConsumerOutcome, Control, Key, Order, ViewOrder, Word};
use crate::needs;
use crate::report::{Dropped, Role};
use crate::shared::{self, SharedSource};
use crate::terminal::{self, Renderer, Screen};
use check::Checker;
use status::Status;

/// Frames that a viewer may have: one that it shows and one that comes meanwhile.
pub(crate) const DEPTH: u32 = 2;
/// How long to wait for a frame without looking for keys and orders.
const SLICE: Duration = Duration::from_millis(50);

/// Shows the stream until it is over.
pub(crate) fn run(control: &Control, order: &ViewOrder) -> Result<ConsumerOutcome, JoinError> {
    let role = Role::Viewer;
    let needs = needs::viewer(order.pinned).map_err(|source| JoinError::Needs { role, source })?;
    let session = Session::connect(role.name()).map_err(|source| JoinError::session(role, source))?;
    let options = JoinOptions::latest(DEPTH).needs(&needs);
    let place = Place::join(role, &session, &order.token, options)?;
    control.say(&Word::Joined);
    let viewer = Viewer {
        place,
        checker: order.check.map(Checker::new),
        face: if order.draw { Face::Waiting } else { Face::Blind },
        renderer: Renderer::new(),
        status: Status::default(),
        shown: 0,
        copied_bytes: 0,
    };
    Ok(viewer.show_all(control))
}

/// Where frames are shown.
#[derive(Debug)]
enum Face {
    /// Nowhere: they are only counted.
    Blind,
    /// In the terminal, once there is one to show.
    Waiting,
    /// In the terminal.
    Terminal(Screen),
}

#[derive(Debug)]
struct Viewer {
    place: Place,
    checker: Option<Checker>,
    face: Face,
    renderer: Renderer,
    status: Status,
    shown: u64,
    copied_bytes: u64,
}

impl Viewer {
    fn show_all(mut self, control: &Control) -> ConsumerOutcome {
        while !control.stop().is_raised() {
            while let Some(order) = control.try_order() {
                if let Order::ShowRecording(state) = order {
                    self.status.set_recording(state);
                }
            }
            match self.place.next(SLICE) {
                Ok(Some(frame)) => {
                    self.check(&frame);
                    self.show(&frame);
                }
                Ok(None) => {}
                Err(Over) => break,
            }
            self.pass_keys_on(control);
        }
        // The terminal is put back before anyone else writes to it.
        self.face = Face::Blind;
        let skipped = self.place.skipped();
        let mut outcome = self.place.leave(self.shown, self.copied_bytes);
        if skipped > 0 {
            outcome.dropped.push(Dropped {
                by: Role::Viewer,
                why: "a newer frame was there".to_owned(),
                frames: skipped,
            });
        }
        outcome
    }

    fn check(&mut self, frame: &Frame) {
        if let Some(checker) = &mut self.checker {
            let is_whole = SharedSource::new(frame)
                .is_ok_and(|picture| checker.is_whole(shared::number(frame), &picture));
            self.place.checked(is_whole);
        }
    }

    fn show(&mut self, frame: &Frame) {
        if matches!(self.face, Face::Waiting) {
            self.face = match Screen::enter() {
                Ok(screen) => Face::Terminal(screen),
                Err(error) => self.terminal_failed(&error),
            };
        }
        self.status.count(frame, self.place.latency());
        if let Face::Terminal(screen) = &mut self.face
            && let Err(error) = draw(
                screen,
                &mut self.renderer,
                frame,
                &self.status,
                &mut self.copied_bytes,
            )
        {
            self.face = self.terminal_failed(&error);
        }
        self.shown += 1;
    }

    fn pass_keys_on(&mut self, control: &Control) {
        let Face::Terminal(screen) = &mut self.face else {
            return;
        };
        let pressed = match screen.pressed() {
            Ok(pressed) => pressed,
            Err(error) => {
                self.face = self.terminal_failed(&error);
                return;
            }
        };
        for key in pressed {
            control.say(&Word::Pressed(match key {
                terminal::Key::Record => Key::Record,
                terminal::Key::Quit => Key::Quit,
            }));
        }
    }

    /// From now on frames are only counted.
    fn terminal_failed(&mut self, error: &io::Error) -> Face {
        self.place
            .note_problem(&format!("cannot show frames in the terminal: {error}"));
        Face::Blind
    }
}

fn draw(
    screen: &mut Screen,
    renderer: &mut Renderer,
    frame: &Frame,
    status: &Status,
    copied_bytes: &mut u64,
) -> io::Result<()> {
    let (columns, rows) = screen.size()?;
    let picture = SharedSource::new(frame).map_err(io::Error::other)?;
    let text = renderer
        .render(&picture, columns, rows, &status.to_string())
        .map_err(io::Error::other)?;
    *copied_bytes += picture.copied_bytes();
    screen.draw(text)
}
