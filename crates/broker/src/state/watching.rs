//! Who may see what, and the pages of a stream for whoever wants to look.

use wharf_protocol::{BrokerError, Reply, WatchStream, WatchStreamReply};

use super::{Answer, Answered, FdRef, Machine, PeerId};

impl Machine {
    /// Tells whose things a peer may see: root and the broker's own user see everybody's, others their own.
    pub(super) fn sight(&self, peer: PeerId) -> Result<impl Fn(u32) -> bool + Copy + use<>, BrokerError> {
        let asker = self.peers.get(&peer).ok_or(BrokerError::NotRegistered)?;
        let asker = asker.credentials.uid;
        let sees_all = asker == 0 || asker == self.settings.uid;
        Ok(move |uid: u32| sees_all || uid == asker)
    }

    /// Hands out the pages of a stream. Nothing is kept of it: who looks afterwards does so without the broker.
    pub(super) fn watch_stream(&self, peer: PeerId, call: &WatchStream) -> Answered {
        let visible = self.sight(peer)?;
        let stream = self.streams.get(&call.stream);
        // Whether others have a stream of this number is nobody else's business.
        let stream = stream.filter(|stream| visible(stream.uid));
        let stream = stream.ok_or(BrokerError::NoSuchStream { id: call.stream })?;
        let pages = stream.running_pages()?;
        let mut fds = vec![FdRef::Held(pages.ring), FdRef::Held(pages.status)];
        let mut members = Vec::new();
        for (slot, member) in &stream.members {
            if let (Some(session), Some(page)) = (self.sessions.get(&member.session), member.page) {
                members.push(member.describe(*slot, session));
                fds.push(FdRef::Held(page));
            }
        }
        Ok(Answer::Done(
            Reply::WatchStream(WatchStreamReply { members }),
            fds,
        ))
    }
}
