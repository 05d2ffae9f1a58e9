//! iceoryx2: publish-subscribe, and its event service for who blocks.
//!
//! Set up as its documentation advises for lossless streams: no overflow, a publisher that retries until delivered, queues as deep as
//! Wharf's, one borrowed and one loaned sample so that the pool is no larger than need be, slices loaned without initialising them, files on a
//! tmpfs. Both sides shake hands first: without that, frames are dropped until the subscriber first looks.

#![allow(unsafe_code, reason = "loaned slices are sent without writing every byte")]

use super::{Channel, Place, Wait, relax};
use crate::Outcome;
use crate::frame::{self, Content, Stamp};
use crate::link::Link;
use crate::terms::{Side, Terms};
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::{event, publish_subscribe};

type Service = ipc::Service;
type Sending = (Publisher<Service, [u8], ()>, Notifier<Service>);
type Receiving = (Subscriber<Service, [u8], ()>, Listener<Service>);

pub(crate) struct Services {
    // Ports go before the node they belong to.
    outgoing: Option<Sending>,
    incoming: Option<Receiving>,
    frame_bytes: usize,
    wait: Wait,
    crowded: bool,
    _node: Node<Service>,
}

/// A stream's two services.
struct Pair {
    frames: publish_subscribe::PortFactory<Service, [u8], ()>,
    events: event::PortFactory<Service>,
}

pub(crate) fn open(
    side: Side,
    terms: &Terms,
    links: &mut [Link],
    place: &Place,
    wait: Wait,
) -> Outcome<Services> {
    set_log_level(LogLevel::Fatal);
    let mut config = Config::default();
    config
        .global
        .set_root_path(&Path::new(place.scratch.as_os_str().as_encoded_bytes())?);
    config.global.prefix = FileName::new(format!("{}_", place.name).as_bytes())?;
    let node = NodeBuilder::new().config(&config).create::<Service>()?;
    let down = Pair::open(&node, "down", terms)?;
    let up = if terms.both_ways() {
        Some(Pair::open(&node, "up", terms)?)
    } else {
        None
    };
    let (outgoing, incoming) = match side {
        Side::Lead => (Some(&down), up.as_ref()),
        Side::Follow => (up.as_ref(), Some(&down)),
    };
    let outgoing = outgoing.map(|pair| pair.publish(terms)).transpose()?;
    let incoming = incoming.map(|pair| pair.subscribe(terms)).transpose()?;
    // Everybody's ports are there, then everybody's connections.
    meet(side, links)?;
    if let Some((publisher, _)) = &outgoing {
        publisher.update_connections()?;
    }
    if let Some((subscriber, _)) = &incoming {
        subscriber.update_connections()?;
    }
    meet(side, links)?;
    Ok(Services {
        outgoing,
        incoming,
        frame_bytes: terms.frame_bytes,
        wait,
        crowded: terms.crowded(),
        _node: node,
    })
}

/// Returns when all have come here.
fn meet(side: Side, links: &mut [Link]) -> Outcome<()> {
    if side == Side::Follow {
        links[0].tell("here")?;
        return links[0].expect("all here");
    }
    for link in &mut *links {
        link.expect("here")?;
    }
    for link in links {
        link.tell("all here")?;
    }
    Ok(())
}

impl Pair {
    fn open(node: &Node<Service>, name: &str, terms: &Terms) -> Outcome<Self> {
        let consumers = terms.consumers as usize;
        let frames = node
            .service_builder(&format!("frames {name}").as_str().try_into()?)
            .publish_subscribe::<[u8]>()
            .max_publishers(1)
            .max_subscribers(consumers)
            .max_nodes(consumers + 1)
            .subscriber_max_buffer_size(terms.depth as usize)
            .subscriber_max_borrowed_samples(1)
            .history_size(0)
            .enable_safe_overflow(false)
            .open_or_create()?;
        let events = node
            .service_builder(&format!("events {name}").as_str().try_into()?)
            .event()
            .max_notifiers(1)
            .max_listeners(consumers)
            .max_nodes(consumers + 1)
            .open_or_create()?;
        Ok(Self { frames, events })
    }

    fn publish(&self, terms: &Terms) -> Outcome<Sending> {
        let publisher = self
            .frames
            .publisher_builder()
            .initial_max_slice_len(terms.frame_bytes)
            .max_loaned_samples(1)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        Ok((publisher, self.events.notifier_builder().create()?))
    }

    fn subscribe(&self, terms: &Terms) -> Outcome<Receiving> {
        let depth = terms.depth as usize;
        let subscriber = self.frames.subscriber_builder().buffer_size(depth).create()?;
        Ok((subscriber, self.events.listener_builder().create()?))
    }
}

impl Channel for Services {
    fn send(&mut self, stamp: Stamp, content: Content) -> Outcome<()> {
        let (publisher, notifier) = self.outgoing.as_ref().ok_or("nothing to send through")?;
        let sample = publisher.loan_slice_uninit(self.frame_bytes)?;
        // SAFETY:
        // * The slice lies in shared memory, which the kernel zeroed and frames before filled: any bits are bytes.
        let mut sample = unsafe { sample.assume_init() };
        frame::write(sample.payload_mut(), stamp, content);
        sample.send()?;
        if self.wait == Wait::Sleep {
            notifier.notify()?;
        }
        Ok(())
    }

    fn receive(&mut self, content: Content) -> Outcome<Stamp> {
        let (subscriber, listener) = self.incoming.as_ref().ok_or("nothing to receive from")?;
        loop {
            if let Some(sample) = subscriber.receive()? {
                return frame::read(sample.payload(), content);
            }
            match self.wait {
                Wait::Sleep => {
                    listener.blocking_wait(|_| {})?;
                }
                Wait::Poll | Wait::Adaptive => relax(self.crowded),
            }
        }
    }
}
