//! The processes of a run, as the orchestrator sees them.

use crate::Outcome;
use crate::statistics::Figures;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Instant;

/// Why a run has no figures.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Somebody said nothing until the time was up.
    Hung,
    /// Somebody gave up, and why.
    Failed(String),
}

impl<E: Into<Box<dyn std::error::Error>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into().to_string())
    }
}

/// What a process printed; nothing when it will print no more.
type Said = (usize, Option<String>);

/// Processes; killed when dropped.
pub(crate) struct Crew {
    members: Vec<Child>,
    said: Receiver<Said>,
    sender: Sender<Said>,
}

impl Crew {
    pub(crate) fn new() -> Self {
        let (sender, said) = channel();
        let members = Vec::new();
        Self {
            members,
            said,
            sender,
        }
    }

    /// Starts this program again with some variables set.
    pub(crate) fn start(&mut self, environment: &[(&str, &str)]) -> Outcome<()> {
        let mut member = Command::new("/proc/self/exe")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = member.stdout.take();
        let (index, sender) = (self.members.len(), self.sender.clone());
        self.members.push(member);
        let output = output.ok_or("a process without stdout")?;
        // Ends with the process's output.
        std::thread::spawn(move || pass_on(output, index, &sender));
        Ok(())
    }

    pub(crate) fn ids(&self) -> Vec<u32> {
        self.members.iter().map(Child::id).collect()
    }

    /// Lets all from the `first` on go on.
    pub(crate) fn go(&mut self, first: usize) -> Outcome<()> {
        for member in self.members.iter_mut().skip(first) {
            let input = member.stdin.as_mut().ok_or("a process without stdin")?;
            input.write_all(b"go\n")?;
        }
        Ok(())
    }

    /// Waits until everybody has said `words`.
    pub(crate) fn hear_all(&self, words: &str, until: Instant) -> Result<(), Failure> {
        self.hear(until, words, |_, line| {
            Err(format!("a process said {line:?}").into())
        })
    }

    /// Waits until everybody is done; the figures of each.
    pub(crate) fn figures(&self, until: Instant) -> Result<Vec<Figures>, Failure> {
        let mut figures = vec![Figures::new(); self.members.len()];
        self.hear(until, "done", |index, line| {
            let mut words = line.split(' ').skip(1);
            let (name, value) = (words.next(), words.next());
            let (name, value) = name.zip(value).ok_or("a figure without a value")?;
            figures[index].insert(name.to_owned(), value.parse()?);
            Ok(())
        })?;
        Ok(figures)
    }

    /// Hands on what is said until everybody has said `end`.
    fn hear(
        &self,
        until: Instant,
        end: &str,
        mut other: impl FnMut(usize, &str) -> Outcome<()>,
    ) -> Result<(), Failure> {
        let mut missing = self.members.len();
        while missing > 0 {
            let patience = until.saturating_duration_since(Instant::now());
            let (index, line) = match self.said.recv_timeout(patience) {
                Ok((index, Some(line))) => (index, line),
                // Whoever is done may go while others are not.
                Ok((_, None)) if end == "done" => continue,
                Ok((_, None)) => return Err("a process died".into()),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(Failure::Hung),
            };
            if let Some(why) = line.strip_prefix("failed ") {
                return Err(Failure::Failed(why.to_owned()));
            }
            match line == end {
                true => missing -= 1,
                false => other(index, &line)?,
            }
        }
        Ok(())
    }
}

fn pass_on(output: ChildStdout, index: usize, sender: &Sender<Said>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let _ = sender.send((index, Some(line)));
    }
    let _ = sender.send((index, None));
}

impl Drop for Crew {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.kill();
        }
        for member in &mut self.members {
            let _ = member.wait();
        }
    }
}
