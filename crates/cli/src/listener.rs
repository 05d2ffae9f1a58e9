//! Which socket the broker serves.

use listenfd::ListenFd;
use wharf_broker::Server;

use crate::args::ServeArgs;
use crate::failure::Failure;

/// Makes a broker for the socket that systemd passed (`LISTEN_FDS`), or else for one of its own.
pub(crate) fn open(args: &ServeArgs) -> Result<Server, Failure> {
    let mut passed = ListenFd::from_env();
    match passed.len() {
        0 => bind(args),
        1 if args.socket.socket.is_some() => Err(Failure::SocketGivenTwice),
        1 => adopt(&mut passed, args),
        count => Err(Failure::ManySockets { count }),
    }
}

fn bind(args: &ServeArgs) -> Result<Server, Failure> {
    let path = args.socket.path()?;
    let server = Server::bind(&path, args.config())?;
    tracing::info!(socket = %path.display(), "serving");
    Ok(server)
}

fn adopt(passed: &mut ListenFd, args: &ServeArgs) -> Result<Server, Failure> {
    let listener = passed.take_unix_listener(0).map_err(Failure::PassedSocket)?;
    // It is there: nobody has taken it before.
    let Some(listener) = listener else {
        return bind(args);
    };
    let address = listener.local_addr().map_err(Failure::PassedSocket)?;
    let path = address.as_pathname().map(|path| path.display().to_string());
    let server = Server::from_listener(listener, args.config())?;
    tracing::info!(socket = path, "serving the socket that was passed");
    Ok(server)
}
