//! What the processes do: this executable again, told by its environment to play a role.

use std::time::Duration;

use wharf::core::{CallbackOutcome, Errno, Fence, FenceArray};
use wharf::{FenceEvent, ImportedTimeline, Timeline, Token};
use wharf_broker::Embedded;

use crate::common::player::{orders, role, say, session};

const PATIENCE: Option<Duration> = Some(Duration::from_secs(30));

/// Not a test of anything: the other processes run it.
#[test]
fn plays_a_role() {
    let Some(role) = role() else { return };
    match role.as_str() {
        "broker" => broker(),
        "owner" => owner(),
        "waiter" => waiter(),
        other => panic!("no role {other}"),
    }
}

fn broker() {
    let broker = Embedded::start().unwrap();
    say(broker.socket_path().display());
    orders().for_each(drop);
}

fn owner() {
    let timeline = session("owner").create_timeline("render").unwrap();
    say(timeline.token(100).unwrap().reveal());
    for order in orders() {
        say(obey(&timeline, &order));
    }
}

fn obey(timeline: &Timeline, order: &str) -> String {
    match order.split(' ').collect::<Vec<_>>()[..] {
        ["signal", point] => timeline
            .signal(point.parse().unwrap())
            .map_or_else(|error| error.to_string(), |()| "done".to_owned()),
        ["error", point, errno] => {
            let errno = Errno::new(errno.parse().unwrap());
            timeline.signal_error(point.parse().unwrap(), errno).unwrap();
            "done".to_owned()
        }
        ["importers"] => timeline.importers().to_string(),
        _ => panic!("{order} is not for an owner"),
    }
}

fn waiter() {
    let token = Token::new(orders().next().unwrap());
    let timeline = session("waiter").import_timeline(&token).unwrap();
    say("imported");
    for order in orders() {
        let (how, point) = order.split_once(' ').unwrap();
        let point = point.parse().unwrap();
        // Who ordered it knows by this that it is about to sleep.
        say("waiting");
        say(wait(&timeline, how, point));
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
