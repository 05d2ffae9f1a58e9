//! One run: its processes are started, watched, and asked for their figures.

use crate::Outcome;
use crate::counting;
use crate::crew::{Crew, Failure};
use crate::exercises::{CONSUMER_CPU, PRODUCER_CPU};
use crate::machine::{Load, cpu_count};
use crate::role;
use crate::statistics::Figures;
use crate::terms::{Exercise, Terms};
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use wharf_broker::Embedded;

/// Most of one processor that others may have used during a run.
const FOREIGN: f64 = 0.2;
/// How long everything but the measurement may take before a run counts as hung.
const WATCHDOG: Duration = Duration::from_secs(8);
/// Time between two looks at whether the machine is idle.
const LOOK: Duration = Duration::from_millis(200);

/// What came of a run.
pub(crate) enum Ended {
    /// It has figures; whether others were busy beside it.
    Measured(Figures, bool),
    Hung,
    Failed(String),
}

/// Carries out runs.
pub(crate) struct Stagehand {
    broker: Embedded,
    scratch: tempfile::TempDir,
    runs: u32,
    /// What is left of the time for waiting until the machine is idle and for doing runs again.
    spare: Duration,
}

impl Stagehand {
    pub(crate) fn new(spare: Duration) -> Outcome<Self> {
        let tmpfs = Path::new("/dev/shm");
        Ok(Self {
            broker: Embedded::start()?,
            scratch: match tmpfs.is_dir() {
                true => tempfile::tempdir_in(tmpfs)?,
                false => tempfile::tempdir()?,
            },
            runs: 0,
            spare,
        })
    }

    /// Carries out one, and again if others were busy meanwhile and there is time for that.
    pub(crate) fn carry_out(&mut self, terms: &Terms) -> Outcome<Ended> {
        loop {
            let before = Load::now()?;
            let outcome = self.once(terms);
            let disturbed = before.foreign_since()? > FOREIGN;
            // Whoever hung or failed does not get a second chance.
            if disturbed && outcome.is_ok() && !self.spare.is_zero() {
                self.spare = self.spare.saturating_sub(before.elapsed());
                self.wait_until_idle()?;
                continue;
            }
            return Ok(match outcome {
                Ok(figures) => Ended::Measured(figures, disturbed),
                Err(Failure::Hung) => Ended::Hung,
                Err(Failure::Failed(why)) => Ended::Failed(why),
            });
        }
    }

    fn wait_until_idle(&mut self) -> Outcome<()> {
        while !self.spare.is_zero() {
            let before = Load::now()?;
            std::thread::sleep(LOOK);
            self.spare = self.spare.saturating_sub(LOOK);
            if before.foreign_since()? <= FOREIGN {
                break;
            }
        }
        Ok(())
    }

    fn once(&mut self, terms: &Terms) -> Result<Figures, Failure> {
        self.runs += 1;
        let until = Instant::now() + terms.turn * 4 + WATCHDOG;
        let _hogs = hogs(terms, until)?;
        let name = format!("wharf-bench-{}-{}", std::process::id(), self.runs);
        let outcome = self.perform(terms, &name, until);
        self.clean(&name);
        outcome
    }

    fn perform(&self, terms: &Terms, name: &str, until: Instant) -> Result<Figures, Failure> {
        let (words, scratch) = (terms.to_words(), self.scratch.path().display().to_string());
        let broker = self.broker.socket_path().display().to_string();
        let mut crew = Crew::new();
        for index in 0..=terms.consumers {
            let part = if index == 0 { "lead" } else { "follow" };
            crew.start(&[
                (role::ROLE, part),
                (role::TERMS, &words),
                (role::BROKER, &broker),
                (role::SCRATCH, &scratch),
                (role::NAME, name),
            ])?;
        }
        crew.hear_all("ready", until)?;
        crew.go(1)?;
        if terms.exercise == Exercise::SystemCalls {
            return count_calls(&mut crew, until);
        }
        Ok(together(&crew.figures(until)?))
    }

    /// Removes what killed processes left.
    fn clean(&self, name: &str) {
        for directory in [Path::new("/dev/shm"), self.scratch.path()] {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(name) {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        }
    }
}

/// One on each processor, if the terms want it.
fn hogs(terms: &Terms, until: Instant) -> Result<Crew, Failure> {
    let mut hogs = Crew::new();
    let count = if terms.loaded { cpu_count() } else { 0 };
    for cpu in 0..count {
        hogs.start(&[(role::ROLE, "hog"), (role::TERMS, &cpu.to_string())])?;
    }
    hogs.hear_all("ready", until)?;
    Ok(hogs)
}

/// Figures of all: of those that several have, the mean. `both_cpu_us` is of the producer and one consumer.
fn together(members: &[Figures]) -> Figures {
    let mut sums = std::collections::BTreeMap::<String, (f64, f64)>::new();
    for (name, value) in members.iter().flatten() {
        let sum = sums.entry(name.clone()).or_default();
        *sum = (sum.0 + value, sum.1 + 1.0);
    }
    let mean = |(name, (sum, count)): (String, (f64, f64))| (name, sum / count);
    let mut means: Figures = sums.into_iter().map(mean).collect();
    if let (Some(producer), Some(consumer)) = (means.get(PRODUCER_CPU), means.get(CONSUMER_CPU)) {
        means.insert("both_cpu_us".to_owned(), producer + consumer);
    }
    means
}

/// System calls a frame: of the producer, and of the consumer.
fn count_calls(crew: &mut Crew, until: Instant) -> Result<Figures, Failure> {
    crew.hear_all("open", until)?;
    let (sender, traced) = channel();
    let counter = |id| {
        let sender = sender.clone();
        // The thread that traces is the one that waits.
        std::thread::spawn(move || {
            counting::count(id, || Ok(sender.send(())?)).map_err(|error| error.to_string())
        })
    };
    let ids = crew.ids();
    let counters: Vec<_> = ids.iter().map(|id| counter(*id)).collect();
    for _ in &counters {
        let patience = until.saturating_duration_since(Instant::now());
        traced.recv_timeout(patience).map_err(|_| Failure::Hung)?;
    }
    crew.go(0)?;
    let frames = crew.figures(until)?;
    let mut figures = Figures::new();
    let names = ["producer_calls", "consumer_calls"];
    for ((name, counter), said) in names.iter().zip(counters).zip(frames) {
        let calls = counter.join().map_err(|_| "a counter panicked")??;
        let frames = said.get("frames").copied().unwrap_or(f64::NAN);
        figures.insert((*name).to_owned(), calls as f64 / frames);
    }
    Ok(figures)
}
