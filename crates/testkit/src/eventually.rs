//! Waiting for what another process does soon.

use std::time::{Duration, Instant};

/// How long to sleep between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// Looks until `look` says `Ok`, at least once and for at most `patience`.
///
/// # Blocking
///
/// Up to `patience`, asleep between looks.
///
/// # Errors
///
/// The last look's error, once `patience` is over.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use wharf_testkit::eventually;
///
/// let mut looks = 0;
/// let seen = eventually(Duration::from_secs(1), || {
///     looks += 1;
///     if looks < 3 { Err(format!("only {looks} looks")) } else { Ok(looks) }
/// });
/// assert_eq!(seen, Ok(3));
/// ```
pub fn eventually<T, E>(patience: Duration, mut look: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let started = Instant::now();
    loop {
        match look() {
            Err(_) if started.elapsed() < patience => std::thread::sleep(BETWEEN_LOOKS),
            outcome => return outcome,
        }
    }
}

/// Waits until a process is in a state of `/proc/PID/stat`, such as `T` for stopped.
///
/// # Blocking
///
/// Until then, at most `patience`.
///
/// # Errors
///
/// The line of `/proc/PID/stat` as it was at last, or why there is none.
pub fn await_state(pid: u32, state: char, patience: Duration) -> Result<(), String> {
    eventually(patience, || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|error| error.to_string())?;
        let now = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        (now == Some(state)).then_some(()).ok_or(stat)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impatient_caller_still_gets_one_look() {
        assert_eq!(eventually(Duration::ZERO, || Ok::<_, ()>(7)), Ok(7));
        assert_eq!(eventually(Duration::ZERO, || Err::<(), _>("no")), Err("no"));
    }
}
