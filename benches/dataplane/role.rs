//! A process that takes part in a run, as it sees itself.

use crate::Outcome;
use crate::exercises::Stage;
use crate::link::{Link, listen};
use crate::machine::{cpu_count, pin_to_cpu};
use crate::peers::Place;
use crate::statistics::Figures;
use crate::terms::{Side, Terms};
use std::io::BufRead;
use std::time::Instant;

/// What this process is: `lead`, `follow` or `hog`.
pub(crate) const ROLE: &str = "WHARF_BENCH_ROLE";
/// The terms of the run in words; for a hog its processor.
pub(crate) const TERMS: &str = "WHARF_BENCH_TERMS";
/// [`Place`] in parts.
pub(crate) const BROKER: &str = "WHARF_BENCH_BROKER";
pub(crate) const SCRATCH: &str = "WHARF_BENCH_SCRATCH";
pub(crate) const NAME: &str = "WHARF_BENCH_NAME";

/// Plays the role that the environment names, if it names one.
pub(crate) fn play_if_asked() -> Option<Outcome<()>> {
    let role = std::env::var(ROLE).ok()?;
    Some(play(&role))
}

fn play(role: &str) -> Outcome<()> {
    let terms = std::env::var(TERMS)?;
    let outcome = match role {
        "hog" => hog(terms.parse()?),
        "lead" => perform(Side::Lead, &terms),
        _ => perform(Side::Follow, &terms),
    };
    match outcome {
        Ok(figures) => {
            for (name, value) in figures {
                println!("figure {name} {value}");
            }
            println!("done");
        }
        Err(error) => println!("failed {}", error.to_string().replace('\n', " ")),
    }
    Ok(())
}

/// Keeps a processor busy until it is killed.
fn hog(cpu: usize) -> Outcome<Figures> {
    pin_to_cpu(cpu)?;
    println!("ready");
    loop {
        std::hint::black_box(());
    }
}

fn perform(side: Side, terms: &str) -> Outcome<Figures> {
    let terms = Terms::from_words(terms)?;
    let place = Place {
        broker: std::env::var(BROKER)?.into(),
        scratch: std::env::var(SCRATCH)?.into(),
        name: std::env::var(NAME)?,
    };
    if terms.consumers == 1 && cpu_count() > 1 {
        pin_to_cpu(usize::from(side == Side::Follow))?;
    }
    let (links, began) = match side {
        Side::Lead => {
            let listener = listen(&place.name)?;
            println!("ready");
            let accept = |_| Link::accept(&listener);
            let links = (0..terms.consumers).map(accept).collect::<Outcome<_>>()?;
            (links, Instant::now())
        }
        Side::Follow => {
            println!("ready");
            std::io::stdin().lock().read_line(&mut String::new())?;
            let began = Instant::now();
            (vec![Link::connect(&place.name)?], began)
        }
    };
    let stage = Stage {
        side,
        terms,
        links,
        place,
        began,
    };
    stage.perform()
}
