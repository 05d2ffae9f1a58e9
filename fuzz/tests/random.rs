//! Random scripts, without a fuzzer: that they hold, and that they get everywhere a fuzzer should.

use std::collections::{BTreeMap, BTreeSet};

/// How many scripts are played.
const SCRIPTS: u64 = 400;
const SCRIPT_BYTES: usize = 2_000;

/// Random numbers, the same ones each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    fn bytes(&mut self, count: usize, script: &mut Vec<u8>) {
        // CAST: any byte will do.
        script.extend((0..count).map(|_| self.next() as u8));
    }

    /// A script of which most makes sense as things stand; the rest is work that is done or fails, time, newcomers, blind calls,
    /// and now and then a death. In every fourth one there is more of the latter.
    fn script(&mut self) -> Vec<u8> {
        // Four who connect and register.
        let mut script = vec![0, 0, 0, 0, 0, 0, 0, 1];
        (0..4).for_each(|peer| script.extend([192, 0, peer, 0, 0]));
        let is_wild = self.next() % 4 == 0;
        while script.len() < SCRIPT_BYTES {
            match self.next() % if is_wild { 110 } else { 100 } {
                0..60 => {
                    script.push(192);
                    self.bytes(4, &mut script);
                }
                60..86 => {
                    script.push(3);
                    self.bytes(2, &mut script);
                }
                86..90 => script.push(250 + (self.next() % 6) as u8),
                90..95 => {
                    script.push(0);
                    self.bytes(1, &mut script);
                }
                95..99 => {
                    script.push(6);
                    self.bytes(12, &mut script);
                }
                99..102 => {
                    script.push(1);
                    self.bytes(1, &mut script);
                }
                _ => self.bytes(3, &mut script),
            }
        }
        script
    }
}

/// What random scripts have to get to.
const WANTED: [&str; 38] = [
    "asks large",
    "asks small",
    "buffers to read",
    "buffers to read after a while",
    "buffers to write",
    "buffers to write after a while",
    "death, set Allocated",
    "death, set Failed",
    "death, set Moving",
    "death, set Open",
    "death, set gone",
    "ended",
    "ended with buffers",
    "error NoPart",
    "error QuotaExceeded",
    "error Refused",
    "error SeatDenied",
    "error SetInUse",
    "error SetOver",
    "error SetSealed",
    "error SetSettling",
    "error SetWaiting",
    "error TokenUsedUp",
    "heap gives",
    "heap gives too late",
    "heap refuses",
    "joined as it is",
    "joined with a seat",
    "joined with needs",
    "joined with needs after a while",
    "moved",
    "not moved",
    "old buffers kept",
    "seat LeftOut",
    "set Dead",
    "set Moving",
    "set Sealed",
    "stream over a negotiated set",
];

/// The methods that they have to succeed with.
const METHODS: [&str; 12] = [
    "AwaitBuffers",
    "CheckSet",
    "CreateSet",
    "ExplainSet",
    "IssueSeat",
    "JoinStream",
    "LeaveSeat",
    "ReadyGeneration",
    "ReleaseGeneration",
    "SealSet",
    "TakeGeneration",
    "TakeSeat",
];

#[test]
fn random_scripts_reach_every_state_of_negotiated_sets() {
    let mut random = Random(0x5eed);
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut succeeded = BTreeSet::new();
    for _ in 0..SCRIPTS {
        let reached = wharf_fuzz::broker::check(&random.script());
        succeeded.extend(reached.succeeded);
        for (what, times) in reached.seen {
            *seen.entry(what).or_default() += times;
        }
    }
    eprintln!("{seen:#?}");
    let seen = |what: &&str| seen.contains_key(*what);
    let succeeds = |method: &&str| succeeded.contains(&*format!("dev.wharf.Broker.{method}"));
    let states = WANTED.into_iter().filter(|what| !seen(what));
    let methods = METHODS.into_iter().filter(|method| !succeeds(method));
    let missing: Vec<&str> = states.chain(methods).collect();
    assert!(missing.is_empty(), "not reached: {missing:?}");
}

/// What random uses of a buffer have to get to.
const WANTED_OF_ATTACHMENTS: [&str; 10] = [
    "attached",
    "detach refused",
    "detached",
    "mapped",
    "mapped after a move",
    "moved",
    "pinned",
    "revoked",
    "unmapped",
    "unpinned",
];

#[test]
fn random_devices_and_exporters_get_everywhere() {
    let mut random = Random(0xa77ac4);
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..2_000 {
        let mut script = Vec::new();
        random.bytes(600, &mut script);
        for what in wharf_fuzz::attachments::check(&script) {
            *seen.entry(what).or_default() += 1;
        }
    }
    eprintln!("{seen:#?}");
    let wanted = WANTED_OF_ATTACHMENTS.into_iter();
    let missing: Vec<&str> = wanted.filter(|what| !seen.contains_key(*what)).collect();
    assert!(missing.is_empty(), "not reached: {missing:?}");
}
