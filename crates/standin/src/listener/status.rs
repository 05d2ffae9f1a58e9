//! What the kernel tells of a thread in `/proc`.

/// The text of `/proc/TID/status`.
pub(crate) struct Status(String);

impl Status {
    /// None if there is no such thread any more.
    pub(crate) fn of(thread: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{thread}/status"));
        text.ok().map(Self)
    }

    /// What a line says that begins with `name` and a colon.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let values = self
            .0
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        values.map(str::trim).next()
    }

    /// The same, if it is a number.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.field(name)?.parse().ok()
    }

    /// The same, if it is a set of signals.
    pub(crate) fn signals(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.field(name)?, 16).ok()
    }
}

/// Which process a thread is of.
pub(crate) fn process_of(thread: u32) -> u32 {
    Status::of(thread)
        .and_then(|status| status.number("Tgid"))
        .unwrap_or(thread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_whole_names() {
        let status = Status("Name:\ta\nSigPnd:\t0000000000000010\nTgid:\t12\nPPid:\t1\n".to_owned());
        assert_eq!(status.field("Name"), Some("a"));
        assert_eq!((status.number("Tgid"), status.number("Pid")), (Some(12), None));
        assert_eq!(
            (status.signals("SigPnd"), status.signals("Sig")),
            (Some(16), None)
        );
    }

    #[test]
    fn thread_is_of_its_process() {
        let own = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        assert_eq!(process_of(own), std::process::id());
        assert!(Status::of(u32::MAX).is_none());
    }
}
