//! What the processes do: this executable again, told by its environment to play a role.

use std::io::Write;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};
use wharf::core::{CallbackOutcome, Errno, Fence, FenceArray};
use wharf::{FenceEvent, ImportedTimeline, Session, Timeline, Token};
use wharf_broker::Embedded;

pub(crate) const ROLE: &str = "WHARF_TEST_ROLE";
pub(crate) const SOCKET: &str = "WHARF_TEST_SOCKET";
pub(crate) const TOKEN: &str = "WHARF_TEST_TOKEN";
/// Begins every line that is meant for the test.
pub(crate) const MARK: &str = "> ";

const PATIENCE: Option<Duration> = Some(Duration::from_secs(30));

fn say(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{text}").unwrap();
    out.flush().unwrap();
}

/// Not a test of anything: the other processes run it.
#[test]
fn plays_a_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    match role.as_str() {
        "broker" => broker(),
        "owner" => owner(),
        "waiter" => waiter(),
        other => panic!("no role {other}"),
    }
}

/// The words of each line of standard input, until it ends.
fn orders() -> impl Iterator<Item = Vec<String>> {
    let lines = std::io::stdin().lines().map(Result::unwrap);
    lines.map(|line| line.split(' ').map(str::to_owned).collect())
}

fn broker() {
    let broker = Embedded::start().unwrap();
    say(broker.socket_path().display());
    orders().for_each(drop);
}

fn session(label: &str) -> Session {
    let socket = std::env::var(SOCKET).unwrap();
    Session::connect_to(socket.as_ref(), label).unwrap()
}

fn owner() {
    let timeline = session("owner").create_timeline("render").unwrap();
    say(timeline.token(100).unwrap().reveal());
    for order in orders() {
        say(obey(&timeline, &order));
    }
}

fn obey(timeline: &Timeline, order: &[String]) -> String {
    match order.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["signal", point] => timeline
            .signal(point.parse().unwrap())
            .map_or_else(|error| error.to_string(), |()| "done".to_owned()),
        ["error", point, errno] => {
            let errno = Errno::new(errno.parse().unwrap());
            timeline.signal_error(point.parse().unwrap(), errno).unwrap();
            "done".to_owned()
        }
        ["importers"] => timeline.importers().to_string(),
        _ => panic!("{order:?} is not for an owner"),
    }
}

fn waiter() {
    let token = Token::new(std::env::var(TOKEN).unwrap());
    let timeline = session("waiter").import_timeline(&token).unwrap();
    say("imported");
    for order in orders() {
        let point = order[1].parse().unwrap();
        // Who ordered it knows by this that it is about to sleep.
        say("waiting");
        say(wait(&timeline, &order[0], point));
    }
}

/// Waits in the way asked for; says how that ended.
fn wait(timeline: &ImportedTimeline, how: &str, point: u64) -> String {
    match how {
        "wait" => match timeline.wait(point, PATIENCE) {
            Ok(()) => "signaled".to_owned(),
            Err(error) => error.errno().raw_os_error().to_string(),
        },
        "any" => {
            let points = [(timeline, point), (timeline, point + 1_000_000)];
            ImportedTimeline::wait_any(&points, PATIENCE).unwrap();
            outcome(&timeline.fence(point))
        }
        "glance" => timeline
            .wait(point, Some(Duration::from_millis(300)))
            .map_or_else(
                |error| error.errno().raw_os_error().to_string(),
                |()| "signaled".to_owned(),
            ),
        "callback" => {
            let (sender, told) = std::sync::mpsc::channel();
            let array = FenceArray::new([timeline.fence(point)]).unwrap();
            match Fence::from(array).add_callback(move |fence| sender.send(outcome(fence)).unwrap()) {
                CallbackOutcome::Added(_) => told.recv_timeout(Duration::from_secs(30)).unwrap(),
                CallbackOutcome::AlreadySignaled(_) => outcome(&timeline.fence(point)),
            }
        }
        "poll" => {
            let fence = timeline.fence(point);
            let event = FenceEvent::new(&fence).unwrap();
            let mut fds = [rustix::event::PollFd::new(&event, rustix::event::PollFlags::IN)];
            let patience = rustix::time::Timespec::try_from(Duration::from_secs(30)).unwrap();
            assert_eq!(rustix::event::poll(&mut fds, Some(&patience)), Ok(1));
            outcome(&fence)
        }
        other => panic!("no way to wait by {other}"),
    }
}

fn outcome(fence: &Fence) -> String {
    match fence.status().error() {
        Some(errno) => errno.raw().to_string(),
        None => "signaled".to_owned(),
    }
}
