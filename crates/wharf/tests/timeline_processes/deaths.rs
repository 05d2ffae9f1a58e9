//! Who dies, who stops, and what the others see.

use std::thread::sleep;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Signal;

use crate::common::player::{Player, eventually};
use crate::stage::{Stage, begin};

/// All ways to wait for a point.
const WAYS: [&str; 4] = ["wait", "any", "callback", "poll"];

fn owner_dead() -> String {
    Errno::OWNERDEAD.raw_os_error().to_string()
}

/// Lets those who are about to sleep fall asleep; nothing depends on it but what is tested.
fn fall_asleep() {
    sleep(Duration::from_millis(20));
}

/// A waiter for each way to wait, all asleep for `point`.
fn asleep_for(stage: &Stage, point: u64) -> Vec<Player> {
    let waiters: Vec<_> = WAYS
        .iter()
        .map(|way| {
            let mut waiter = stage.waiter();
            begin(&mut waiter, &format!("{way} {point}"));
            waiter
        })
        .collect();
    fall_asleep();
    waiters
}

fn assert_all_hear(waiters: &[Player], what: &str) {
    for (waiter, way) in waiters.iter().zip(WAYS) {
        assert_eq!(waiter.hear(), what, "by {way}");
    }
}

#[test]
fn points_and_errors_reach_everybody_whichever_way_they_wait() {
    let mut stage = Stage::new();
    let mut waiters = asleep_for(&stage, 1);
    assert_eq!(stage.owner.ask("signal 1"), "done");
    assert_all_hear(&waiters, "signaled");
    for (waiter, way) in waiters.iter_mut().zip(WAYS) {
        begin(waiter, &format!("{way} 2"));
    }
    fall_asleep();
    assert_eq!(stage.owner.ask("error 2 5"), "done");
    assert_all_hear(&waiters, "5");
    assert_eq!(stage.owner.ask("importers"), "4");
}

#[test]
fn owner_that_is_killed_fails_what_is_pending_for_everybody() {
    let mut stage = Stage::new();
    let mut early = stage.waiter();
    assert_eq!(stage.owner.ask("signal 1"), "done");
    let waiters = asleep_for(&stage, 2);
    stage.owner.kill();
    assert_all_hear(&waiters, &owner_dead());
    begin(&mut early, "wait 1");
    assert_eq!(early.hear(), "signaled", "before the death");
    begin(&mut early, "wait 2");
    assert_eq!(early.hear(), owner_dead(), "who asks later hears the same");
}

#[test]
fn owner_that_is_killed_after_the_broker_is_missed_too() {
    let mut stage = Stage::new();
    let mut waiters = asleep_for(&stage, 1);
    stage.broker.kill();
    assert_eq!(
        stage.owner.ask("signal 1"),
        "done",
        "no broker is needed for that"
    );
    assert_all_hear(&waiters, "signaled");
    for (waiter, way) in waiters.iter_mut().zip(WAYS) {
        begin(waiter, &format!("{way} 2"));
    }
    fall_asleep();
    stage.owner.kill();
    assert_all_hear(&waiters, &owner_dead());
}

#[test]
fn stopped_broker_stops_no_signal_and_hides_no_death() {
    let mut stage = Stage::new();
    let waiters = asleep_for(&stage, 1);
    stage.broker.stop();
    // The owner has not heard of any of them and cannot ask.
    assert_eq!(stage.owner.ask("signal 1"), "done");
    assert_all_hear(&waiters, "signaled");
    assert_eq!(stage.owner.ask("importers"), "0");
    let mut waiters = waiters;
    for (waiter, way) in waiters.iter_mut().zip(WAYS) {
        begin(waiter, &format!("{way} 2"));
    }
    fall_asleep();
    stage.owner.kill();
    assert_all_hear(&waiters, &owner_dead());
    stage.broker.signal(Signal::CONT);
}

#[test]
fn owner_learns_of_importers_when_a_stopped_broker_goes_on() {
    let mut stage = Stage::new();
    let mut waiter = stage.waiter();
    stage.broker.stop();
    assert_eq!(stage.owner.ask("signal 1"), "done");
    stage.broker.signal(Signal::CONT);
    let mut point = 1;
    eventually(|| {
        point += 1;
        assert_eq!(stage.owner.ask(&format!("signal {point}")), "done");
        sleep(Duration::from_millis(50));
        stage.owner.ask("importers") == "1"
    });
    begin(&mut waiter, &format!("wait {}", point + 1));
    fall_asleep();
    assert_eq!(stage.owner.ask(&format!("signal {}", point + 1)), "done");
    assert_eq!(waiter.hear(), "signaled");
}

#[test]
fn waiter_that_is_killed_asleep_hinders_nobody_and_is_forgotten() {
    let mut stage = Stage::new();
    let observer = stage.session();
    let mut victim = stage.waiter();
    let mut other = stage.waiter();
    assert_eq!(stage.owner.ask("signal 1"), "done");
    begin(&mut victim, "wait 2");
    begin(&mut other, "wait 3");
    fall_asleep();
    victim.kill();
    eventually(|| observer.state().unwrap().timelines[0].importers.len() == 1);
    assert_eq!(stage.owner.ask("signal 2"), "done");
    assert_eq!(stage.owner.ask("signal 3"), "done");
    assert_eq!(other.hear(), "signaled");
    let mut point = 3;
    eventually(|| {
        point += 1;
        assert_eq!(stage.owner.ask(&format!("signal {point}")), "done");
        stage.owner.ask("importers") == "1"
    });
}

#[test]
fn stopped_owner_is_waited_for_and_not_taken_for_dead() {
    let mut stage = Stage::new();
    let mut waiter = stage.waiter();
    stage.owner.stop();
    begin(&mut waiter, "glance 1");
    assert_eq!(waiter.hear(), Errno::TIMEDOUT.raw_os_error().to_string());
    begin(&mut waiter, "wait 1");
    stage.owner.order("signal 1");
    fall_asleep();
    stage.owner.signal(Signal::CONT);
    assert_eq!(waiter.hear(), "signaled");
}
