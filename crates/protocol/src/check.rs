//! The one place where the ranges of a call's parameters are checked.

use crate::limits::{
    FIRST_WAITER_CELL, LAST_WAITER_CELL, MAX_BUFFER_BYTES, MAX_BUFFERS, MAX_CONSUMERS, MAX_LABEL_BYTES,
    MAX_MOVE_MS, MAX_NAME_BYTES, MAX_PLAN_BYTES, MAX_REASON_BYTES, MAX_SET_DEADLINE_MS, MAX_TOKEN_USES,
    MAX_WAIT_MS,
};
use crate::{BrokerError, Call, CreateSet, JoinStream, MoveBuffers, Role, Seat};

impl Call {
    /// Checks everything about the parameters that can be told without knowing the broker's state: ranges of
    /// numbers, lengths and characters of names. Each parameter's range stands in its description.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](BrokerError::InvalidArgument), naming the first parameter out of range, what was given
    /// and what is allowed.
    ///
    /// # Examples
    ///
    /// ```
    /// use wharf_protocol::{AllocateBuffers, Call};
    ///
    /// let call = Call::from(AllocateBuffers { name: String::new(), size_bytes: 4096, count: 0 });
    /// let error = call.check().unwrap_err();
    /// assert_eq!(error.to_string(), "invalid argument count: 0 is not in 1..=64");
    /// ```
    pub fn check(&self) -> Result<(), BrokerError> {
        match self {
            Self::Register(call) => text("label", &call.label, 1, MAX_LABEL_BYTES),
            Self::AllocateBuffers(call) => {
                text("name", &call.name, 0, MAX_NAME_BYTES)?;
                range("size_bytes", call.size_bytes, MAX_BUFFER_BYTES)?;
                range("count", call.count.into(), MAX_BUFFERS.into())
            }
            Self::CreateStream(call) => {
                text("name", &call.name, 0, MAX_NAME_BYTES)?;
                range("max_consumers", call.max_consumers.into(), MAX_CONSUMERS.into())?;
                range("room_ms", call.room_ms.unwrap_or(1), MAX_MOVE_MS)
            }
            Self::IssueToken(call) => range("uses", call.uses.into(), MAX_TOKEN_USES.into()),
            Self::JoinStream(call) => join_stream(call),
            Self::CreateSet(call) => create_set(call),
            Self::IssueSeat(call) => text("label", &call.label, 1, MAX_LABEL_BYTES),
            Self::AwaitBuffers(call) => wait(call.wait_ms),
            Self::MoveBuffers(call) => move_buffers(call),
            Self::TakeGeneration(call) => seat(call.role, call.seat.as_ref()),
            Self::ReadyGeneration(call) => {
                seat(call.role, call.seat.as_ref())?;
                let reason = call.error.as_deref().unwrap_or_default();
                text("error", reason, 0, MAX_REASON_BYTES)
            }
            Self::ReleaseGeneration(call) => seat(call.role, call.seat.as_ref()),
            Self::GetGeneration(call) => seat(call.role, call.seat.as_ref()),
            Self::CreateTimeline(call) => text("name", &call.name, 0, MAX_NAME_BYTES),
            Self::ImportTimeline(call) => waiter_cell(call.cell),
            Self::TakeSeat(_)
            | Self::SealSet(_)
            | Self::LeaveSeat(_)
            | Self::ExplainSet(_)
            | Self::CheckSet(_)
            | Self::GetMove(_)
            | Self::FreeBuffers(_)
            | Self::ImportBuffers(_)
            | Self::ReleaseImport(_)
            | Self::TakeChanges(_)
            | Self::LeaveStream(_)
            | Self::EndStream(_)
            | Self::TakeImporters(_)
            | Self::ReleaseTimeline(_)
            | Self::DropTimeline(_)
            | Self::GetState(_)
            | Self::WatchStream(_)
            | Self::GetInfo(_)
            | Self::GetInterfaceDescription(_) => Ok(()),
        }
    }
}

/// Accepts 1 to `max`, inclusive.
fn range(field: &str, value: u64, max: u64) -> Result<(), BrokerError> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(BrokerError::invalid(
        field,
        format!("{value} is not in 1..={max}"),
    ))
}

/// Accepts the cells of a waiter page that are for points.
fn waiter_cell(cell: u32) -> Result<(), BrokerError> {
    if (FIRST_WAITER_CELL..=LAST_WAITER_CELL).contains(&cell) {
        return Ok(());
    }
    Err(BrokerError::invalid(
        "cell",
        format!("{cell} is not in {FIRST_WAITER_CELL}..={LAST_WAITER_CELL}"),
    ))
}

fn move_buffers(call: &MoveBuffers) -> Result<(), BrokerError> {
    range("size_bytes", call.size_bytes, MAX_BUFFER_BYTES)?;
    range("count", call.count.into(), MAX_BUFFERS.into())?;
    range("deadline_ms", call.deadline_ms, MAX_MOVE_MS)?;
    length("plan", &call.plan, 0, MAX_PLAN_BYTES)
}

fn create_set(call: &CreateSet) -> Result<(), BrokerError> {
    text("name", &call.name, 0, MAX_NAME_BYTES)?;
    range("deadline_ms", call.deadline_ms.unwrap_or(1), MAX_SET_DEADLINE_MS)?;
    range("move_deadline_ms", call.move_deadline_ms, MAX_MOVE_MS)
}

fn join_stream(call: &JoinStream) -> Result<(), BrokerError> {
    range("depth", call.depth.into(), MAX_BUFFERS.into())?;
    if call.needs.is_some() && call.participant.is_some() {
        let reason = "who is a participant already has said what it needs";
        return Err(BrokerError::invalid("participant", reason));
    }
    wait(call.wait_ms.unwrap_or(0))
}

/// Accepts 0 to the longest wait.
fn wait(wait_ms: u64) -> Result<(), BrokerError> {
    if wait_ms <= MAX_WAIT_MS {
        return Ok(());
    }
    Err(BrokerError::invalid(
        "wait_ms",
        format!("{wait_ms} is not in 0..={MAX_WAIT_MS}"),
    ))
}

/// A consumer says which one it is; nobody else has a seat.
fn seat(role: Role, seat: Option<&Seat>) -> Result<(), BrokerError> {
    match (role, seat) {
        (Role::Consumer, Some(_)) | (Role::Owner | Role::Importer, None) => Ok(()),
        (Role::Consumer, None) => Err(BrokerError::invalid("seat", "a consumer must give its seat")),
        (role, Some(_)) => Err(BrokerError::invalid("seat", format!("an {role} has none"))),
    }
}

/// Accepts `min` to `max` bytes, inclusive.
fn length(field: &str, value: &str, min: usize, max: usize) -> Result<(), BrokerError> {
    if (min..=max).contains(&value.len()) {
        return Ok(());
    }
    let reason = format!("its length of {} bytes is not in {min}..={max}", value.len());
    Err(BrokerError::invalid(field, reason))
}

/// Accepts `min` to `max` bytes, inclusive, that can be shown in a terminal.
fn text(field: &str, value: &str, min: usize, max: usize) -> Result<(), BrokerError> {
    length(field, value, min, max)?;
    if value.chars().any(char::is_control) {
        return Err(BrokerError::invalid(field, "it has control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AllocateBuffers, CreateStream, CreateTimeline, ImportTimeline, Incarnation, IssueToken, JoinStream,
        ObjectKind, Policy, ReadyGeneration, Register, SetId, Slot, Token,
    };

    /// The field that is out of range, if any.
    fn refused_field(call: impl Into<Call>) -> Option<String> {
        match call.into().check() {
            Ok(()) => None,
            Err(BrokerError::InvalidArgument { field, .. }) => Some(field),
            Err(other) => panic!("unexpected error {other}"),
        }
    }

    fn label(label: &str) -> Register {
        Register {
            label: label.to_owned(),
        }
    }

    fn buffers(name: &str, size_bytes: u64, count: u32) -> AllocateBuffers {
        AllocateBuffers {
            name: name.to_owned(),
            size_bytes,
            count,
        }
    }

    fn stream(name: &str, max_consumers: u32) -> CreateStream {
        CreateStream {
            set: SetId(1),
            name: name.to_owned(),
            max_consumers,
            room_ms: None,
            polled: None,
            rotation: None,
        }
    }

    fn token(uses: u32) -> IssueToken {
        IssueToken {
            kind: ObjectKind::Set,
            id: 1,
            uses,
        }
    }

    fn join(depth: u32) -> JoinStream {
        JoinStream::new(Token::new(""), depth, Policy::Block)
    }

    fn moving(size_bytes: u64, count: u32, deadline_ms: u64, plan_bytes: usize) -> MoveBuffers {
        MoveBuffers {
            set: SetId(1),
            size_bytes,
            count,
            deadline_ms,
            plan: "\n".repeat(plan_bytes),
        }
    }

    fn ready(role: Role, seat: bool, reason_bytes: usize) -> ReadyGeneration {
        let seat = seat.then_some(Seat {
            slot: Slot(0),
            incarnation: Incarnation(1),
        });
        ReadyGeneration {
            set: SetId(1),
            generation: 2,
            role,
            seat,
            error: Some("x".repeat(reason_bytes)),
        }
    }

    #[test]
    fn ranges_of_a_move_are_checked() {
        for good in [moving(1, 1, 1, 0), moving(1 << 40, 64, 60_000, 16 << 10)] {
            assert_eq!(refused_field(good), None);
        }
        assert_eq!(refused_field(moving(0, 1, 1, 0)).as_deref(), Some("size_bytes"));
        assert_eq!(refused_field(moving(1, 65, 1, 0)).as_deref(), Some("count"));
        assert_eq!(refused_field(moving(1, 1, 0, 0)).as_deref(), Some("deadline_ms"));
        assert_eq!(
            refused_field(moving(1, 1, 60_001, 0)).as_deref(),
            Some("deadline_ms")
        );
        assert_eq!(
            refused_field(moving(1, 1, 1, (16 << 10) + 1)).as_deref(),
            Some("plan")
        );
        assert_eq!(refused_field(ready(Role::Owner, false, 255)), None);
        let spoof = ReadyGeneration {
            error: Some("\u{1b}[2J".to_owned()),
            ..ready(Role::Owner, false, 0)
        };
        assert_eq!(
            refused_field(spoof).as_deref(),
            Some("error"),
            "others see it in a terminal"
        );
        assert_eq!(
            refused_field(ready(Role::Owner, false, 256)).as_deref(),
            Some("error")
        );
    }

    #[test]
    fn consumers_have_a_seat_and_others_none() {
        for (role, seat, refused) in [
            (Role::Consumer, true, false),
            (Role::Consumer, false, true),
            (Role::Owner, true, true),
            (Role::Importer, true, true),
            (Role::Importer, false, false),
        ] {
            let field = refused_field(ready(role, seat, 0));
            assert_eq!(field.as_deref(), refused.then_some("seat"), "{role} {seat}");
        }
    }

    #[test]
    fn ranges_of_timelines_are_checked() {
        let create = |bytes: usize| CreateTimeline {
            name: "x".repeat(bytes),
        };
        let import = |cell| ImportTimeline {
            token: Token::new(""),
            cell,
        };
        for good in [import(8), import(511)] {
            assert_eq!(refused_field(good), None);
        }
        for bad in [import(7), import(512), import(u32::MAX)] {
            assert_eq!(refused_field(bad).as_deref(), Some("cell"));
        }
        assert_eq!(refused_field(create(31)), None);
        assert_eq!(refused_field(create(32)).as_deref(), Some("name"));
    }

    #[test]
    fn both_ends_of_each_range_are_accepted() {
        for name in ["a", &"x".repeat(63)] {
            assert_eq!(refused_field(label(name)), None);
        }
        assert_eq!(refused_field(buffers("", 1, 1)), None);
        assert_eq!(refused_field(buffers(&"x".repeat(31), 1 << 40, 64)), None);
        assert_eq!(refused_field(stream("", 1)), None);
        assert_eq!(refused_field(stream(&"x".repeat(31), 64)), None);
        assert_eq!(refused_field(token(1)), None);
        assert_eq!(refused_field(token(1000)), None);
        assert_eq!(refused_field(join(1)), None);
        assert_eq!(refused_field(join(64)), None);
    }

    #[test]
    fn values_beyond_a_range_are_refused_by_name() {
        for bad in ["", &"x".repeat(64), "two\nlines", "bell\u{7}", "c1 \u{9b}31m"] {
            assert_eq!(refused_field(label(bad)).as_deref(), Some("label"), "{bad:?}");
        }
        assert_eq!(
            refused_field(buffers(&"x".repeat(32), 1, 1)).as_deref(),
            Some("name")
        );
        assert_eq!(refused_field(buffers("\0", 1, 1)).as_deref(), Some("name"));
        assert_eq!(refused_field(buffers("", 0, 1)).as_deref(), Some("size_bytes"));
        assert_eq!(
            refused_field(buffers("", u64::MAX, 1)).as_deref(),
            Some("size_bytes")
        );
        assert_eq!(refused_field(buffers("", 1, 65)).as_deref(), Some("count"));
        assert_eq!(refused_field(stream(&"x".repeat(32), 1)).as_deref(), Some("name"));
        assert_eq!(refused_field(stream("", 0)).as_deref(), Some("max_consumers"));
        assert_eq!(refused_field(stream("", 65)).as_deref(), Some("max_consumers"));
        assert_eq!(refused_field(token(0)).as_deref(), Some("uses"));
        assert_eq!(refused_field(token(1001)).as_deref(), Some("uses"));
        assert_eq!(refused_field(join(0)).as_deref(), Some("depth"));
        assert_eq!(refused_field(join(65)).as_deref(), Some("depth"));
    }

    #[test]
    fn length_of_a_name_is_counted_in_bytes_not_characters() {
        assert_eq!(refused_field(label(&"é".repeat(31))), None);
        assert_eq!(refused_field(label(&"é".repeat(32))).as_deref(), Some("label"));
    }
}
