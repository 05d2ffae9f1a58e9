//! `/dev/dri/card0`: a driver of buffers without a graphics device, as the kernel's `vgem`.
//!
//! Opening the device makes nothing yet: with the first call on a descriptor it is replaced by the reading end of a pipe, which stands
//! for what was opened, and of which the kernel tells us when the last descriptor is closed. Its handles and fences are its own.
//!
//! | file | idea |
//! |---|---|
//! | `card` | what one opening of the device knows: handles and fences |
//! | `buffers` | calls that make buffers, hand them out and take them in |
//! | `fences` | calls that put fences on buffers and signal them |
//! | `driver` | calls that tell what the driver is and can |
//!
//! References: `drm_ioctl`, `drm_copy_field`, `drm_getcap` (drivers/gpu/drm/drm_ioctl.c), drm_dumb_buffers.c, drm_prime.c, drm_gem.c,
//! `vgem_fence_attach_ioctl`, `vgem_fence_signal_ioctl` (drivers/gpu/drm/vgem/vgem_fence.c), v6.12.

mod buffers;
mod card;
mod driver;
mod fences;

use rustix::io::Errno;
use wharf_uapi::Ioctl;
use wharf_uapi::drm;

use super::{Answer, Buffer, Caller, DONE, Objects};
use crate::memory::{Piece, Releases};

pub(crate) use card::{Card, Handle};

/// What a call on a card needs besides the card.
pub(crate) struct Surroundings<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) releases: &'a Releases,
    /// Gets memory of so many bytes.
    pub(crate) allocate: &'a dyn Fn(u64) -> Result<Piece, Errno>,
    /// Makes it what it is in this run.
    pub(crate) finish: &'a dyn Fn(Buffer) -> Result<Buffer, Errno>,
}

impl Surroundings<'_> {
    /// A handle is given up: its memory lasts as long as the program has it open or mapped.
    pub(crate) fn retire(&self, handle: Handle) {
        handle.retire(self.objects, self.releases);
    }
}

/// An argument, which the kernel reads before a call and writes after it.
trait Argument {
    fn read(bytes: &[u8]) -> Self;
    fn bytes(&self) -> Vec<u8>;
}

macro_rules! arguments {
    ($($type:ident),*) => {$(
        impl Argument for drm::$type {
            fn read(bytes: &[u8]) -> Self {
                Self::from_bytes(bytes)
            }

            fn bytes(&self) -> Vec<u8> {
                self.to_bytes()
            }
        }
    )*};
}

arguments!(
    Version,
    GetCap,
    GemClose,
    CreateDumb,
    MapDumb,
    DestroyDumb,
    PrimeHandle,
    VgemFenceAttach,
    VgemFenceSignal
);

/// A call: what was asked, by whom.
struct Call<'a> {
    caller: &'a dyn Caller,
    request: Ioctl,
    address: u64,
}

impl Call<'_> {
    /// Answers as the kernel does all calls of graphics drivers: an argument of any size, a shorter one counting as ending in
    /// zeros, is read, and written even if the call fails.
    fn answer<A: Argument>(
        &self,
        known: Ioctl,
        body: impl FnOnce(&mut A) -> Result<(), Errno>,
    ) -> Result<Answer, Errno> {
        let size = self.request.size_bytes();
        let mut bytes = vec![
            0;
            if known.reads() && self.request.reads() {
                size
            } else {
                0
            }
        ];
        self.caller.read(self.address, &mut bytes)?;
        let mut argument = A::read(&bytes);
        let ended = body(&mut argument);
        if known.writes() && self.request.writes() {
            self.tell(&argument)?;
        }
        ended.and(DONE)
    }

    /// Writes the argument, as long as the caller's is.
    fn tell(&self, argument: &impl Argument) -> Result<(), Errno> {
        let mut bytes = argument.bytes();
        bytes.truncate(self.request.size_bytes());
        self.caller.write(self.address, &bytes)
    }
}

/// The numbers of calls on modes, which this driver has none of.
const OF_MODES: std::ops::RangeInclusive<u8> = 0xa0..=0xcf;

/// Answers a call on `card`.
pub(crate) fn call(
    caller: &dyn Caller,
    (around, card): (&Surroundings<'_>, &Card),
    request: Ioctl,
    address: u64,
) -> Result<Answer, Errno> {
    if request.selector() >> 8 != u16::from(drm::MAGIC) {
        return Ok(Answer::Native);
    }
    let call = Call {
        caller,
        request,
        address,
    };
    let is = |known: Ioctl| known.number() == request.number();
    match () {
        // DIFFERENCE: programs for 32 bits ask in their own way, which is not known here.
        () if is(drm::VERSION) && request.size_bytes() < drm::Version::SIZE_BYTES => Err(Errno::INVAL),
        () if is(drm::VERSION) => call.answer(drm::VERSION, |asked| driver::version(caller, asked)),
        () if is(drm::GET_CAP) => call.answer(drm::GET_CAP, driver::ability),
        () if is(drm::GEM_CLOSE) => call.answer(drm::GEM_CLOSE, |asked: &mut drm::GemClose| {
            buffers::close((around, card), asked.handle)
        }),
        () if is(drm::MODE_DESTROY_DUMB) => call
            .answer(drm::MODE_DESTROY_DUMB, |asked: &mut drm::DestroyDumb| {
                buffers::close((around, card), asked.handle)
            }),
        () if is(drm::MODE_CREATE_DUMB) => call.answer(drm::MODE_CREATE_DUMB, |asked| {
            buffers::create((around, card), asked)
        }),
        () if is(drm::MODE_MAP_DUMB) => {
            call.answer(drm::MODE_MAP_DUMB, |asked| buffers::place(caller, card, asked))
        }
        () if is(drm::PRIME_HANDLE_TO_FD) => call.answer(drm::PRIME_HANDLE_TO_FD, |asked| {
            buffers::export(&call, (around, card), asked)
        }),
        () if is(drm::PRIME_FD_TO_HANDLE) => call.answer(drm::PRIME_FD_TO_HANDLE, |asked| {
            buffers::import(caller, (around, card), asked)
        }),
        () if is(drm::VGEM_FENCE_ATTACH) => call.answer(drm::VGEM_FENCE_ATTACH, |asked| {
            fences::attach(card, asked).inspect(|()| around.releases.ring())
        }),
        () if is(drm::VGEM_FENCE_SIGNAL) => {
            call.answer(drm::VGEM_FENCE_SIGNAL, |asked| fences::signal(card, asked))
        }
        () if OF_MODES.contains(&request.number()) => Err(Errno::OPNOTSUPP),
        () => Err(Errno::INVAL),
    }
}
