//! What is wrong, in words.

use std::fmt;
use std::sync::Arc;

use super::bytes::Bytes;
use super::call::Call;

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The CPU wrote while no bracket was open.
    WrittenOutside,
    /// The CPU wrote while only brackets for reading were open.
    WrittenWhileReading,
    /// An end without a start.
    EndWithoutStart,
    /// A thread started while its own bracket was open.
    StartedTwice,
    /// The end said something else than the start.
    OtherDirection,
    /// A bracket was open at the end.
    NeverEnded,
    /// A start for reading threw away what another thread was writing.
    Discarded,
    /// A device wrote while a bracket was open.
    DeviceWrote,
    /// What a device wrote was never brought in. The CPU may not have wanted it.
    NeverBroughtIn,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(super) kind: Kind,
    pub(super) bytes: Bytes,
    /// The call at which it was noticed; none: the end.
    pub(super) noticed: Option<Arc<Call>>,
    /// The start of the bracket that it is about, or the call before.
    pub(super) other: Option<Arc<Call>>,
    /// How often, at the same lines of the program.
    pub(super) times: u64,
}

impl Finding {
    /// One that was noticed at the end.
    pub(super) fn new(kind: Kind, bytes: Bytes, other: Option<&Arc<Call>>) -> Self {
        Self {
            kind,
            bytes,
            noticed: None,
            other: other.cloned(),
            times: 1,
        }
    }

    /// Whether both are the same mistake, made again.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let are_like = |one: &Option<Arc<Call>>, other: &Option<Arc<Call>>| match (one, other) {
            (Some(one), Some(other)) => one.is_like(other),
            (None, None) => true,
            _ => false,
        };
        self.kind == other.kind
            && are_like(&self.noticed, &other.noticed)
            && are_like(&self.other, &other.other)
    }

    /// Whether it counts for the exit code.
    pub(super) fn is_error(&self) -> bool {
        self.kind != Kind::NeverBroughtIn
    }

    /// What happened.
    fn what(&self) -> String {
        let bytes = &self.bytes;
        let direction = |call: &Option<Arc<Call>>| call.as_ref().map_or("", |call| call.direction());
        match self.kind {
            Kind::WrittenOutside => format!("the CPU wrote {bytes} while no bracket was open"),
            Kind::WrittenWhileReading => format!("the CPU wrote {bytes} in a bracket for reading"),
            Kind::EndWithoutStart if bytes.is_empty() => "a bracket ended that had not started".to_owned(),
            Kind::EndWithoutStart => format!("a bracket ended that had not started; the CPU wrote {bytes}"),
            Kind::StartedTwice if bytes.is_empty() => {
                "a bracket started while one of the same thread was open".to_owned()
            }
            Kind::StartedTwice => {
                format!(
                    "a bracket started while one of the same thread was open, in which the CPU had written {bytes}"
                )
            }
            Kind::OtherDirection => {
                let (started, ended) = (direction(&self.other), direction(&self.noticed));
                let lost = if bytes.is_empty() {
                    String::new()
                } else {
                    format!("; devices do not see {bytes}")
                };
                format!("a bracket started with {started} and ended with {ended}{lost}")
            }
            Kind::NeverEnded if bytes.is_empty() => "a bracket was never ended".to_owned(),
            Kind::NeverEnded => format!("a bracket was never ended; devices do not see {bytes}"),
            Kind::Discarded => {
                format!(
                    "a bracket for reading started and threw away {bytes}, which the CPU was writing in another one"
                )
            }
            Kind::DeviceWrote => format!("a device wrote {bytes} while a bracket of the CPU was open"),
            Kind::NeverBroughtIn => format!("what a device wrote to {bytes} never reached the CPU"),
        }
    }

    /// What there should have been.
    fn remedy(&self) -> String {
        let direction = |call: &Option<Arc<Call>>| call.as_ref().map_or("RW", |call| call.direction());
        match self.kind {
            Kind::WrittenOutside => {
                "missing: SYNC START WRITE before and SYNC END WRITE after the CPU writes (RW if it reads, too)".to_owned()
            }
            Kind::WrittenWhileReading => "missing: WRITE in both calls of this bracket: RW".to_owned(),
            Kind::EndWithoutStart => {
                format!("missing: SYNC START {} before the CPU accesses the buffer", direction(&self.noticed))
            }
            Kind::StartedTwice => format!("missing: SYNC END {} of the one before", direction(&self.other)),
            Kind::OtherDirection => format!("missing: the same direction, SYNC END {}", direction(&self.other)),
            Kind::NeverEnded => {
                format!("missing: SYNC END {} after the last access of the CPU", direction(&self.other))
            }
            Kind::Discarded => "missing: an order of the two; the writer's END must come before the reader's START".to_owned(),
            Kind::DeviceWrote => {
                "missing: a wait for the device (its fence) before START, or END before the device begins".to_owned()
            }
            Kind::NeverBroughtIn => {
                "missing, if the CPU is to read that: SYNC START READ after the device has written".to_owned()
            }
        }
    }

    /// What the other call has to do with it.
    fn relation(&self) -> &'static str {
        match self.kind {
            Kind::WrittenOutside | Kind::EndWithoutStart | Kind::NeverBroughtIn => "after",
            Kind::Discarded => "the other",
            _ => "started by",
        }
    }
}

impl fmt::Display for Finding {
    /// Several lines: what, where, what there should have been.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())?;
        if self.times > 1 {
            write!(f, " ({} times; this is the first)", self.times)?;
        }
        if let Some(call) = &self.other {
            write!(f, "\n{}: {call}", self.relation())?;
        }
        match &self.noticed {
            Some(call) => write!(f, "\nnoticed at: {call}")?,
            None => write!(f, "\nnoticed at: the end")?,
        }
        write!(f, "\n{}", self.remedy())
    }
}
