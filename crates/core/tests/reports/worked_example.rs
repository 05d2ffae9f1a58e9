//! The worked example of the reference (4.7), as people read it.

use wharf_core::Errno;
use wharf_core::constraints::{Buffers, Constraints, key};
use wharf_core::dma::DmaLimits;
use wharf_core::negotiation::{
    Function, HeapAnswer, Participant, ParticipantId, Plan, Problem, Report, SetFile, next_best, solve,
};

fn set() -> SetFile {
    let text = include_str!("../../../../sets/worked-example.toml");
    toml::from_str(text).expect("the file describes a set")
}

fn joined_by(newcomers: impl IntoIterator<Item = Participant>) -> Result<Plan, Box<Report>> {
    let set = set();
    let mut participants = set.participants().to_vec();
    participants.extend(newcomers);
    solve(&Problem {
        participants: &participants,
        ..set.problem()
    })
}

fn newcomer(label: &str, constraints: Constraints) -> Participant {
    Participant::new(ParticipantId(6), label)
        .function(Function::new("use", constraints))
        .pid(815)
}

/// Compares what is written with a file of texts.
#[track_caller]
fn assert_written(text: &str, file: &str) {
    assert_eq!(text, file.trim_end_matches('\n'), "\n{text}\n");
}

#[test]
fn success() {
    let plan = joined_by([]).expect("all five can work together");
    assert_written(&plan.to_string(), include_str!("texts/success.txt"));
}

#[test]
fn y_reaches_nothing_that_the_display_reaches() {
    let dma = DmaLimits::builder().windows([0x4000_0000..=0xffff_ffff]).build();
    let constraints = Constraints::builder().dma(dma.expect("3 GiB are something"));
    let y = newcomer("y", constraints.build().expect("it makes sense"));
    let report = joined_by([y]).expect_err("they have no address in common");
    assert_written(&report.to_string(), include_str!("texts/y_conflict.txt"));
    assert_eq!(
        report.summary(),
        "no memory suits everyone: windows: display.primary needs inside 0x0..=0x3fffffff (0 to 1 GiB), y.use needs inside \
         0x40000000..=0xffffffff (1 GiB to 4 GiB) [EOPNOTSUPP (95)]"
    );
}

#[test]
fn z_wants_more_buffers_than_there_may_be() {
    let constraints = Constraints::builder().with(key::CAMPING, Buffers(60));
    let z = newcomer("z", constraints.build().expect("it makes sense"));
    let report = joined_by([z]).expect_err("there may be 64");
    assert_written(&report.to_string(), include_str!("texts/z_counts.txt"));
}

#[test]
fn no_heap_below_one_gibibyte() {
    let set = set();
    let without = Problem {
        heaps: &set.heaps()[..2],
        ..set.problem()
    };
    let report = solve(&without).expect_err("the display reaches neither");
    assert_written(&report.to_string(), include_str!("texts/no_heap.txt"));
}

#[test]
fn the_only_heap_that_suits_has_no_memory() {
    let set = set();
    let trail = [HeapAnswer::Refused {
        heap: "cma-low".into(),
        requested_bytes: 34_467_840,
        errno: Errno::ENOMEM,
        reason: "16 MiB are free".into(),
    }];
    let report = next_best(&set.problem(), &trail).expect_err("no other heap suits");
    assert_written(&report.to_string(), include_str!("texts/no_memory.txt"));
}
