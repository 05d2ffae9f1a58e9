//! Fences that others have put on a buffer unseen, and the exporter knows of. Contract: R, C3, B5.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use wharf_core::DataDirection::{FromDevice, ToDevice};
use wharf_core::{
    CpuAccessError, DmaBuf, Errno, ExportInfo, Exporter, Fence, FenceArray, FenceContext, RefreshError,
    Refusal, Usage, Wait,
};

type TestResult = Result<(), Box<dyn Error>>;
type Answer = Result<Vec<(Fence, Usage)>, Refusal>;

/// Answers what it is told to; panics without an answer.
struct Foreign(Arc<Mutex<Option<Answer>>>);

impl Exporter for Foreign {
    fn name(&self) -> &str {
        "foreign"
    }

    #[expect(clippy::panic, reason = "exporters may")]
    fn outside_fences(&self) -> Answer {
        let answer = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        answer.unwrap_or_else(|| panic!("no answer"))
    }
}

fn foreign(answer: Option<Answer>) -> Result<(DmaBuf, Arc<Mutex<Option<Answer>>>), Box<dyn Error>> {
    let answer = Arc::new(Mutex::new(answer));
    let buffer = DmaBuf::export(ExportInfo::new(Foreign(Arc::clone(&answer)), 4096))?;
    Ok((buffer, answer))
}

fn tell(place: &Mutex<Option<Answer>>, answer: Answer) {
    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
}

fn begin(buffer: &DmaBuf, direction: wharf_core::DataDirection) -> Result<(), CpuAccessError> {
    buffer.begin_cpu_access_within(.., direction, &Wait::not())?.end()
}

#[test]
fn access_waits_for_what_only_the_exporter_knows() -> TestResult {
    let (buffer, answer) = foreign(Some(Ok(Vec::new())))?;
    begin(&buffer, ToDevice)?;
    let reading = FenceContext::new("kernel", "reader").fence(1);
    tell(&answer, Ok(vec![(reading.fence(), Usage::Read)]));
    begin(&buffer, FromDevice)?;
    let refused = begin(&buffer, ToDevice).map_err(|error| error.errno());
    assert_eq!(refused, Err(Errno::ETIMEDOUT));
    assert!(
        !buffer.reservation().is_signaled(Usage::Read),
        "the reservation shows it"
    );
    reading.signal();
    begin(&buffer, ToDevice)?;
    Ok(())
}

#[test]
fn later_numbers_of_a_context_take_the_place_of_earlier_ones() -> TestResult {
    let (buffer, answer) = foreign(None)?;
    let context = FenceContext::new("kernel", "writers");
    let snapshots: Vec<_> = (1..=50).map(|seqno| context.fence(seqno)).collect();
    for snapshot in &snapshots {
        tell(&answer, Ok(vec![(snapshot.fence(), Usage::Write)]));
        buffer.refresh_fences(&Wait::not())?;
    }
    assert_eq!(buffer.reservation().fences(Usage::Bookkeep).count(), 1);
    Ok(())
}

#[test]
fn what_goes_wrong_is_said_and_nothing_begins() -> TestResult {
    let (buffer, answer) = foreign(None)?;
    let panicked = begin(&buffer, FromDevice);
    assert_eq!(panicked.map_err(|error| error.errno()), Err(Errno::EIO));
    tell(&answer, Err(Refusal::new(Errno::ENOMEM, "out of memory")));
    let refused = begin(&buffer, FromDevice);
    assert!(
        matches!(
            refused,
            Err(CpuAccessError::Fences(RefreshError::Exporter { .. }))
        ),
        "{refused:?}"
    );
    assert_eq!(refused.map_err(|error| error.errno()), Err(Errno::ENOMEM));
    let parts = [1, 2].map(|number| FenceContext::new("kernel", "part").fence(number));
    let array = FenceArray::new(parts.iter().map(|part| part.fence()))?;
    tell(&answer, Ok(vec![(array.fence().clone(), Usage::Write)]));
    assert_eq!(
        begin(&buffer, FromDevice).map_err(|error| error.errno()),
        Err(Errno::EIO)
    );
    tell(&answer, Ok(Vec::new()));
    begin(&buffer, FromDevice)?;
    Ok(())
}

#[test]
fn lock_is_waited_for_within_bounds_only() -> TestResult {
    let fence = FenceContext::new("kernel", "writer").fence(1);
    let (buffer, _answer) = foreign(Some(Ok(vec![(fence.fence(), Usage::Write)])))?;
    let refused = std::thread::scope(|scope| {
        let guard = buffer.reservation().lock(&Wait::forever());
        let other = scope.spawn(|| buffer.refresh_fences(&Wait::not()).map_err(|error| error.errno()));
        let refused = other.join();
        drop(guard);
        refused
    });
    assert_eq!(refused.map_err(|_| "it panicked")?, Err(Errno::ETIMEDOUT));
    fence.signal();
    Ok(())
}
