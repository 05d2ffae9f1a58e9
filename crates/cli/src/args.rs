//! What can be said on the command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ColorChoice, Parser, Subcommand, value_parser};
use wharf_broker::Config;
use wharf_broker::state::DEFAULT_QUOTA;
use wharf_protocol::Amounts;

use crate::failure::Failure;
use crate::top::TopArgs;

/// The largest quota: an `int` of the protocol, in which `wharf info` is told of it.
const MAX_QUOTA: u64 = i64::MAX.unsigned_abs();

/// Share buffers and streams of frames between processes without copying.
#[derive(Debug, Parser)]
#[command(name = "wharf", version, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a broker until SIGTERM or SIGINT.
    ///
    /// Serves a socket that systemd passed, if it did, and otherwise makes one that only this user can connect to. At
    /// most one broker serves a path; a socket left behind by a broker that was killed is replaced. Logs to stderr;
    /// RUST_LOG=debug shows more, RUST_LOG=warn less.
    Serve(ServeArgs),
    /// Show who is connected to a broker, who holds what, and what each user may still have.
    ///
    /// A user who neither runs the broker nor is root sees only what is theirs. The connection that asks counts too: two
    /// file descriptors.
    Info(InfoArgs),
    /// Watch streams, sessions and memory: frames per second, latencies, queues, who holds what and who is in the way.
    ///
    /// Streams and consumers count in pages they share anyway, so that watching costs them nothing. A user who neither runs the broker
    /// nor is root sees only what is theirs. On the screen, q quits and Enter shows all about a row; where stdout is no terminal,
    /// tables are printed once.
    Top(TopArgs),
    /// Work out which memory suits everybody in a set, or say who and what conflicts.
    ///
    /// The set is described in a file; nothing is allocated and no broker is needed. Those marked as late join one after the other,
    /// once the others have memory. Ends with 0 if everybody is served, 3 if somebody is refused, 1 if the file is no set.
    Solve(SetArgs),
    /// Like solve, and say why: who decided what, what was not chosen and because of whom, and what each participant changes.
    ///
    /// The set is described in a file, as for solve, or it is one that a broker has: then its number is given, as wharf info shows it,
    /// and why the last one was refused is told too. Ends like solve.
    Explain(ExplainArgs),
    /// Run a program that uses dma-bufs where the kernel has none for it.
    ///
    /// The program finds /dev/dma_heap, /dev/udmabuf and, if asked for, /dev/sw_sync; its buffers are those of a broker and count there as
    /// the program's. No privilege is needed. Ends as the program does: with its exit code, or by the same signal; with 125 if it cannot be
    /// run, 126 if it cannot be executed and 127 if there is none.
    Run(RunArgs),
    /// Tell what this machine really has: dma-heaps, udmabuf, fences, graphics and video devices, namespaces and more.
    ///
    /// Everything is tried, in the least way there is, and given back. For what does not work the error is told and what to do about it, and
    /// for everything what Wharf uses it for. Needs no broker.
    Devices(DevicesArgs),
    /// A process with which wharf devices tries something.
    #[command(hide = true)]
    Probe(ProbeArgs),
    /// A process of a run that wharf run has begun.
    #[command(hide = true)]
    RunPart(RunPartArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ProbeArgs {
    pub(crate) what: ProbeKind,
}

/// What is tried by a process of its own.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum ProbeKind {
    Namespaces,
    /// Runs a program as `wharf run` does.
    Run,
    /// Is that program.
    Program,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Names in /dev/dma_heap, each for the same memory
    #[arg(long = "heap", value_name = "NAME", default_value = "system")]
    pub(crate) heaps: Vec<HeapName>,
    /// Have /dev/sw_sync and /sys/kernel/debug/sync/sw_sync: timelines that the program drives
    #[arg(long)]
    pub(crate) sw_sync: bool,
    /// Have /dev/dri/card0: a driver of buffers and fences like the kernel's vgem. The machine's /dev/dri is not seen
    #[arg(long)]
    pub(crate) vgem: bool,
    /// What the descriptors of buffers are
    #[arg(long, value_name = "KIND", default_value = "memfd")]
    pub(crate) fd_kind: FdKindArg,
    /// Have /dev/udmabuf make buffers of parts of memory files, too. Each shared mapping of a file takes some microseconds more (x86-64)
    #[arg(long)]
    pub(crate) exact_udmabuf: bool,
    /// Give the CPU and the card a view of each buffer of their own, as on a machine without coherent caches: data moves with SYNC calls only.
    /// What is wrong with these calls is told on stderr when the program has ended. Implies --vgem
    #[arg(long)]
    pub(crate) check_coherency: bool,
    /// The exit code if coherency was found to be broken and the program ended with 0
    #[arg(long, value_name = "CODE", requires = "check_coherency", value_parser = value_parser!(u8).range(1..))]
    pub(crate) coherency_exit: Option<u8>,
    /// The broker's socket [default: the one that answers at $WHARF_SOCKET, or else at $XDG_RUNTIME_DIR/wharf-0, or else a broker for this run
    /// alone]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<OsString>,
}

/// What the descriptors of buffers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FdKindArg {
    /// Those of memory files: works everywhere; poll and epoll do not wait for fences
    Memfd,
    /// Those of files of a FUSE file system of the run's: poll and epoll wait for fences, in other processes, too. Needs root and Linux 6.9
    Fuse,
}

/// A name that a file in /dev/dma_heap can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeapName(pub(crate) String);

impl FromStr for HeapName {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let is_file = !name.is_empty() && name != "." && name != ".." && name.len() <= 255;
        if is_file && !name.contains(['/', '\0']) {
            Ok(Self(name.to_owned()))
        } else {
            Err("a heap is a file in /dev/dma_heap: its name is 1 to 255 bytes without /")
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunPartArgs {
    pub(crate) part: String,
    pub(crate) fd: i32,
    pub(crate) orders: String,
    #[arg(last = true)]
    pub(crate) program: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// The set, in TOML or JSON; - for stdin. sets/worked-example.toml is one
    pub(crate) file: PathBuf,
    /// Print JSON: {"plan": …} or {"report": …}, with everything that is known
    #[arg(long)]
    pub(crate) json: bool,
    /// When to use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value_t = ColorChoice::Auto, value_enum)]
    pub(crate) color: ColorChoice,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) set: SetArgs,
    #[command(flatten)]
    pub(crate) socket: SocketArg,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) socket: SocketArg,
    #[command(flatten)]
    quota: QuotaArgs,
}

impl ServeArgs {
    pub(crate) fn config(&self) -> Config {
        Config {
            quota: self.quota.amounts(),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    pub(crate) socket: SocketArg,
    /// Print JSON: everything that is known, with what streams count. Every field is in docs/state.md
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SocketArg {
    /// The broker's socket [default: $WHARF_SOCKET, or else $XDG_RUNTIME_DIR/wharf-0]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

impl SocketArg {
    /// The path given, or else where clients look for a broker.
    pub(crate) fn path(&self) -> Result<PathBuf, Failure> {
        let expected = || wharf::socket_path().map_err(|_| Failure::NoSocketPath);
        self.socket.clone().map_or_else(expected, Ok)
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits, each for one user")]
struct QuotaArgs {
    /// Bytes of buffers
    #[arg(long, value_name = "N", default_value_t = DEFAULT_QUOTA.bytes, value_parser = value_parser!(u64).range(..=MAX_QUOTA))]
    quota_bytes: u64,
    /// Buffers
    #[arg(long, value_name = "N", default_value_t = DEFAULT_QUOTA.buffers, value_parser = value_parser!(u64).range(..=MAX_QUOTA))]
    quota_buffers: u64,
    /// Sessions
    #[arg(long, value_name = "N", default_value_t = DEFAULT_QUOTA.sessions, value_parser = value_parser!(u64).range(..=MAX_QUOTA))]
    quota_sessions: u64,
    /// Streams
    #[arg(long, value_name = "N", default_value_t = DEFAULT_QUOTA.streams, value_parser = value_parser!(u64).range(..=MAX_QUOTA))]
    quota_streams: u64,
    /// File descriptors that the broker holds for the user: one for each buffer and consumer, two for each connection and stream
    #[arg(long, value_name = "N", default_value_t = DEFAULT_QUOTA.fds, value_parser = value_parser!(u64).range(..=MAX_QUOTA))]
    quota_fds: u64,
}

impl QuotaArgs {
    fn amounts(&self) -> Amounts {
        Amounts {
            bytes: self.quota_bytes,
            buffers: self.quota_buffers,
            sessions: self.quota_sessions,
            streams: self.quota_streams,
            fds: self.quota_fds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn serve(args: &[&str]) -> ServeArgs {
        let args = ["wharf", "serve"].iter().chain(args);
        match Args::try_parse_from(args).map(|args| args.command) {
            Ok(Command::Serve(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn limits_are_those_of_the_broker_unless_given() {
        assert_eq!(serve(&[]).config(), Config::default());
        let given = serve(&[
            "--quota-bytes=1",
            "--quota-buffers=2",
            "--quota-sessions=3",
            "--quota-streams=4",
            "--quota-fds=5",
        ]);
        let quota = Amounts {
            bytes: 1,
            buffers: 2,
            sessions: 3,
            streams: 4,
            fds: 5,
        };
        assert_eq!(given.config(), Config { quota });
    }

    #[test]
    fn limits_beyond_the_protocol_are_refused() {
        for limit in ["-1", "9223372036854775808", "4G"] {
            let refused = Args::try_parse_from(["wharf", "serve", "--quota-bytes", limit]);
            assert!(refused.is_err(), "{limit}");
        }
    }
}
