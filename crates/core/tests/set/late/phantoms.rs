//! Places kept for those who are to come.

use crate::fake::participant;
use crate::play::{Play, config, size};
use wharf_core::attachment::Contract;
use wharf_core::negotiation::Presence;
use wharf_core::set::{Declared, LatePolicy, News, SetConfig};

use super::NEW;

#[test]
fn a_phantom_keeps_room_for_who_is_to_come() {
    for late in [LatePolicy::Refuse, LatePolicy::Reallocate] {
        let phantom = participant("encoder", 6..=8, 3).presence(Presence::Phantom);
        let (mut play, old) = Play::begun(
            SetConfig { late, ..config() },
            [participant("camera", 4..=9, 2), phantom],
        );
        assert_eq!((size(&play), play.set.plan().unwrap().count()), (6, 5));
        assert!(
            play.set
                .want_buffers(old[1])
                .unwrap_err()
                .to_string()
                .contains("phantom")
        );
        let token = play.expect("a token");
        assert_eq!(
            play.declare(token, participant("encoder", 6..=8, 3)),
            Ok(Declared::Fits { generation: 1 })
        );
        assert_eq!(play.set.counts(token).unwrap().camping, 3);
        assert_eq!((play.set.counts(old[1]), play.set.free_buffers()), (None, 0));
        let second = play.expect("a second");
        assert!(
            late == LatePolicy::Reallocate || play.declare(second, participant("encoder", 6..=8, 3)).is_err()
        );
    }
}

#[test]
fn a_phantom_stays_if_who_comes_in_its_place_is_refused() {
    let phantom = participant("encoder", 6..=8, 3).presence(Presence::Phantom);
    let config = SetConfig {
        late: LatePolicy::Refuse,
        ..config()
    };
    let (mut play, old) = Play::begun(config, [participant("camera", 4..=9, 2), phantom]);
    let token = play.expect("a token");
    play.declare(token, participant("encoder", 6..=8, 4)).unwrap_err();
    assert_eq!(play.set.counts(old[1]).unwrap().camping, 3);
}

#[test]
fn a_phantom_is_replaced_by_who_comes_in_time_too() {
    let mut play = Play::new(config());
    let (phantom, real) = (play.expect("later"), play.expect("now"));
    play.declare(
        phantom,
        participant("encoder", 6..=8, 3).presence(Presence::Phantom),
    )
    .unwrap();
    play.declare(real, participant("encoder", 4..=8, 1)).unwrap();
    play.set.seal(play.root).unwrap();
    play.settle();
    assert_eq!((size(&play), play.set.plan().unwrap().count()), (4, 1));
}

#[test]
fn a_phantom_is_in_nobodys_way() {
    let phantom = participant("encoder", 6..=8, 3)
        .presence(Presence::Phantom)
        .contract(Contract::Static);
    let (mut play, old) = Play::begun(config(), [participant("camera", 4..=19, 2), phantom]);
    let new = play.expect(NEW);
    assert_eq!(
        play.declare(new, participant(NEW, 10..=19, 1)),
        Ok(Declared::Moving { to: 2 })
    );
    let news = play.settle();
    assert!(news.contains(&(old[1].get(), News::LeftOut)), "{news:?}");
    assert_eq!(play.set.plan().unwrap().count(), 3);
}

#[test]
fn a_phantom_that_goes_while_its_place_is_taken_is_not_told_twice() {
    let phantom = participant("encoder", 1..=8, 1).presence(Presence::Phantom);
    let (mut play, old) = Play::begun(config(), [participant("camera", 4..=9, 2), phantom]);
    let token = play.expect("a token");
    let moving = play.declare(token, participant("encoder", 6..=8, 1));
    assert_eq!(moving, Ok(Declared::Moving { to: 2 }));
    play.set.fail(old[1]).unwrap();
    let news = play.settle();
    let told: Vec<&News> = news
        .iter()
        .filter(|(whom, _)| *whom == old[1].get())
        .map(|(_, news)| news)
        .collect();
    assert_eq!(told, [&News::Lost]);
    assert_eq!(play.set.want_buffers(token), Ok(2));
}
