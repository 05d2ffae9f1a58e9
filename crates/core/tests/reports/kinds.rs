//! One report of every kind, and what is written of it. The same texts are in the chapter for those who read refusals.

use wharf_core::Errno;
use wharf_core::constraints::{ExtensionKey, Field, MergeKind, Unit, Value};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    Blame, Blocker, Conflict, Eliminated, Elimination, HeapAnswer, HeapMisfit, LimitOrigin, Misfit,
    Relaxation, Report, ReportKind,
};

use crate::support::{TILED, addresses, format, member, names, only, path, who};

/// Every kind by the name it has in the chapter.
pub(crate) fn all() -> Vec<(&'static str, Report)> {
    vec![
        ("invalid", invalid()),
        ("conflict", conflict()),
        ("conflict with a limit", counts()),
        (
            "underconstrained",
            only(ReportKind::Underconstrained { field: Field::Format }),
        ),
        ("no heap", no_heap()),
        ("no memory", no_memory()),
        ("quota", quota()),
        ("busy", busy()),
        ("budget", only(ReportKind::Budget { limit: 10_000 })),
        ("stalled", stalled()),
        ("denied", denied()),
        ("not understood", not_understood()),
    ]
}

fn invalid() -> Report {
    let mut who = who(3, "encoder", "encode");
    who.source = Some("recorder.toml:14".into());
    only(ReportKind::Invalid {
        who,
        reason: "min_size_bytes of 8192 bytes and max_size_bytes of 4096 bytes cannot be had together".into(),
    })
}

fn display() -> Blame {
    let mut who = who(3, "display", "primary");
    who.device = Some("card0".into());
    who
}

fn conflict() -> Report {
    let late = who(6, "archive", "store");
    Report {
        relaxations: vec![
            Relaxation::Without { who: late.clone() },
            Relaxation::UseAlternative {
                who: Blame {
                    alternative: Some("copy".into()),
                    ..display()
                },
            },
            Relaxation::Change {
                who: late.clone(),
                path: path(Field::Windows),
                from: addresses(0x4000_0000, 0xffff_ffff),
                to: addresses(0, 0xffff_ffff),
            },
            Relaxation::DropField {
                who: late.clone(),
                path: path(Field::Windows),
            },
        ],
        eliminated: vec![Elimination {
            what: Eliminated::Format(format(Fourcc::NV12, TILED)),
            path: path(Field::Format),
            members: vec![member(display(), Field::Format, names(["NV12:linear"]))],
        }],
        ..only(ReportKind::Conflict {
            conflicts: vec![Conflict {
                path: path(Field::Windows),
                unit: Unit::Addresses,
                kind: MergeKind::Intersection,
                members: vec![
                    member(display(), Field::Windows, addresses(0, 0x3fff_ffff)),
                    member(late, Field::Windows, addresses(0x4000_0000, 0xffff_ffff)),
                ],
                merged: None,
                origin: LimitOrigin::Participant,
                minimal: true,
            }],
            total: 3,
        })
    }
}

fn counts() -> Report {
    let system = Blame {
        participant: None,
        label: "the system".into(),
        pid: None,
        device: None,
        function: None,
        alternative: None,
        source: None,
    };
    only(ReportKind::Conflict {
        conflicts: vec![Conflict {
            path: path(Field::Camping),
            unit: Unit::Buffers,
            kind: MergeKind::Sum,
            members: vec![
                member(who(1, "camera", "isp"), Field::Camping, Value::Buffers(40)),
                member(who(2, "viewer", "show"), Field::Camping, Value::Buffers(30)),
                member(system, Field::MaxBuffers, Value::Buffers(64)),
            ],
            merged: Some(Value::Buffers(70)),
            origin: LimitOrigin::System,
            minimal: true,
        }],
        total: 1,
    })
}

fn no_heap() -> Report {
    only(ReportKind::NoHeap {
        heaps: vec![
            HeapMisfit {
                heap: "system".into(),
                field: Field::Contiguous,
                have: None,
                need: Value::Needed,
                who: vec![who(1, "camera", "isp"), display()],
            },
            HeapMisfit {
                heap: "cma-high".into(),
                field: Field::Windows,
                have: Some(addresses(0x4000_0000, 0xffff_ffff)),
                need: addresses(0, 0x3fff_ffff),
                who: vec![display()],
            },
        ],
    })
}

fn no_memory() -> Report {
    only(ReportKind::NoMemory {
        trail: vec![
            HeapAnswer::Refused {
                heap: "cma-low".into(),
                requested_bytes: 34_467_840,
                errno: Errno::ENOMEM,
                reason: "16 MiB are free".into(),
            },
            HeapAnswer::Unsuitable(HeapMisfit {
                heap: "system".into(),
                field: Field::Contiguous,
                have: None,
                need: Value::Needed,
                who: vec![display()],
            }),
        ],
    })
}

fn quota() -> Report {
    only(ReportKind::Quota {
        account: "user 1000".into(),
        resource: "bytes".into(),
        limit: 67_108_864,
        used: 60_000_000,
        requested: 34_467_840,
    })
}

fn busy() -> Report {
    let mut stride = path(Field::StrideRules);
    stride.format = Some(format(Fourcc::NV12, Modifier::LINEAR));
    stride.plane = Some(0);
    let rule = wharf_core::constraints::StrideRule::RoundUp(256);
    only(ReportKind::Busy {
        blockers: vec![Blocker {
            who: display(),
            reason: "pinned: it cannot be told that the buffer moves".into(),
        }],
        misfit: Box::new(Misfit {
            who: who(6, "scaler", "read"),
            path: stride,
            have: Value::Bytes(1920),
            need: Value::Rules([rule].into_iter().collect()),
        }),
    })
}

fn stalled() -> Report {
    only(ReportKind::Stalled {
        missing: vec!["encoder".into(), "viewer".into()],
    })
}

fn denied() -> Report {
    only(ReportKind::Denied {
        reason: "the token may look at the set, not seal it".into(),
    })
}

fn not_understood() -> Report {
    only(ReportKind::NotUnderstood {
        who: who(5, "gpu", "sample"),
        key: ExtensionKey {
            vendor: "example.org".into(),
            name: "bank".into(),
        },
    })
}

#[test]
fn every_kind_has_a_text_and_a_summary_of_its_own() {
    let all = all();
    for (number, (name, report)) in all.iter().enumerate() {
        let (text, summary) = (report.to_string(), report.summary());
        assert!(!summary.contains('\n'), "{name}: {summary}");
        assert!(text.contains(&report.errno().to_string()), "{name}: {text}");
        assert!(
            summary.ends_with(&format!(" [{}]", report.errno())),
            "{name}: {summary}"
        );
        assert!(text.lines().all(|line| line == line.trim_end()), "{name}: {text}");
        for (other, report) in &all[..number] {
            assert_ne!(text, report.to_string(), "{name} and {other}");
            assert_ne!(summary, report.summary(), "{name} and {other}");
        }
    }
}

#[test]
fn summaries() {
    let told: Vec<String> = all().iter().map(|(_, report)| report.summary()).collect();
    let expected = [
        "nothing suits encoder.encode: min_size_bytes of 8192 bytes and max_size_bytes of 4096 bytes cannot be had together \
         [EINVAL (22)]",
        "no memory suits everyone: windows: display.primary needs inside 0x0..=0x3fffffff (0 to 1 GiB), archive.store needs \
         inside 0x40000000..=0xffffffff (1 GiB to 4 GiB); and 2 more conflicts [EOPNOTSUPP (95)]",
        "no memory suits everyone: camping: camera.isp needs camping 40 buffers, viewer.show needs camping 30 buffers, the \
         system needs max_buffers at most 64 buffers [EOPNOTSUPP (95)]",
        "nobody says enough: somebody has to state format in full [EINVAL (22)]",
        "no heap promises what is needed: system fails contiguous, cma-high fails windows [ENODEV (19)]",
        "the heaps that suit have no memory: cma-low refused with ENOMEM (12), system fails contiguous [ENOMEM (12)]",
        "more than its share: user 1000 needs 34467840 bytes and has 60000000 of 67108864 [EDQUOT (122)]",
        "not while others hold the memory: scaler.read needs stride_rules of plane 0 of NV12:linear exactly the row rounded \
         up to a multiple of 256 bytes, there is 1920 bytes; held by display.primary [EBUSY (16)]",
        "too many combinations: gave up after 10000 merges; give fewer alternatives or a larger budget [E2BIG (7)]",
        "still waiting for encoder, viewer [ETIMEDOUT (110)]",
        "not allowed: the token may look at the set, not seal it [EACCES (13)]",
        "nobody here understands example.org/bank, which gpu.sample insists on [EOPNOTSUPP (95)]",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_was_not_searched_to_the_end_is_said_to_be_so() {
    let mut report = conflict();
    let ReportKind::Conflict { conflicts, .. } = &mut report.kind else {
        unreachable!("it is a conflict");
    };
    conflicts[0].minimal = false;
    let text = report.to_string();
    assert!(text.contains("\nwindows: not all of these\n"), "{text}");
    assert!(
        text.contains("\n  the search ended before it was known whether all of these matter\n"),
        "{text}"
    );
}
