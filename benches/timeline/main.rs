//! What timelines between processes cost, in nanoseconds, against the least that could do the same:
//!
//! * one atomic read-modify-write, for a signal that nobody waits for;
//! * a word each way and a futex, for a round trip between two that sleep.
//!
//! All take turns within each repetition; the tables give medians over the repetitions and the median of the ratios within one
//! repetition. Owner and importer are sessions of one process with mappings of their own: for signals and futexes it makes no
//! difference. Run with `cargo bench -p wharf-benches --bench timeline`.

mod signals;
mod sleepers;
#[path = "../fence/turns.rs"]
mod turns;

use turns::{Case, Table};
use wharf::{ImportedTimeline, Session, Timeline};
use wharf_broker::Embedded;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let repetitions = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(9);
    println!("{repetitions} repetitions; nanoseconds for each operation\n");
    let broker = Embedded::start()?;
    let stage = Stage { broker };
    let tables = [
        Table {
            title: "signals and looks, nobody waits",
            peer: "one atomic RMW",
            cases: signals::cases(&stage)?,
        },
        Table {
            title: "round trip between two threads that sleep",
            peer: "bare futex",
            cases: sleepers::cases(&stage)?,
        },
    ];
    for table in tables {
        table.run(repetitions);
    }
    Ok(())
}

/// A broker, and timelines through it.
struct Stage {
    broker: Embedded,
}

impl Stage {
    fn session(&self) -> Outcome<Session> {
        Ok(Session::connect_to(self.broker.socket_path(), "bench")?)
    }

    /// A timeline that its owner knows to be imported so often.
    fn timeline(&self, imports: u32) -> Outcome<(Timeline, Vec<ImportedTimeline>)> {
        let timeline = self.session()?.create_timeline("bench")?;
        let session = self.session()?;
        let import = |_| Ok(session.import_timeline(&timeline.token(1)?)?);
        let imported = (0..imports).map(import).collect::<Outcome<Vec<_>>>()?;
        timeline.signal(1)?;
        Ok((timeline, imported))
    }
}

/// A case that is measured by calling `body` until its turn is over; `body` says how many operations that was.
fn case(name: impl Into<String>, body: impl FnMut() -> turns::Measured + 'static) -> Case {
    Case::new(name.into(), Box::new(body))
}
