//! A child's end of the conversation.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use rustix::io::Errno;

use super::line::{Lines, to_line};
use super::message::{Order, Word};
use super::stop::Stop;

/// The environment variable that tells a child where its director listens.
pub(crate) const CONTROL_ENV: &str = "WHARF_RECORDER_CONTROL";
/// How long a child whose director is gone may take to come to its end: to finish its file, or to leave the terminal.
const GRACE: Duration = Duration::from_secs(5);
/// Exit code of a child that did not manage.
const STUCK_EXIT_CODE: i32 = 3;

/// Why a child has no director.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// It was started by hand.
    #[error("{CONTROL_ENV} is not set: this is not for starting by hand")]
    NotAChild,
    /// The director does not listen.
    #[error("cannot connect to the director at {}: {source}", path.display())]
    Connect { path: PathBuf, source: io::Error },
    /// The system refuses.
    #[error("cannot listen to the director: {0}")]
    System(#[from] io::Error),
}

/// The connection to the director. Orders are read by a thread, so that a child notices at any time that its director wants it to
/// stop, or is gone.
#[derive(Debug)]
pub(crate) struct Control {
    socket: UnixStream,
    orders: Receiver<Order>,
    stop: Stop,
}

impl Control {
    /// Connects to the director that started this process.
    pub(crate) fn connect() -> Result<Self, ControlError> {
        let path = PathBuf::from(std::env::var_os(CONTROL_ENV).ok_or(ControlError::NotAChild)?);
        match UnixStream::connect(&path) {
            Ok(socket) => Ok(Self::new(socket, leave_at_last)?),
            Err(source) => Err(ControlError::Connect { path, source }),
        }
    }

    /// Starts listening; `orphaned` is called when the director is gone.
    fn new(socket: UnixStream, orphaned: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let stop = Stop::new()?;
        let (sender, orders) = mpsc::channel();
        let (listening, raised) = (socket.try_clone()?, stop.clone());
        let listen = move || {
            listen(listening, sender, &raised);
            raised.raise();
            orphaned();
        };
        std::thread::Builder::new().name("control".into()).spawn(listen)?;
        Ok(Self { socket, orders, stop })
    }

    /// Tells the director something. If there is none any more, nobody needs to know.
    pub(crate) fn say(&self, word: &Word) {
        if let Ok(line) = to_line(word) {
            let _ = (&self.socket).write_all(&line);
        }
    }

    /// The next order other than to stop; `None` once the child is to stop.
    ///
    /// # Blocking
    ///
    /// Until one of both.
    pub(crate) fn next_order(&self) -> Option<Order> {
        self.orders.recv().ok()
    }

    /// The next order other than to stop, if there is one.
    pub(crate) fn try_order(&self) -> Option<Order> {
        self.orders.try_recv().ok()
    }

    /// Up when the child is to stop, also because its director is gone.
    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }
}

/// Ends this process, unless it manages to end itself.
fn leave_at_last() {
    std::thread::sleep(GRACE);
    std::process::exit(STUCK_EXIT_CODE);
}

/// Passes orders on until the director is gone.
fn listen(mut socket: UnixStream, orders: Sender<Order>, stop: &Stop) {
    let mut orders = Some(orders);
    let (mut lines, mut buffer) = (Lines::default(), [0; 4096]);
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return,
            Ok(bytes) => lines.push(&buffer[..bytes]),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INTR) => {}
            Err(_) => return,
        }
        loop {
            match lines.next() {
                Ok(Some(Order::Stop)) => {
                    // Who waits for an order need not any more.
                    orders = None;
                    stop.raise();
                }
                Ok(Some(order)) => {
                    if let Some(orders) = &orders {
                        // Nobody takes orders any more when the process is about to end.
                        let _ = orders.send(order);
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufRead;

    #[test]
    fn orders_arrive_and_stop_ends_them() {
        let (mut director, socket) = UnixStream::pair().unwrap();
        let control = Control::new(socket, || {}).unwrap();
        assert_eq!(control.try_order(), None);
        director.write_all(&to_line(&Order::Begin).unwrap()).unwrap();
        assert_eq!(control.next_order(), Some(Order::Begin));
        assert!(!control.stop().is_raised());
        director.write_all(&to_line(&Order::Stop).unwrap()).unwrap();
        assert_eq!(control.next_order(), None);
        assert!(control.stop().wait(Duration::MAX));
        control.say(&Word::Joined);
        let mut line = String::new();
        io::BufReader::new(director).read_line(&mut line).unwrap();
        assert_eq!(line, "\"joined\"\n");
    }
}
