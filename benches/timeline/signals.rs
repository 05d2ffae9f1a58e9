//! One thread, nobody asleep.

use crate::turns::{Case, Measured};
use crate::{Outcome, Stage, case};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const BATCH: usize = 256;

pub(crate) fn cases(stage: &Stage) -> Outcome<Vec<Case>> {
    let word = AtomicU64::new(0);
    let mut cases = vec![case("fetch_add of a word", move || {
        Measured::of(BATCH, || {
            for _ in 0..BATCH {
                black_box(word.fetch_add(1, Ordering::AcqRel));
            }
        })
    })];
    for imports in [0, 1, 8, 64] {
        let (timeline, imported) = stage.timeline(imports)?;
        cases.push(case(format!("signal, {imports} importers"), move || {
            black_box(&imported);
            let first = timeline.value() + 1;
            Measured::of(BATCH, || {
                for point in first..first + BATCH as u64 {
                    let _ = black_box(timeline.signal(point));
                }
            })
        }));
    }
    let (timeline, mut imported) = stage.timeline(1)?;
    let imported = imported.pop().ok_or("not imported")?;
    let other = imported.clone();
    cases.push(case("status of a signaled point", move || {
        Measured::of(BATCH, || {
            for _ in 0..BATCH {
                black_box(black_box(&other).status(1));
            }
        })
    }));
    cases.push(case("wait for a signaled point", move || {
        black_box(&timeline);
        Measured::of(BATCH, || {
            for _ in 0..BATCH {
                let _ = black_box(black_box(&imported).wait(1, Some(Duration::from_secs(1))));
            }
        })
    }));
    Ok(cases)
}
