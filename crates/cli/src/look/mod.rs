//! Looking at a broker and its streams: what there is at one moment.
//!
//! The broker is asked who is there. What streams and consumers count they keep in their pages, which the broker hands out once;
//! from then on looking at them is reading memory.

mod pages;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wharf::{GetStateReply, PATIENCE};
use wharf_memory::now_ns;
use wharf_protocol::transport::BlockingClient;
use wharf_protocol::{GetState, Incarnation, StreamId};
use wharf_stream::stats::{ConsumerLook, ProducerLook};

use crate::failure::Failure;
use pages::{Pages, is_still_right};

/// What there was at one moment.
#[derive(Debug)]
pub(crate) struct Sample {
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(crate) taken_ns: u64,
    /// What the broker says.
    pub(crate) state: GetStateReply,
    /// What streams say of themselves: those whose pages can be had and make sense.
    pub(crate) streams: BTreeMap<StreamId, StreamLook>,
}

/// What a stream and its consumers say of themselves.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamLook {
    pub(crate) producer: ProducerLook,
    pub(crate) consumers: BTreeMap<Incarnation, ConsumerLook>,
}

/// Looks at one broker, again and again. It does not register: whoever only looks is no session.
#[derive(Debug)]
pub(crate) struct Looker {
    path: PathBuf,
    client: Option<BlockingClient>,
    pages: BTreeMap<StreamId, Pages>,
}

impl Looker {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            client: None,
            pages: BTreeMap::new(),
        }
    }

    /// Takes a sample. A broker that does not answer is forgotten: the next sample is of whoever is there then.
    ///
    /// # Blocking
    ///
    /// For the broker's answers, each at most [`PATIENCE`].
    pub(crate) fn sample(&mut self) -> Result<Sample, Failure> {
        let (mut client, state) = self.ask()?;
        self.take_pages(&mut client, &state)?;
        self.client = Some(client);
        let streams = self.pages.iter();
        let streams = streams.filter_map(|(id, pages)| Some((*id, pages.look()?)));
        Ok(Sample {
            taken_ns: now_ns(),
            streams: streams.collect(),
            state,
        })
    }

    /// What the broker says, without what streams say of themselves.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`].
    pub(crate) fn state(&mut self) -> Result<GetStateReply, Failure> {
        let (client, state) = self.ask()?;
        self.client = Some(client);
        Ok(state)
    }

    /// Asks the broker for its state. The connection is to be kept if it has not failed.
    fn ask(&mut self) -> Result<(BlockingClient, GetStateReply), Failure> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => {
                self.pages.clear();
                BlockingClient::connect(&self.path, PATIENCE)?
            }
        };
        let (state, _) = client.call(GetState {}, &[], PATIENCE)?;
        Ok((client, state))
    }

    /// Gets the pages of streams that are new or have other consumers, and lets go of those of streams that are gone.
    fn take_pages(&mut self, client: &mut BlockingClient, state: &GetStateReply) -> Result<(), Failure> {
        let mut known = std::mem::take(&mut self.pages);
        for stream in &state.streams {
            let pages = known.remove(&stream.stream);
            let pages = match pages.filter(|pages| is_still_right(pages, &stream.members)) {
                Some(pages) => Some(pages),
                None => Pages::take(client, stream.stream)?,
            };
            if let Some(pages) = pages {
                self.pages.insert(stream.stream, pages);
            }
        }
        Ok(())
    }
}
