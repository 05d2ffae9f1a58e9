//! What Wharf uses for what on this machine.

use serde::Serialize;

use super::finding::{Area, Finding, State};

/// Something that Wharf does, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Use {
    /// What it is for.
    pub(super) purpose: &'static str,
    /// What is used.
    pub(super) with: String,
    /// Why nothing better is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) because: String,
}

/// What follows from the findings.
pub(super) fn of(findings: &[Finding]) -> Vec<Use> {
    let seen = Seen(findings);
    vec![
        seen.memory(),
        seen.device_buffers(),
        seen.device_fences(),
        seen.programs(),
        seen.polled_buffers(),
        seen.faults(),
    ]
}

struct Seen<'f>(&'f [Finding]);

impl Seen<'_> {
    /// The names of what works.
    fn working(&self, area: Area) -> Vec<&str> {
        let works = |finding: &&Finding| finding.area == area && finding.state != State::No;
        self.0
            .iter()
            .filter(works)
            .map(|finding| &*finding.name)
            .collect()
    }

    fn has(&self, area: Area) -> bool {
        !self.working(area).is_empty()
    }

    /// What was said of the first that does not work.
    fn why_not(&self, area: Area) -> String {
        let refusals = self.0.iter().filter(|finding| finding.area == area);
        let refusal = refusals.filter_map(|finding| finding.refusal.as_ref()).next();
        refusal.map_or_else(String::new, |refusal| {
            format!("{}: {}", refusal.reason, refusal.error)
        })
    }

    fn memory(&self) -> Use {
        Use {
            purpose: "memory of buffers",
            with: self.working(Area::Memory).join(", "),
            because: self.why_not(Area::Memory),
        }
    }

    fn device_buffers(&self) -> Use {
        let purpose = "buffers for the kernel's drivers";
        let udmabuf = self.has(Area::Udmabuf);
        let heaps = self.working(Area::DmaHeap).join(", ");
        let with = match (udmabuf, heaps.is_empty()) {
            (true, _) => "udmabuf: memory files become dma-bufs, and readers stay unable to write",
            (false, false) => "dma-heaps: whoever has such a buffer can write it",
            (false, true) => "dma-bufs of others only, imported",
        };
        let with = match heaps.is_empty() {
            true => with.to_owned(),
            false => format!("{with} (heaps: {heaps})"),
        };
        let because = if udmabuf {
            String::new()
        } else {
            self.why_not(Area::Udmabuf)
        };
        Use {
            purpose,
            with,
            because,
        }
    }

    fn device_fences(&self) -> Use {
        let (with, because) = match self.has(Area::SyncFile) {
            true => ("sync_file: drivers' fences are fences of Wharf's", String::new()),
            false => (
                "brackets around CPU access, which wait for drivers",
                self.why_not(Area::SyncFile),
            ),
        };
        Use {
            purpose: "fences of the kernel's drivers",
            with: with.to_owned(),
            because,
        }
    }

    fn programs(&self) -> Use {
        let own = self.has(Area::DmaHeap) && self.has(Area::Udmabuf);
        let (with, because) = match (own, self.has(Area::WharfRun)) {
            (true, _) => ("the devices that are there: no stand-in is needed", String::new()),
            (false, true) => ("wharf run", String::new()),
            (false, false) => ("nothing", self.why_not(Area::WharfRun)),
        };
        Use {
            purpose: "programs that want /dev/dma_heap or /dev/udmabuf",
            with: with.to_owned(),
            because,
        }
    }

    fn polled_buffers(&self) -> Use {
        let runs = self.has(Area::WharfRun);
        let (with, because) = match (runs, self.has(Area::FusePassthrough)) {
            (true, true) => (
                "FUSE passthrough: used by wharf run --fd-kind fuse",
                String::new(),
            ),
            (true, false) => ("nothing", self.why_not(Area::FusePassthrough)),
            (false, _) => ("nothing", self.why_not(Area::WharfRun)),
        };
        Use {
            purpose: "buffers that are polled for fences by programs of wharf run",
            with: with.to_owned(),
            because,
        }
    }

    fn faults(&self) -> Use {
        Use {
            purpose: "user faults",
            with: "not used by anything yet".to_owned(),
            because: self.why_not(Area::UserFaults),
        }
    }
}
