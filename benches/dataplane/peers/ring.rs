//! The raw ring: a pool of memfds mapped once, and a ring of buffer numbers. It knows no discovery, no late join and no death: a floor, not
//! a competitor.

pub(crate) use super::ring_pages::Bell;
use super::ring_pages::{MAX_SLOTS, PAGE_BYTES, Page, new_bell};
use super::{Channel, only};
use crate::Outcome;
use crate::frame::{self, Content, Stamp};
use crate::link::Link;
use crate::memory::{self, Shared};
use crate::terms::{Side, Terms};

/// A stream out, a stream in, or both.
pub(crate) struct Ring {
    outgoing: Option<Outgoing>,
    incoming: Option<Incoming>,
}

pub(crate) fn open(side: Side, terms: &Terms, links: &mut [Link], bell: Bell) -> Outcome<Ring> {
    let (mut outgoing, mut incoming) = (None, None);
    match side {
        Side::Lead => {
            outgoing = Some(Outgoing::open(terms, links, bell)?);
            if terms.both_ways() {
                incoming = Some(Incoming::open(terms, only(links)?, bell)?);
            }
        }
        Side::Follow => {
            incoming = Some(Incoming::open(terms, only(links)?, bell)?);
            if terms.both_ways() {
                outgoing = Some(Outgoing::open(terms, links, bell)?);
            }
        }
    }
    Ok(Ring { outgoing, incoming })
}

impl Channel for Ring {
    fn send(&mut self, stamp: Stamp, content: Content) -> Outcome<()> {
        self.outgoing
            .as_mut()
            .ok_or("nothing to send through")?
            .send(stamp, content)
    }

    fn receive(&mut self, content: Content) -> Outcome<Stamp> {
        self.incoming
            .as_mut()
            .ok_or("nothing to receive from")?
            .receive(content)
    }
}

struct Outgoing {
    page: Page,
    consumers: Vec<Page>,
    buffers: Vec<Shared>,
    published: u32,
    /// What each consumer had given back when it was last looked at.
    released: Vec<u32>,
    bell: Bell,
    crowded: bool,
}

impl Outgoing {
    /// Gives page and buffers to all consumers and takes their pages.
    fn open(terms: &Terms, links: &mut [Link], bell: Bell) -> Outcome<Self> {
        let count = terms.buffers as usize;
        if count > MAX_SLOTS {
            return Err("more buffers than the ring has slots".into());
        }
        let memfd = memory::create(PAGE_BYTES)?;
        let page = Page::new(Shared::map(&memfd, PAGE_BYTES)?, new_bell(bell)?);
        let memfds = (0..count)
            .map(|_| memory::create(terms.frame_bytes))
            .collect::<Outcome<Vec<_>>>()?;
        for link in &mut *links {
            link.give(&memfd)?;
            if let Some(rung) = &page.rung {
                link.give(rung)?;
            }
            for memfd in &memfds {
                link.give(memfd)?;
            }
        }
        let map = |memfd| Shared::map(memfd, terms.frame_bytes);
        let buffers = memfds.into_iter().map(map).collect::<Outcome<_>>()?;
        let consumers = links
            .iter()
            .map(|link| take_page(link, bell))
            .collect::<Outcome<_>>()?;
        Ok(Self {
            page,
            consumers,
            buffers,
            published: 0,
            released: vec![0; links.len()],
            bell,
            crowded: terms.crowded(),
        })
    }

    fn send(&mut self, stamp: Stamp, content: Content) -> Outcome<()> {
        self.wait_for_room()?;
        let index = self.published as usize % self.buffers.len();
        frame::write(self.buffers[index].bytes_mut(), stamp, content);
        self.page.set_slot(self.published, index);
        self.published = self.published.wrapping_add(1);
        self.page
            .announce(self.published, self.consumers.iter(), self.bell)
    }

    /// Until every consumer has given back what was in the next slot's buffer. Their pages are looked at only when need be.
    fn wait_for_room(&mut self) -> Outcome<()> {
        for (consumer, released) in self.consumers.iter().zip(&mut self.released) {
            while self.published.wrapping_sub(*released) as usize == self.buffers.len() {
                if consumer.count() == *released {
                    self.page.wait_for(consumer, *released, self.bell, self.crowded)?;
                }
                *released = consumer.count();
            }
        }
        Ok(())
    }
}

struct Incoming {
    page: Page,
    producer: Page,
    buffers: Vec<Shared>,
    received: u32,
    bell: Bell,
    crowded: bool,
}

impl Incoming {
    fn open(terms: &Terms, link: &Link, bell: Bell) -> Outcome<Self> {
        let producer = take_page(link, bell)?;
        let take = |_| Shared::map(link.take()?, terms.frame_bytes);
        let buffers = (0..terms.buffers).map(take).collect::<Outcome<_>>()?;
        let memfd = memory::create(PAGE_BYTES)?;
        let page = Page::new(Shared::map(&memfd, PAGE_BYTES)?, new_bell(bell)?);
        link.give(&memfd)?;
        if let Some(rung) = &page.rung {
            link.give(rung)?;
        }
        Ok(Self {
            page,
            producer,
            buffers,
            received: 0,
            bell,
            crowded: terms.crowded(),
        })
    }

    fn receive(&mut self, content: Content) -> Outcome<Stamp> {
        if self.producer.count() == self.received {
            self.page
                .wait_for(&self.producer, self.received, self.bell, self.crowded)?;
        }
        let index = self.producer.slot(self.received);
        let stamp = frame::read(self.buffers[index].bytes(), content)?;
        self.received = self.received.wrapping_add(1);
        self.page
            .announce(self.received, std::iter::once(&self.producer), self.bell)?;
        Ok(stamp)
    }
}

/// The other side's page and eventfd.
fn take_page(link: &Link, bell: Bell) -> Outcome<Page> {
    let words = Shared::map(link.take()?, PAGE_BYTES)?;
    let rung = match bell {
        Bell::Eventfd => Some(link.take()?),
        Bell::Futex(_) => None,
    };
    Ok(Page::new(words, rung))
}
