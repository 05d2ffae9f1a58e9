//! Panics of exporters stop here. Contract: B5.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a foreign piece of code said when it panicked.
pub(crate) type PanicMessage = String;

/// Runs foreign code; a panic in it comes back as its message.
///
/// Programs built with `panic = "abort"` abort instead.
pub(crate) fn contain<T>(foreign: impl FnOnce() -> T) -> Result<T, PanicMessage> {
    // Unwind safety: what the closure borrows is either the exporter's own business, or framework state that is only
    // changed after the call has returned.
    catch_unwind(AssertUnwindSafe(foreign)).map_err(message)
}

fn message(payload: Box<dyn Any + Send>) -> PanicMessage {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        return (*text).to_owned();
    }
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => {
            // A payload of unknown type may panic again when dropped, this time uncontained.
            mem::forget(payload);
            "panic without a message".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    struct PanicsOnDrop;

    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("dropped the payload");
        }
    }

    #[test]
    fn panic_messages_are_kept() {
        assert_eq!(contain(|| panic!("static")), Err::<(), _>("static".to_owned()));
        assert_eq!(
            contain(|| panic!("number {}", 7)),
            Err::<(), _>("number 7".to_owned())
        );
    }

    #[test]
    fn payload_that_panics_when_dropped_is_contained() {
        let outcome: Result<(), PanicMessage> = contain(|| panic_any(PanicsOnDrop));
        assert_eq!(outcome, Err("panic without a message".to_owned()));
    }
}
