//! Generators of the calls, replies and errors of negotiated sets.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wharf_core::AccessMode;
use wharf_core::constraints::{Buffers, Bytes, Constraints, ImageConstraints, Record, Rows, key};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    Blame, Function, Guarantees, HeapOffer, Participant, ParticipantId, Plan, Policy, Presence, Problem,
    Report, ReportKind, solve,
};
use wharf_protocol::{
    AwaitBuffers, AwaitBuffersReply, BrokerError, Call, CheckSet, CheckSetReply, CreateSet, CreateSetReply,
    ExplainSet, ExplainSetReply, FailureDomain, FirstMap, IssueSeat, IssueSeatReply, JoinStream, LatePolicy,
    LeaveSeat, Object, SealSet, SeatRight, SetContents, SetId, SetStatus, TakeSeat, TakeSeatReply,
};

use super::{number, text, token};

fn late() -> impl Strategy<Value = LatePolicy> {
    prop_oneof![Just(LatePolicy::Refuse), Just(LatePolicy::Reallocate)]
}

fn first_map() -> impl Strategy<Value = FirstMap> {
    prop_oneof![
        Just(FirstMap::Waits),
        Just(FirstMap::Seals),
        Just(FirstMap::Forbidden)
    ]
}

fn contents() -> impl Strategy<Value = SetContents> {
    prop_oneof![Just(SetContents::Keep), Just(SetContents::Discard)]
}

fn domain() -> impl Strategy<Value = FailureDomain> {
    use FailureDomain::*;
    prop_oneof![Just(Normal), Just(Dispensable), Just(Attached)]
}

fn rights() -> impl Strategy<Value = Vec<SeatRight>> {
    proptest::sample::subsequence(SeatRight::ALL.to_vec(), 0..=4)
}

/// Participants as programs declare them.
pub(crate) fn participant() -> impl Strategy<Value = Participant> {
    let align = (0_u32..8).prop_map(|power| 1 << power);
    (
        any::<u64>(),
        "[a-z]{1,9}",
        align,
        1_u64..9,
        option::of(any::<u32>()),
        any::<bool>(),
    )
        .prop_map(|(id, label, align, camping, priority, reads)| {
            let image = ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR)
                .image(Record::new().with(key::ROWS_ALIGN, Rows(align)))
                .every_plane(Record::new().with(key::STRIDE_ALIGN, Bytes(align)));
            let constraints = Constraints::builder()
                .image(image)
                .with(key::CAMPING, Buffers(camping))
                .build()
                .expect("these make sense");
            let presence = priority.map_or(Presence::Required, |priority| Presence::Optional { priority });
            let access = if reads {
                AccessMode::ReadOnly
            } else {
                AccessMode::ReadWrite
            };
            Participant::new(ParticipantId(id), &label)
                .function(Function::new("use", constraints))
                .presence(presence)
                .access(access)
        })
}

pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    (1_u64..1 << 20, 1_u64..9).prop_map(|(size_bytes, camping)| {
        let constraints = Constraints::builder()
            .with(key::MIN_SIZE, Bytes(size_bytes))
            .with(key::CAMPING, Buffers(camping))
            .build()
            .expect("these make sense");
        let one = [Participant::new(ParticipantId(1), "one").function(Function::new("use", constraints))];
        let heaps = [HeapOffer {
            name: "memfd".into(),
            guarantees: Guarantees::default(),
            cost: 0,
            capacity_bytes: None,
        }];
        let policy = Policy::default();
        let problem = Problem {
            participants: &one,
            heaps: &heaps,
            policy: &policy,
        };
        solve(&problem).expect("one heap suits one participant")
    })
}

pub(crate) fn report() -> impl Strategy<Value = Report> {
    let label = || text().prop_map(String::into_boxed_str);
    let blame = (label(), option::of(any::<u32>())).prop_map(|(label, pid)| Blame {
        participant: Some(ParticipantId(3)),
        label,
        pid,
        device: None,
        function: None,
        alternative: None,
        source: None,
    });
    let kind = prop_oneof![
        vec(label(), 0..4).prop_map(|missing| ReportKind::Stalled { missing }),
        (blame, label()).prop_map(|(who, reason)| ReportKind::Invalid { who, reason }),
        any::<u64>().prop_map(|limit| ReportKind::Budget { limit }),
        label().prop_map(|reason| ReportKind::Denied { reason }),
        (label(), label(), number(), number()).prop_map(|(account, resource, limit, used)| {
            ReportKind::Quota {
                account,
                resource,
                limit,
                used,
                requested: 1,
            }
        }),
    ];
    kind.prop_map(Report::from)
}

/// Any call about a negotiated set.
pub(crate) fn call() -> impl Strategy<Value = Call> {
    let create = (
        text(),
        late(),
        first_map(),
        contents(),
        any::<bool>(),
        option::of(number()),
        number(),
    );
    prop_oneof![
        create.prop_map(
            |(name, late, first_map, contents, expected, deadline_ms, move_deadline_ms)| CreateSet {
                name,
                late,
                first_map,
                contents,
                expected,
                deadline_ms,
                move_deadline_ms,
            }
            .into()
        ),
        (token(), text(), rights(), domain(), any::<bool>()).prop_map(
            |(parent, label, rights, domain, expected)| {
                IssueSeat {
                    parent,
                    label,
                    rights,
                    domain,
                    expected,
                }
                .into()
            }
        ),
        (token(), participant()).prop_map(|(token, participant)| TakeSeat {
            token,
            participant: Object(participant),
        }
        .into()),
        number().prop_map(|set| SealSet { set: SetId(set) }.into()),
        [number(), number(), number()].prop_map(|[set, participant, wait_ms]| AwaitBuffers {
            set: SetId(set),
            participant,
            wait_ms,
        }
        .into()),
        token().prop_map(|token| LeaveSeat { token }.into()),
        number().prop_map(|set| ExplainSet { set: SetId(set) }.into()),
        (number(), participant()).prop_map(|(set, participant)| CheckSet {
            set: SetId(set),
            participant: Object(participant),
        }
        .into()),
        (
            token(),
            any::<u32>(),
            option::of(participant()),
            option::of(number()),
            option::of(number())
        )
            .prop_map(|(token, depth, needs, participant, wait_ms)| JoinStream {
                token,
                depth,
                policy: wharf_protocol::Policy::Latest,
                stream: None,
                contract: None,
                needs: needs.map(Object),
                participant,
                wait_ms,
                polled: None,
            }
            .into()),
    ]
}

pub(crate) fn error() -> impl Strategy<Value = BrokerError> {
    use BrokerError::*;
    let set = || number().prop_map(SetId);
    prop_oneof![
        (report(), any::<bool>()).prop_map(|(report, late)| Refused {
            report: Object(Box::new(report)),
            late,
        }),
        (set(), vec(text(), 0..4)).prop_map(|(set, missing)| SetWaiting { set, missing }),
        (set(), text()).prop_map(|(set, doing)| SetSettling { set, doing }),
        (set(), text()).prop_map(|(set, reason)| SetOver { set, reason }),
        set().prop_map(|set| SetSealed { set }),
        set().prop_map(|set| SetNegotiated { set }),
        (text(), rights()).prop_map(|(label, lacks)| SeatDenied { label, lacks }),
        (text(), text()).prop_map(|(label, reason)| NoPart { label, reason }),
        (text(), number()).prop_map(|(what, most)| SetFull { what, most }),
    ]
}

pub(crate) fn create_set() -> impl Strategy<Value = CreateSetReply> {
    (number(), number(), token()).prop_map(|(set, participant, token)| CreateSetReply {
        set: SetId(set),
        participant,
        token,
    })
}

pub(crate) fn issue_seat() -> impl Strategy<Value = IssueSeatReply> {
    (token(), number()).prop_map(|(token, participant)| IssueSeatReply { token, participant })
}

pub(crate) fn take_seat() -> impl Strategy<Value = TakeSeatReply> {
    (number(), number()).prop_map(|(set, participant)| TakeSeatReply {
        set: SetId(set),
        participant,
    })
}

pub(crate) fn await_buffers() -> impl Strategy<Value = AwaitBuffersReply> {
    (
        text(),
        number(),
        number(),
        any::<u32>(),
        any::<bool>(),
        plan(),
        text(),
    )
        .prop_map(
            |(name, generation, size_bytes, count, writable, plan, summary)| AwaitBuffersReply {
                name,
                generation,
                size_bytes,
                count,
                writable,
                plan: Object(Box::new(plan)),
                summary,
            },
        )
}

pub(crate) fn explain_set() -> impl Strategy<Value = ExplainSetReply> {
    let said = (option::of(plan()), option::of(report()), option::of(text()));
    (text(), number(), vec(text(), 0..3), vec(text(), 0..3), said).prop_map(
        |(name, generation, heaps, missing, (plan, report, over))| ExplainSetReply {
            name,
            status: SetStatus::Moving,
            generation,
            heaps,
            missing,
            seats: Vec::new(),
            plan: plan.map(|plan| Object(Box::new(plan))),
            report: report.map(|report| Object(Box::new(report))),
            over,
        },
    )
}

pub(crate) fn check_set() -> impl Strategy<Value = CheckSetReply> {
    (any::<bool>(), option::of(plan())).prop_map(|(moves, plan)| CheckSetReply {
        moves,
        plan: plan.map(|plan| Object(Box::new(plan))),
    })
}
