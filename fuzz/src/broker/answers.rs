//! What peers get to see: that it can be read, and that the descriptors with it are those it speaks of.

use wharf_broker::state::{FdRef, PeerId};
use wharf_protocol::codec::{ReplyError, decode_reply, encode_error, encode_reply};
use wharf_protocol::{BrokerError, Call, Member, Method, Reply, Role};

use super::holdings::{Held, Holdings};
use super::script::Page;

/// More than this is no error that people read.
const MAX_ERROR_BYTES: usize = 1000;

/// A descriptor that is sent to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// One of the broker's.
    Descriptor(Held),
    /// The handle of a process, by its number.
    Process(u32),
}

/// Looks up what a reply refers to. `process` tells the process of a connected peer.
pub(super) fn resolve(fds: &[FdRef], holdings: &Holdings, process: impl Fn(PeerId) -> u32) -> Vec<Sent> {
    let sent = |fd: &FdRef| match *fd {
        FdRef::Held(handle) | FdRef::Given(handle) => Sent::Descriptor(holdings.get(handle)),
        FdRef::Process(peer) => Sent::Process(process(peer)),
    };
    fds.iter().map(sent).collect()
}

/// Checks that the descriptors are those of which the reply speaks.
/// `is_polled` says whether the producer of the stream that the call is about polls.
pub(super) fn check_descriptors(call: Option<&Call>, reply: &Reply, sent: &[Sent], is_polled: bool) {
    use Held::{Bell, Fresh, Received, Sealed, Status};
    let buffers = |held, count: u32| vec![Sent::Descriptor(held); count as usize];
    let expected = match (call, reply) {
        (Some(Call::AllocateBuffers(call)), Reply::AllocateBuffers(_)) => buffers(Fresh, call.count),
        (Some(Call::CreateStream(call)), Reply::CreateStream(_)) => {
            let bell = (call.polled == Some(true)).then_some(Bell);
            [Status].into_iter().chain(bell).map(Sent::Descriptor).collect()
        }
        (_, Reply::AwaitBuffers(reply)) => buffers(if reply.writable { Fresh } else { Sealed }, reply.count),
        (_, Reply::ImportBuffers(reply)) => buffers(Sealed, reply.count),
        (Some(Call::JoinStream(call)), Reply::JoinStream(reply)) => {
            let bells = usize::from(call.polled == Some(true)) + usize::from(reply.producer_polls);
            let pages = [Received(Page::Ring), Status].map(Sent::Descriptor);
            let buffers = buffers(Sealed, reply.count);
            pages
                .into_iter()
                .chain([Sent::Process(reply.producer_pid)])
                .chain(vec![Sent::Descriptor(Bell); bells])
                .chain(buffers)
                .collect()
        }
        (_, Reply::TakeChanges(reply)) => {
            let members = reply.joined.iter();
            let page = Sent::Descriptor(Received(Page::Consumer));
            let with_bells = |member: &Member| {
                let bells = usize::from(member.polls) + usize::from(is_polled);
                [
                    vec![page, Sent::Process(member.pid)],
                    vec![Sent::Descriptor(Bell); bells],
                ]
                .concat()
            };
            members.flat_map(with_bells).collect()
        }
        (_, Reply::WatchStream(reply)) => {
            let pages = [Received(Page::Ring), Status].into_iter();
            let members = reply.members.iter().map(|_| Received(Page::Consumer));
            pages.chain(members).map(Sent::Descriptor).collect()
        }
        (_, Reply::CreateTimeline(_)) => vec![Sent::Descriptor(Status)],
        (_, Reply::ImportTimeline(reply)) => {
            let pages = [Received(Page::Timeline), Status].map(Sent::Descriptor);
            let owner = Sent::Process(reply.owner_pid);
            pages.into_iter().chain([owner]).collect()
        }
        (_, Reply::TakeImporters(reply)) => {
            vec![Sent::Descriptor(Received(Page::Timeline)); reply.joined.len()]
        }
        // The owner can have it before it is sealed.
        (Some(Call::TakeGeneration(call)), Reply::TakeGeneration(reply)) => {
            let held = match sent.first() {
                Some(Sent::Descriptor(Fresh)) if call.role == Role::Owner => Fresh,
                _ => Sealed,
            };
            buffers(held, reply.count)
        }
        _ => Vec::new(),
    };
    assert_eq!(sent, expected, "with {reply:?}");
}

/// Checks that a client can read a reply, and reads what was meant.
pub(super) fn check_reply(reply: &Reply) {
    use wharf_protocol as p;
    let message = encode_reply(reply).expect("a reply can be written");
    let text = text_of(&message);
    match reply {
        Reply::Register(reply) => assert_eq!(&read::<p::Register>(text), reply),
        Reply::AllocateBuffers(reply) => assert_eq!(&read::<p::AllocateBuffers>(text), reply),
        Reply::CreateStream(reply) => assert_eq!(&read::<p::CreateStream>(text), reply),
        Reply::IssueToken(reply) => assert_eq!(&read::<p::IssueToken>(text), reply),
        Reply::ImportBuffers(reply) => assert_eq!(&read::<p::ImportBuffers>(text), reply),
        Reply::JoinStream(reply) => assert_eq!(&read::<p::JoinStream>(text), reply),
        Reply::TakeChanges(reply) => assert_eq!(&read::<p::TakeChanges>(text), reply),
        Reply::GetState(reply) => assert_eq!(&read::<p::GetState>(text), reply),
        Reply::WatchStream(reply) => assert_eq!(&read::<p::WatchStream>(text), reply),
        Reply::GetInfo(reply) => assert_eq!(&read::<p::GetInfo>(text), reply),
        Reply::GetInterfaceDescription(reply) => assert_eq!(&read::<p::GetInterfaceDescription>(text), reply),
        Reply::MoveBuffers(reply) => assert_eq!(&read::<p::MoveBuffers>(text), reply),
        Reply::GetMove(reply) => assert_eq!(&read::<p::GetMove>(text), reply),
        Reply::TakeGeneration(reply) => assert_eq!(&read::<p::TakeGeneration>(text), reply),
        Reply::GetGeneration(reply) => assert_eq!(&read::<p::GetGeneration>(text), reply),
        Reply::CreateSet(reply) => assert_eq!(&read::<p::CreateSet>(text), reply),
        Reply::IssueSeat(reply) => assert_eq!(&read::<p::IssueSeat>(text), reply),
        Reply::TakeSeat(reply) => assert_eq!(&read::<p::TakeSeat>(text), reply),
        Reply::AwaitBuffers(reply) => assert_eq!(&read::<p::AwaitBuffers>(text), reply),
        Reply::ExplainSet(reply) => assert_eq!(&read::<p::ExplainSet>(text), reply),
        Reply::CheckSet(reply) => assert_eq!(&read::<p::CheckSet>(text), reply),
        Reply::CreateTimeline(reply) => assert_eq!(&read::<p::CreateTimeline>(text), reply),
        Reply::ImportTimeline(reply) => assert_eq!(&read::<p::ImportTimeline>(text), reply),
        Reply::TakeImporters(reply) => assert_eq!(&read::<p::TakeImporters>(text), reply),
        Reply::SealSet(_)
        | Reply::ReleaseTimeline(_)
        | Reply::DropTimeline(_)
        | Reply::LeaveSeat(_)
        | Reply::ReadyGeneration(_)
        | Reply::ReleaseGeneration(_)
        | Reply::FreeBuffers(_)
        | Reply::ReleaseImport(_)
        | Reply::LeaveStream(_)
        | Reply::EndStream(_) => {
            read::<p::EndStream>(text);
        }
    }
}

fn read<M: Method>(text: &[u8]) -> M::Reply {
    decode_reply(text).expect("a client can read it")
}

/// Checks that a client can read an error, and that people can.
pub(super) fn check_error(error: &BrokerError) {
    let text = error.to_string();
    // A report has lines, and says of everybody what it has to.
    let is_report = matches!(error, BrokerError::Refused { .. });
    assert!(is_report || text.len() <= MAX_ERROR_BYTES, "{text:?}");
    let is_odd = |letter: char| letter.is_control() && !(is_report && letter == '\n');
    assert!(!text.contains(is_odd), "{text:?}");
    assert!(error.errno().raw_os_error() > 0);
    let message = encode_error(error).expect("an error can be written");
    let read = decode_reply::<wharf_protocol::Done>(text_of(&message));
    assert_eq!(read, Err(ReplyError::Broker(error.clone())));
}

/// A message without its end, which must be the only NUL in it.
fn text_of(message: &[u8]) -> &[u8] {
    let (end, text) = message.split_last().expect("a message is not empty");
    assert!(*end == 0 && !text.contains(&0));
    text
}
