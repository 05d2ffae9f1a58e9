//! What somebody can do, at random.

use proptest::prelude::*;

/// What somebody does. Things are named by their place among those there are.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Come,
    Create {
        late: bool,
        deadline: bool,
        first_map: u8,
    },
    Issue {
        token: usize,
        rights: u8,
        domain: u8,
        expected: bool,
    },
    Take {
        token: usize,
        size: u32,
        camping: u64,
        writes: bool,
        pinned: bool,
    },
    Await {
        seat: usize,
        wait: bool,
    },
    Map {
        set: usize,
    },
    Stream {
        set: usize,
    },
    Join {
        stream: usize,
        depth: u32,
        who: u8,
        size: u32,
        wait: bool,
    },
    /// Whoever it is the turn of has mapped what it is offered, or cannot.
    Follow {
        set: usize,
        who: usize,
        fails: bool,
    },
    LetGo {
        set: usize,
        who: usize,
    },
    Leave {
        member: usize,
    },
    End {
        stream: usize,
    },
    Seal {
        set: usize,
    },
    GiveUp {
        token: usize,
    },
    Drop {
        set: usize,
    },
    Look {
        set: usize,
    },
    Report,
    Time {
        which: usize,
    },
    Empty {
        heap: u8,
    },
    Die {
        peer: usize,
    },
}

/// Whose turn is what.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub(super) peer: usize,
    pub(super) step: Step,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let nth = || 0_usize..6;
    prop_oneof![
        4 => Just(Step::Come),
        3 => (any::<bool>(), any::<bool>(), 0_u8..3)
            .prop_map(|(late, deadline, first_map)| Step::Create { late, deadline, first_map }),
        8 => (nth(), 0_u8..16, 0_u8..3, any::<bool>())
            .prop_map(|(token, rights, domain, expected)| Step::Issue { token, rights, domain, expected }),
        12 => (nth(), 0_u32..4, 0_u64..4, any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(token, size, camping, writes, pinned)| Step::Take { token, size, camping, writes, pinned }),
        8 => (nth(), any::<bool>()).prop_map(|(seat, wait)| Step::Await { seat, wait }),
        8 => nth().prop_map(|set| Step::Map { set }),
        4 => nth().prop_map(|set| Step::Stream { set }),
        10 => (nth(), 1_u32..4, 0_u8..4, 0_u32..4, any::<bool>())
            .prop_map(|(stream, depth, who, size, wait)| Step::Join { stream, depth, who, size, wait }),
        16 => (nth(), nth(), prop::bool::weighted(0.15)).prop_map(|(set, who, fails)| Step::Follow { set, who, fails }),
        5 => (nth(), nth()).prop_map(|(set, who)| Step::LetGo { set, who }),
        3 => nth().prop_map(|member| Step::Leave { member }),
        1 => nth().prop_map(|stream| Step::End { stream }),
        2 => nth().prop_map(|set| Step::Seal { set }),
        2 => nth().prop_map(|token| Step::GiveUp { token }),
        1 => nth().prop_map(|set| Step::Drop { set }),
        2 => nth().prop_map(|set| Step::Look { set }),
        8 => Just(Step::Report),
        2 => nth().prop_map(|which| Step::Time { which }),
        1 => (0_u8..4).prop_map(|heap| Step::Empty { heap }),
        2 => nth().prop_map(|peer| Step::Die { peer }),
    ]
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Move>> {
    let one = (0_usize..5, step()).prop_map(|(peer, step)| Move { peer, step });
    prop::collection::vec(one, 0..150)
}
