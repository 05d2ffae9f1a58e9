//! Whatever is written is read back as it was.

#![allow(clippy::expect_used, reason = "a step that fails fails the test")]

mod common;

use common::{negotiation, replies, timelines};
use proptest::prelude::*;
use wharf_protocol::codec::{
    ReplyError, decode_call, decode_reply, encode_call, encode_error, encode_oneway_call, encode_reply,
};
use wharf_protocol::limits::MAX_PLAN_BYTES;
use wharf_protocol::{BufferPlan, Done, Reply};

/// Checks that a message ends with its only NUL, and returns it without.
fn body(message: &[u8]) -> &[u8] {
    let (last, body) = message.split_last().expect("a message is never empty");
    assert_eq!(*last, 0);
    assert!(!body.contains(&0));
    body
}

proptest! {
    #[test]
    fn call_is_read_as_it_was_written(call in common::call()) {
        let incoming = decode_call(body(&encode_call(&call)?))?;

        prop_assert_eq!(incoming.call, call);
        prop_assert!(!incoming.oneway);
        prop_assert!(!incoming.more);
    }

    #[test]
    fn oneway_call_is_read_as_it_was_written(call in common::call()) {
        let incoming = decode_call(body(&encode_oneway_call(&call)?))?;

        prop_assert_eq!(incoming.call, call);
        prop_assert!(incoming.oneway);
    }

    #[test]
    fn error_is_read_as_it_was_written(error in common::broker_error()) {
        let message = encode_error(&error)?;

        prop_assert_eq!(decode_reply::<Done>(body(&message)), Err(ReplyError::Broker(error)));
    }
}

proptest! {
    #[test]
    fn plan_survives_its_way_as_text(plan in negotiation::plan()) {
        let sent = BufferPlan::of(&plan, &plan.memories[0].heaps);
        prop_assert!(sent.write().len() <= MAX_PLAN_BYTES);
        prop_assert_eq!(BufferPlan::read(&sent.write()), Some(sent));
    }
}

/// One test per reply type.
macro_rules! reply_round_trips {
    ($($test:ident: $strategy:path => $variant:path),+ $(,)?) => {
        proptest! {
            $(
                #[test]
                fn $test(reply in $strategy()) {
                    let message = encode_reply(&$variant(reply.clone()))?;

                    prop_assert_eq!(decode_reply(body(&message)), Ok(reply));
                }
            )+
        }
    };
}

reply_round_trips! {
    register_reply_is_read_as_it_was_written: replies::register => Reply::Register,
    allocate_buffers_reply_is_read_as_it_was_written: replies::allocate_buffers => Reply::AllocateBuffers,
    create_stream_reply_is_read_as_it_was_written: replies::create_stream => Reply::CreateStream,
    issue_token_reply_is_read_as_it_was_written: replies::issue_token => Reply::IssueToken,
    import_buffers_reply_is_read_as_it_was_written: replies::import_buffers => Reply::ImportBuffers,
    join_stream_reply_is_read_as_it_was_written: replies::join_stream => Reply::JoinStream,
    take_changes_reply_is_read_as_it_was_written: replies::take_changes => Reply::TakeChanges,
    move_buffers_reply_is_read_as_it_was_written: replies::move_buffers => Reply::MoveBuffers,
    get_move_reply_is_read_as_it_was_written: replies::get_move => Reply::GetMove,
    take_generation_reply_is_read_as_it_was_written: replies::take_generation => Reply::TakeGeneration,
    get_generation_reply_is_read_as_it_was_written: replies::get_generation => Reply::GetGeneration,
    get_state_reply_is_read_as_it_was_written: replies::get_state => Reply::GetState,
    watch_stream_reply_is_read_as_it_was_written: replies::watch_stream => Reply::WatchStream,
    create_set_reply_is_read_as_it_was_written: negotiation::create_set => Reply::CreateSet,
    issue_seat_reply_is_read_as_it_was_written: negotiation::issue_seat => Reply::IssueSeat,
    take_seat_reply_is_read_as_it_was_written: negotiation::take_seat => Reply::TakeSeat,
    await_buffers_reply_is_read_as_it_was_written: negotiation::await_buffers => Reply::AwaitBuffers,
    explain_set_reply_is_read_as_it_was_written: negotiation::explain_set => Reply::ExplainSet,
    check_set_reply_is_read_as_it_was_written: negotiation::check_set => Reply::CheckSet,
    create_timeline_reply_is_read_as_it_was_written: timelines::create_timeline => Reply::CreateTimeline,
    import_timeline_reply_is_read_as_it_was_written: timelines::import_timeline => Reply::ImportTimeline,
    take_importers_reply_is_read_as_it_was_written: timelines::take_importers => Reply::TakeImporters,
    get_info_reply_is_read_as_it_was_written: replies::get_info => Reply::GetInfo,
    description_is_read_as_it_was_written: replies::description => Reply::GetInterfaceDescription,
}

#[test]
fn empty_replies_are_read_as_they_were_written() {
    for reply in [
        Reply::FreeBuffers(Done {}),
        Reply::ReleaseImport(Done {}),
        Reply::LeaveStream(Done {}),
        Reply::ReleaseTimeline(Done {}),
        Reply::DropTimeline(Done {}),
        Reply::EndStream(Done {}),
        Reply::ReadyGeneration(Done {}),
        Reply::ReleaseGeneration(Done {}),
        Reply::SealSet(Done {}),
        Reply::LeaveSeat(Done {}),
    ] {
        let message = encode_reply(&reply).unwrap();
        assert_eq!(body(&message), br#"{"parameters":{}}"#);
        assert_eq!(decode_reply(body(&message)), Ok(Done {}));
    }
}
