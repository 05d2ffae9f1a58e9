//! What is said when everybody has what they need. Contract: N3.

use wharf_core::constraints::{Field, Size, StrideRule, Value};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    Blame, Choice, Eliminated, Elimination, ImagePlan, Ledger, LedgerEntry, MemoryPlan, ParticipantId, Plan,
    PlanePlan, Reason, SyncStep,
};

use crate::support::{TILED, addresses, format, member, names, path, who};

fn plain(id: u64, label: &str) -> Blame {
    Blame {
        function: None,
        ..who(id, label, "")
    }
}

fn reason(field: Field, value: Value, who: Vec<Blame>) -> Reason {
    Reason {
        path: path(field),
        value,
        who,
    }
}

/// A plan in which everything is said that can be.
pub(crate) fn plan() -> Plan {
    let (camera, display) = (who(1, "camera", "capture"), who(3, "display", "primary"));
    let plane = |memory, offset_bytes, rows| PlanePlan {
        memory,
        offset_bytes,
        stride_bytes: 1920,
        rows,
        size_bytes: 1920 * rows,
    };
    let size = Size {
        width: 1920,
        height: 1080,
    };
    let entry = |id, camping, slack| LedgerEntry {
        participant: ParticipantId(id),
        camping,
        slack,
    };
    Plan {
        participants: vec![plain(1, "camera"), plain(3, "display"), plain(7, "archive")],
        image: Some(ImagePlan {
            format: format(Fourcc::NV12, Modifier::LINEAR),
            size,
            required: vec![size],
            planes: vec![plane(0, 0, 1088), plane(0, 1920 * 1088, 544)],
            color_space: Some("bt709".into()),
            alpha: Some("premultiplied".into()),
        }),
        memories: vec![MemoryPlan {
            size_bytes: 3_133_440,
            min_chunk_bytes: 1 << 22,
            cache_mode: Some("cached".into()),
            heaps: vec!["cma-low".into(), "carveout".into()],
        }],
        ledger: Ledger {
            entries: vec![entry(1, 4, 0), entry(3, 2, 1)],
            shared_slack: 1,
            total: 8,
        },
        choices: vec![
            Choice {
                participant: ParticipantId(1),
                function: "capture".into(),
                alternative: "only".into(),
            },
            Choice {
                participant: ParticipantId(3),
                function: "primary".into(),
                alternative: "scanout".into(),
            },
        ],
        dropped: vec![ParticipantId(7)],
        sync: vec![SyncStep {
            from: ParticipantId(1),
            to: ParticipantId(3),
            clean: false,
            invalidate: true,
        }],
        reasons: vec![
            reason(Field::Windows, addresses(0, 0x3fff_ffff), vec![display.clone()]),
            reason(
                Field::MaxSegments,
                Value::Segments(1),
                vec![camera, display.clone()],
            ),
            reason(Field::NoBounce, Value::Needed, vec![display.clone()]),
        ],
        eliminated: vec![
            Elimination {
                what: Eliminated::Format(format(Fourcc::NV12, TILED)),
                path: path(Field::Format),
                members: vec![member(display.clone(), Field::Format, names(["NV12:linear"]))],
            },
            Elimination {
                what: Eliminated::Heap("system".into()),
                path: path(Field::MaxSegments),
                members: vec![member(display.clone(), Field::MaxSegments, Value::Segments(1))],
            },
            Elimination {
                what: Eliminated::Participant {
                    who: plain(7, "archive"),
                },
                path: path(Field::Windows),
                members: vec![
                    member(display, Field::Windows, addresses(0, 0x3fff_ffff)),
                    member(
                        who(7, "archive", "store"),
                        Field::Windows,
                        addresses(1 << 30, (1 << 32) - 1),
                    ),
                ],
            },
        ],
        merges: 42,
    }
}

#[test]
fn a_plan_comes_back_from_json_as_it_was() {
    let mut plan = plan();
    let rules = [StrideRule::RoundUp(256)].into_iter().collect();
    plan.reasons.push(reason(
        Field::StrideRules,
        Value::Rules(rules),
        vec![plain(1, "camera")],
    ));
    let text = serde_json::to_string_pretty(&plan).expect("plans serialise");
    assert_eq!(serde_json::from_str::<Plan>(&text).expect("as written"), plan);
    let json: serde_json::Value = serde_json::from_str(&text).expect("as written");
    assert_eq!(json["memories"][0]["heaps"][0], "cma-low");
    assert_eq!(json["ledger"]["total"], 8);
    assert_eq!(json["participants"][0]["label"], "camera");
    assert_eq!(json["reasons"][0]["who"][0]["label"], "display");
    assert_eq!(json["eliminated"][1]["what"]["heap"], "system");
}
