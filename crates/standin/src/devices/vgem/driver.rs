//! What the driver is and can.

use rustix::io::Errno;
use wharf_uapi::drm::{
    CAP_PRIME, CAP_SYNCOBJ, CAP_SYNCOBJ_TIMELINE, CAP_TIMESTAMP_MONOTONIC, GetCap, PRIME_CAP_EXPORT,
    PRIME_CAP_IMPORT, Version,
};

use super::super::Caller;

/// Programs tell drivers by this.
const NAME: &str = "vgem";
const DATE: &str = "20120112";
const DESCRIPTION: &str = "Virtual GEM provider";

/// Tells the version; each text as far as there is room, and how long it is.
pub(super) fn version(caller: &dyn Caller, asked: &mut Version) -> Result<(), Errno> {
    (asked.major, asked.minor, asked.patchlevel) = (1, 0, 0);
    let texts = [
        (&mut asked.name_len, asked.name, NAME),
        (&mut asked.date_len, asked.date, DATE),
        (&mut asked.desc_len, asked.desc, DESCRIPTION),
    ];
    for (room, address, text) in texts {
        let fits = usize::try_from(*room).map_or(text.len(), |room| room.min(text.len()));
        *room = text.len() as u64;
        if address != 0 {
            caller.write(address, &text.as_bytes()[..fits])?;
        }
    }
    Ok(())
}

/// Tells what the driver can; like any without modes it knows few questions.
pub(super) fn ability(asked: &mut GetCap) -> Result<(), Errno> {
    asked.value = match asked.capability {
        CAP_TIMESTAMP_MONOTONIC => 1,
        CAP_PRIME => PRIME_CAP_IMPORT | PRIME_CAP_EXPORT,
        CAP_SYNCOBJ | CAP_SYNCOBJ_TIMELINE => 0,
        _ => {
            asked.value = 0;
            return Err(Errno::OPNOTSUPP);
        }
    };
    Ok(())
}
