//! Ownership-passing streams of frames in shared memory: V4L2's queue and dequeue as an idea, between processes.
//!
//! One producer hands frames to up to [`MAX_CONSUMERS`] consumers. A frame lives in one of up to [`MAX_BUFFERS`] buffers; what
//! travels is the right to read it. No broker and, while nobody sleeps, no system call takes part.
//!
//! # Pages
//!
//! Three kinds of page are shared, each written by exactly one process and read by the others (contract S3):
//!
//! | page | written by | says |
//! |---|---|---|
//! | ring | producer | which frame is where, which consumers were admitted and from which frame on; whose contents came late |
//! | consumer | that consumer | how far it has come, which frames it holds; with which it is done since it lent them |
//! | status | broker | which consumers live, whether the stream does |
//!
//! Ring and consumer pages end with what their writers count about themselves ([`stats`]), for whoever looks.
//!
//! # Life of a frame
//!
//! The producer *acquires* a buffer nobody uses, fills it and *publishes* it under the next sequence number. Each consumer
//! *claims* frames in order and *releases* them. A consumer with [`Policy::Block`] gets every frame; the producer waits for
//! it. One with [`Policy::Latest`] gets the newest ones; the producer takes back what it has not claimed.
//!
//! # Why no frame is ever torn (contract S2)
//!
//! A frame that everybody has *passed* (claimed or passed over) and nobody holds is over for good: a consumer's cursor only goes forward,
//! and it announces the hold before it moves the cursor. So a producer that sees the cursor beyond a frame and then no hold on it fills
//! the buffer again without asking. Blocking consumers are owed every frame, so this is the only way their frames end; they claim by
//! announcing the hold and moving the cursor, without looking again.
//!
//! A frame that a latest-frame consumer has not passed can be taken back. The producer first revokes it (in the frame's slot), then looks at
//! the hold; the consumer first announces its hold, then looks whether the frame is still in its slot. With a sequentially consistent fence
//! between the two steps on both sides at least one sees the other: either the producer finds the hold and keeps the frame, or
//! the consumer finds the frame revoked and lets go.
//!
//! The slot of a frame is used again 64 frames later, also while somebody holds the frame. A blocking consumer has copied what the slot says
//! before it moves its cursor, and the producer does not get 64 frames beyond a cursor. A latest-frame consumer looks once more after
//! copying whether the slot is still the same: the producer marks a slot before it writes there.
//!
//! # Devices
//!
//! The contents of a frame may come after it ([`Producer::publish_unfinished`]), and a consumer may give a frame back while a device of its own still
//! reads it ([`lend`]). The frame's slot, or the hold, says that there is a *point* to wait for in the page of whose device it is; see
//! [`Points`]. Until then nobody refills the buffer, and a frame that was lent counts as held; but a producer that can wait later may take it
//! ([`Producer::try_acquire_lent`]). Frames without points cost nothing more.
//!
//! # Moving to other buffers (contract N5)
//!
//! The buffers of a stream can be replaced by others, a new *generation*, while frames flow. The broker writes into the status
//! page which generation is in use and which one each side is to take; it puts a new one into use when everybody has it. The
//! producer fills buffers of the new one from its next acquisition on. An index of the ring passes to the new generation like
//! to a new frame, when nobody has it any more, and each frame's descriptor says in which generation it lies. So frames published
//! before are received like any other. When the producer has nothing of an old generation in hand any more, it
//! says from which frame on none will lie there, and consumers that have come that far let it go.
//!
//! # Why nobody sleeps for ever
//!
//! A sleeper first announces that it sleeps, then looks once more, then sleeps on a word *compared with the value seen before
//! looking*. Who changes something first changes the word, then looks for sleepers. A consumer sleeps on the very slot that the next frame
//! is going to be in, so that one store shows the frame, describes it and ends the sleep; as all who sleep have seen
//! everything there was, all sleep on the same slot, and one wake serves them all. The models in `tests/loom.rs` check
//! these arguments on this very code, those in `tests/shuttle` with one producer and four consumers.
//!
//! # What a frame costs
//!
//! While nobody sleeps: no system call, no allocation, no locked instruction, and a cache line each way: the frame's slot, and the consumer's
//! cursor and holds. Who publishes or releases looks whether the other side sleeps after a fence that costs nothing
//! ([`fence_light`](wharf_memory::fence_light)); who is about to sleep pays for both ([`fence_heavy`](wharf_memory::fence_heavy)). One whose
//! fence does not reach the others sleeps 2 ms at a time. Consumers that never sleep say so before they join; the producer need not ask
//! then.
//!
//! Who sleeps for nearly every frame would pay a system call more each time for what spares others ten nanoseconds. It says so in its page,
//! and the others make a full fence; then its own is an ordinary one. A consumer says so before it joins ([`ask_for_fences`]), for good: the
//! producer reads it once. The producer may say so at any time ([`Producer::set_waiting`]), and makes sure once that everybody has seen
//! it; consumers have the word in the line they look at anyway. Who asks and sleeps with less than that harms nobody but itself.
//!
//! # Timelines
//!
//! Fences across processes are in [`timeline`]; they have pages and an argument of their own.
//!
//! # Polling
//!
//! Who waits with poll or epoll has a [`Doorbell`]: something others make readable. It says in its page that it waits for that, and
//! looks once more before it waits, as a sleeper does. Who changes something looks for those who wait, and rings. The bell stays rung until
//! its owner has found nothing ([`Consumer::arm`], [`Producer::arm`]), so that whoever looks once whenever it is rung sees everything.
//!
//! # Trust
//!
//! What others write is checked before use: a buffer index, a sequence number or a descriptor that makes no sense is
//! [`Corrupt`]. A consumer that writes nonsense into its own page can only harm its own view: a hold counts only on the very frame
//! that is in the buffer, and who is in the producer's way with more frames than its depth is cut off
//! ([`Departure::Misbehaved`]). One that keeps what it may is named by [`Blocked`], and leaves with its process (contract S4).
//! A reader of a page can hinder the wake-ups of others there, so who does not trust them sleeps in slices.

mod buffers;
mod consumer;
mod descriptor;
mod doorbell;
pub mod layout;
mod member;
mod points;
mod producer;
pub mod stats;
pub mod status;
pub mod timeline;
mod waiting;

pub use consumer::{
    Claim, ClaimError, Consumer, ask_for_fences, decline, leave, lend, promise_not_to_sleep, release, settle,
};
pub use descriptor::{Corrupt, FrameInfo, MAX_USER_BYTES, Places, TooMuchUserData, UserData};
pub use doorbell::Doorbell;
pub use layout::{
    CONSUMER_PAGE_BYTES, CONSUMER_PAGE_CELLS, MAX_BUFFERS, MAX_CONSUMERS, RING_PAGE_BYTES, RING_PAGE_CELLS,
    STATUS_PAGE_BYTES, STATUS_PAGE_CELLS,
};
pub use member::{Departure, Member, Policy};
pub use points::{Points, PointsReader, PointsWriter, Sleepers};
pub use producer::{Blocked, Blocker, Lent, Producer};
pub use waiting::Waiting;
