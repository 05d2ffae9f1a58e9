//! Sets that move without a stream, with what is in them.

use rustix::io::Errno;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use wharf::{BufferSet, Contents, Hindrance, MoveContract, Reallocation, Role, Token};

use crate::common::{Fixture, spec, to};
use crate::support::blockers;

impl Fixture {
    fn set(&self, count: u32) -> BufferSet {
        self.session("camera").allocate(&spec(4096, count)).unwrap()
    }
}

fn fill(set: &BufferSet, byte: u8) {
    for buffer in set.buffers() {
        let whole = usize::try_from(buffer.size_bytes()).unwrap();
        let exporter = buffer.exporter::<wharf::BrokerBuffer>().unwrap();
        exporter
            .mapping()
            .view_mut()
            .unwrap()
            .fill(0, whole, byte)
            .unwrap();
    }
}

fn bytes(set: &BufferSet, index: usize) -> Vec<u8> {
    let buffer = &set.buffers()[index];
    let mut bytes = vec![0; usize::try_from(buffer.size_bytes()).unwrap()];
    let exporter = buffer.exporter::<wharf::BrokerBuffer>().unwrap();
    exporter.mapping().view().copy_to(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn set_without_a_stream_moves_with_its_contents_and_its_importers() {
    let fixture = Fixture::new();
    let mut set = fixture.set(2);
    fill(&set, 7);
    let token: Token = set.token(1).unwrap();
    let mut imported = fixture.session("viewer").import(&token).unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_over);
    let importer = thread::spawn(move || {
        while !seen.load(Ordering::Acquire) {
            imported.refresh().unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        imported.refresh().unwrap();
        imported
    });
    let before: Vec<_> = set.buffers().to_vec();
    let plan = Reallocation {
        plan: "larger",
        ..to(8192, 3)
    };
    set.reallocate(&plan, Contents::Keep).unwrap();
    is_over.store(true, Ordering::Release);
    let imported = importer.join().unwrap();
    for set in [&set, &imported] {
        assert_eq!(
            (set.generation(), set.plan(), set.buffers().len()),
            (2, "larger", 3)
        );
        set.check_current().unwrap();
        for index in 0..2 {
            assert_eq!(bytes(set, index), [[7; 4096], [0; 4096]].concat());
        }
        assert_eq!(bytes(set, 2), [0; 8192]);
    }
    assert_eq!(
        fixture.booked_bytes(),
        2 * 4096 + 3 * 8192,
        "the old ones are held"
    );
    drop(before);
    assert_eq!(fixture.booked_bytes(), 3 * 8192);
}

#[test]
fn contents_can_be_given_up() {
    let fixture = Fixture::new();
    let mut set = fixture.set(1);
    fill(&set, 7);
    set.reallocate(&to(4096, 1), Contents::Discard).unwrap();
    assert_eq!(bytes(&set, 0), [0; 4096]);
    fill(&set, 8);
    set.reallocate(&to(100, 1), Contents::Keep).unwrap();
    assert_eq!((set.generation(), bytes(&set, 0)), (3, vec![8; 4096]));
}

#[test]
fn stale_set_is_told_so_and_catches_up() {
    let fixture = Fixture::new();
    let mut set = fixture.set(1);
    let token = set.token(2).unwrap();
    let session = fixture.session("viewer");
    let mut revocable = session.import_as(&token, MoveContract::Revocable).unwrap();
    let soon = Reallocation {
        deadline: Duration::from_millis(50),
        ..to(4096, 1)
    };
    set.reallocate(&soon, Contents::Keep).unwrap();
    assert_eq!(
        revocable.refresh().unwrap_err().errno(),
        Errno::NOENT,
        "it was cut off"
    );
    let mut late = fixture.session("late").import(&token).unwrap();
    assert_eq!(late.generation(), 2);
    let error = set.reallocate(&soon, Contents::Keep).unwrap_err();
    let silent = ("late".to_owned(), Role::Importer, Hindrance::Silent);
    assert_eq!(blockers(&error), [silent]);
    assert_eq!((set.generation(), late.refresh().unwrap()), (2, 2));
    let moving = thread::spawn(move || {
        set.reallocate(&to(4096, 1), Contents::Keep).unwrap();
        set
    });
    let until = Instant::now() + Duration::from_secs(10);
    while late.check_current().is_ok() {
        // Ready, but not looking whether the others are.
        let _ = late.refresh().unwrap();
        if late.generation() != 2 {
            break;
        }
        assert!(Instant::now() < until);
    }
    let set = moving.join().unwrap();
    assert_eq!((set.generation(), late.refresh().unwrap()), (4, 4));
    let producer_of_stale = fixture.session("viewer");
    let foreign = producer_of_stale.create_stream("x", late, 1).unwrap_err();
    assert_eq!(foreign.errno(), Errno::ACCESS);
}
