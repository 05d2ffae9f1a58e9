//! The consumer, a process of its own: notes when each frame came.

use crate::Outcome;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use wharf::{JoinOptions, Session, Token};

/// Tells a child that it is the consumer.
const ROLE: &str = "WHARF_BENCH_CONSUMER";

/// Serves if this process was started as the consumer.
pub(crate) fn serve_if_asked() -> Option<Outcome<()>> {
    std::env::var(ROLE).is_ok().then(serve)
}

fn serve() -> Outcome<()> {
    let mut input = std::io::stdin().lines();
    let socket = input.next().ok_or("no socket")??;
    let token = Token::new(input.next().ok_or("no token")??);
    let session = Session::connect_to(Path::new(&socket), "consumer")?;
    let mut consumer = session.join(&token, JoinOptions::every_frame(4))?;
    let (mut times, mut last, mut lost) = (Vec::new(), 0, 0);
    for frame in consumer.frames() {
        let frame = frame?;
        times.push(frame.received_ns());
        if last > 0 {
            lost += frame.seq() - last - 1;
        }
        last = frame.seq();
    }
    let mut output = std::io::stdout().lock();
    writeln!(output, "{lost}")?;
    for time in times {
        writeln!(output, "{time}")?;
    }
    Ok(())
}

/// The consumer, as the producer's process sees it.
pub(crate) struct Consumer(Child);

impl Consumer {
    pub(crate) fn start(socket: &Path, token: &Token) -> Outcome<Self> {
        let mut child = Command::new("/proc/self/exe")
            .env(ROLE, "")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().ok_or("child without stdin")?;
        writeln!(input, "{}\n{}", socket.display(), token.reveal())?;
        Ok(Self(child))
    }

    /// The frames it lost, and when each of the others came, once the stream has ended.
    pub(crate) fn finish(mut self) -> Outcome<(u64, Vec<u64>)> {
        let output = self.0.stdout.take().ok_or("child without stdout")?;
        let mut lines = BufReader::new(output).lines();
        let lost = lines.next().ok_or("the consumer said nothing")??.parse()?;
        let times = lines.map(|line| Ok(line?.parse()?)).collect::<Outcome<_>>()?;
        Ok((lost, times))
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
