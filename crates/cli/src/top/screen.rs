//! The terminal: taken, given back, and the loop between.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::event::{self, Event};
use ratatui::DefaultTerminal;
use signal_hook::consts::{SIGHUP, SIGTERM};

use super::Watch;
use super::args::TopArgs;
use super::draw::{Scene, Theme, draw};
use super::keys::{Verdict, press};
use super::view::View;
use crate::color;
use crate::document::Document;
use crate::failure::Failure;

/// How soon a signal is noticed while no key is pressed.
const ATTENTION: Duration = Duration::from_millis(200);

/// Gives the terminal back as it was, also when this thread panics or fails.
struct Taken;

impl Drop for Taken {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Takes the screen and shows what goes on until the user has seen enough. The broker has been looked at before the screen is taken, so that
/// one that is not there is one line.
pub(super) fn show(watch: Watch<'_>, args: &TopArgs, view: View) -> Result<(), Failure> {
    let stop = stop_on_signals().map_err(Failure::Signals)?;
    let theme = Theme {
        has_colors: color::is_wanted(args.color),
    };
    // It also restores the terminal before a panic is reported.
    let mut terminal = ratatui::try_init().map_err(Failure::Terminal)?;
    let _taken = Taken;
    let mut show = Show {
        document: watch.last(),
        watch,
        view,
        trouble: None,
        theme,
    };
    show.run(&mut terminal, args.interval, &stop)
        .map_err(Failure::Terminal)
}

/// A flag that is set once this process is to end.
fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

struct Show<'a> {
    watch: Watch<'a>,
    document: Document,
    view: View,
    trouble: Option<String>,
    theme: Theme,
}

impl Show<'_> {
    fn run(
        &mut self,
        terminal: &mut DefaultTerminal,
        interval: Duration,
        stop: &AtomicBool,
    ) -> io::Result<()> {
        let mut due = Instant::now() + interval;
        // ORDERING: relaxed: nothing follows from the flag but the end.
        while !stop.load(Ordering::Relaxed) {
            self.draw(terminal)?;
            let left = due.saturating_duration_since(Instant::now());
            if event::poll(left.min(ATTENTION))? && self.take_event(&event::read()?) == Verdict::Quit {
                break;
            }
            if Instant::now() >= due {
                due = Instant::now() + interval;
                self.look();
            }
        }
        Ok(())
    }

    fn draw(&mut self, terminal: &mut DefaultTerminal) -> io::Result<()> {
        let scene = Scene {
            document: &self.document,
            view: &self.view,
            trouble: self.trouble.as_deref(),
            theme: self.theme,
        };
        terminal.draw(|frame| draw(frame, &scene))?;
        Ok(())
    }

    fn take_event(&mut self, event: &Event) -> Verdict {
        match event {
            Event::Key(key) => {
                let table = self.view.table(self.view.tab, &self.document);
                press(&mut self.view, *key, &table)
            }
            // A new size is seen when the screen is drawn next.
            _ => Verdict::Stay,
        }
    }

    /// Looks at the broker. If it does not answer, what was there stays, with a line that says so.
    fn look(&mut self) {
        match self.watch.look() {
            Ok(document) => {
                self.trouble = None;
                if !self.view.is_paused {
                    self.document = document;
                    let table = self.view.table(self.view.tab, &self.document);
                    self.view.settle(&table);
                }
            }
            Err(failure) => self.trouble = failure.lines().into_iter().next(),
        }
    }
}
