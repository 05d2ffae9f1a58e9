//! What the checker says.

use std::fmt;

/// Which rule was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// Two classes are taken in both orders, or against the documented one.
    Inversion,
    /// Two locks of one class are held together, not as mutexes of one acquire context.
    SameClass,
    /// A signaling section waits for a fence.
    WaitInSignalingSection,
    /// A context ended while mutexes were locked in it: guards were forgotten.
    Forgotten,
}

/// A broken rule, and for people: what was about to happen, which chains of locks contradict each other, and what to do.
#[derive(Debug, Clone)]
pub struct OrderReport {
    violation: Violation,
    text: String,
}

impl OrderReport {
    #[cfg_attr(
        any(not(debug_assertions), loom, shuttle),
        expect(dead_code, reason = "the checker is not in this build")
    )]
    pub(super) fn new(violation: Violation, text: String) -> Self {
        Self { violation, text }
    }

    /// Returns which rule was broken.
    pub fn violation(&self) -> Violation {
        self.violation
    }
}

impl fmt::Display for OrderReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
