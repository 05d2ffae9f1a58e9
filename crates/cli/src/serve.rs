//! `wharf serve`: a broker as a daemon.

use std::io;
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::args::ServeArgs;
use crate::failure::Failure;
use crate::listener;

/// Serves until SIGTERM or SIGINT, then ends all sessions and removes the socket.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    log_to_stderr();
    // Before there is a socket, so that no signal leaves one behind.
    let stop = stop_on_signals().map_err(Failure::Signals)?;
    let mut server = listener::open(args)?;
    server.run(&stop)?;
    tracing::info!("stopping");
    Ok(())
}

/// Returns a stream that can be read from once this process is to end.
fn stop_on_signals() -> io::Result<UnixStream> {
    let (stop, signaled) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT] {
        pipe::register(signal, signaled.try_clone()?)?;
    }
    Ok(stop)
}

fn log_to_stderr() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        // It would report to stderr that stderr is gone, and that failure would end the broker.
        .log_internal_errors(false);
    log.init();
}
