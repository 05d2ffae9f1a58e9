//! Random events: whatever peers and the driver do, the invariants hold after every step, and in the end nothing is left.
//!
//! What the steps mean is decided as they are played (`play.rs`): a step names "the third set", say, so that
//! most steps make sense and some do not.

use proptest::prelude::*;
use wharf_protocol::{Amounts, BrokerError, EndReason, MoveContract};

use super::play::{Action, Page, Player, SetAction, Step, StreamAction, TimelineAction, Which};
use crate::state::Effect;

/// So small that every limit is met.
pub(super) const QUOTA: Amounts = Amounts {
    bytes: 60 << 12,
    buffers: 30,
    sessions: 4,
    streams: 3,
    fds: 60,
};

fn page() -> impl Strategy<Value = Page> {
    prop_oneof![
        12 => Just(Page::Right),
        1 => Just(Page::WrongSize),
        1 => Just(Page::Unsealed),
        1 => Just(Page::NotMemory),
        1 => Just(Page::Missing),
        1 => Just(Page::Twice),
    ]
}

fn set_action() -> impl Strategy<Value = SetAction> {
    prop_oneof![
        1 => Just(SetAction::Free),
        4 => (0_u32..4, page(), any::<bool>())
            .prop_map(|(max, page, room)| SetAction::Create { max, page, room }),
        2 => (0_u32..4).prop_map(|uses| SetAction::Share { uses }),
        4 => (0_u64..9_000, 0_u32..9).prop_map(|(size_bytes, count)| SetAction::Move { size_bytes, count }),
        3 => which().prop_map(|which| SetAction::AskMove { which }),
    ]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        6 => Just(Which::Next),
        2 => Just(Which::Current),
        3 => Just(Which::Oldest),
        1 => (0_u64..4).prop_map(Which::Last),
    ]
}

fn contract() -> impl Strategy<Value = Option<MoveContract>> {
    prop_oneof![
        6 => Just(None),
        2 => Just(Some(MoveContract::Revocable)),
        1 => Just(Some(MoveContract::Pinned)),
    ]
}

/// What those do who have a set.
fn participation() -> impl Strategy<Value = Action> {
    let who = || 0_usize..5;
    prop_oneof![
        3 => (who(), which()).prop_map(|(participant, which)| Action::Take { participant, which }),
        12 => (who(), which(), prop::bool::weighted(0.3))
            .prop_map(|(participant, which, fails)| Action::Ready { participant, which, fails }),
        6 => (who(), which()).prop_map(|(participant, which)| Action::LetGo { participant, which }),
        1 => who().prop_map(|participant| Action::AskGeneration { participant }),
    ]
}

fn stream_action() -> impl Strategy<Value = StreamAction> {
    let reason = prop_oneof![Just(EndReason::Ended), Just(EndReason::ProducerDied)];
    prop_oneof![
        4 => (0_u64..9).prop_map(|after| match after {
            8 => StreamAction::Watch,
            _ => StreamAction::Take { after },
        }),
        1 => reason.prop_map(|reason| StreamAction::End { reason }),
        8 => (0_u32..9).prop_map(|uses| StreamAction::Share { uses }),
    ]
}

fn timeline_action() -> impl Strategy<Value = Action> {
    let nth = || 0_usize..4;
    let of = prop_oneof![
        3 => (0_u64..4).prop_map(|after| TimelineAction::Take { after }),
        6 => (0_u32..9).prop_map(|uses| TimelineAction::Share { uses }),
        1 => Just(TimelineAction::Drop),
    ];
    prop_oneof![
        2 => page().prop_map(|page| Action::CreateTimeline { page }),
        6 => (nth(), 6_u32..520, page()).prop_map(|(token, cell, page)| Action::ImportTimeline { token, cell, page }),
        5 => (0_usize..3, of).prop_map(|(timeline, action)| Action::OfTimeline(timeline, action)),
        2 => (nth(), 0_u64..2).prop_map(|(import, off)| Action::ReleaseTimeline { import, off }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let nth = || 0_usize..4;
    let stream = prop::option::weighted(0.1, 0_u64..9);
    prop_oneof![
        1 => "[a-z]{0,3}".prop_map(Action::Register),
        4 => (0_u64..20_000, 0_u32..9).prop_map(|(size_bytes, count)| Action::Allocate { size_bytes, count }),
        9 => (nth(), set_action()).prop_map(|(set, action)| Action::OfSet(set, action)),
        13 => (nth(), stream_action()).prop_map(|(stream, action)| Action::OfStream(stream, action)),
        5 => (nth(), contract()).prop_map(|(token, contract)| Action::Import { token, contract }),
        14 => participation(),
        2 => (0_usize..2).prop_map(|set| Action::Release { set }),
        18 => (nth(), prop_oneof![5 => 0_u32..3, 1 => 3_u32..8], page(), stream, contract())
            .prop_map(|(token, depth, page, stream, contract)| Action::Join { token, depth, page, stream, contract }),
        4 => (nth(), 0_u64..2).prop_map(|(member, off)| Action::Leave { member, off }),
        9 => timeline_action(),
        1 => Just(Action::Look),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let error = prop_oneof![
        3 => Just(BrokerError::MethodNotFound { method: "x.Y".to_owned() }),
        1 => Just(BrokerError::ProtocolViolation { reason: "garbage".to_owned() }),
    ];
    let (sometimes, rarely) = (prop::bool::weighted(0.1), prop::bool::weighted(0.02));
    let call = (0_usize..6, action(), prop::bool::weighted(0.8), sometimes, rarely);
    prop_oneof![
        3 => (0_u32..2, prop::bool::weighted(0.8)).prop_map(|(uid, register)| Step::Connect { uid, register }),
        30 => call.prop_map(|(peer, action, entitled, oneway, impatient)| {
            Step::Call { peer, action, entitled, oneway, impatient }
        }),
        1 => (0_usize..6, error).prop_map(|(peer, error)| Step::Malformed { peer, error }),
        1 => (0_usize..6).prop_map(|peer| Step::Disconnect { peer }),
        10 => Just(Step::Report),
        1 => Just(Step::Alarm),
        2 => prop::bool::weighted(0.3).prop_map(|next| Step::Fail { next }),
    ]
}

fn play(steps: &[Step]) -> Vec<Effect> {
    let mut player = Player::new();
    steps.iter().for_each(|step| player.play(step.clone()));
    player.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_events_keep_the_invariants_and_leave_nothing_behind(steps in prop::collection::vec(step(), 0..200)) {
        play(&steps);
    }

    #[test]
    fn the_same_events_have_the_same_effects(steps in prop::collection::vec(step(), 0..60)) {
        prop_assert_eq!(play(&steps), play(&steps));
    }
}

/// The name of what an effect is about: its own, or that of the reply or error in it.
fn kind(effect: &Effect) -> String {
    let text = match effect {
        Effect::Reply { reply, .. } => format!("{reply:?}"),
        Effect::Fail { error, .. } => format!("{error:?}"),
        other => format!("{other:?}"),
    };
    text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

#[test]
fn random_events_reach_every_effect_reply_and_error_of_the_state_machine() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut kinds = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let steps = prop::collection::vec(step(), 300)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        kinds.extend(play(&steps).iter().map(kind));
    }
    let expected = "Allocate AllocateBuffers AlreadyRegistered BadPage CancelAlarm CountsExhausted CreateStatusPage CreateStream \
        CreateTimeline CreateTimelinePage Disconnect Drop DropStatusPage DropTimeline DropTimelinePage EndStream EndTimeline FreeBuffers GetGeneration GetMove GetState ImportBuffers ImportTimeline InvalidArgument \
        IssueToken JoinStream LeaveStream MakeBells MethodNotFound MoveBuffers MoveBusy MoveFailed MoveInProgress NoSuchSet NoSuchStream \
        NoSuchTimeline NotOwner NotRegistered OutOfDescriptors ProtocolViolation QuotaExceeded ReadyGeneration Register ReleaseGeneration \
        ReleaseImport ReleaseTimeline Resume Ring Seal SetAlarm SetGenerations SetImports SetInUse SetSlot SetStreamState StaleGeneration StreamEnded StreamFull \
        TakeChanges TakeGeneration TakeImporters TokenForOther TokenUnknown TokenUsedUp Wait WatchStream";
    let found: Vec<_> = kinds.iter().map(String::as_str).collect();
    assert_eq!(found, expected.split(' ').collect::<Vec<_>>());
}
