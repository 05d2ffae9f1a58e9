//! Who says much, or again and again: the set fills up, and nobody else is told less.

use wharf_core::AccessMode;
use wharf_core::constraints::{
    Buffers, Bytes, Constraints, ImageConstraints, Pixels, Record, Rows, Size, key,
};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{Function, Participant};
use wharf_protocol::limits::{MAX_CALL_BYTES, MAX_DECLARED_BYTES, MAX_PARTICIPANTS, MAX_REPLY_BYTES};
use wharf_protocol::{BrokerError, FailureDomain, Reply, SeatRight};

use super::super::table::{needs, opened, reader};
use super::{GUEST, leave};

/// What fills a declaration.
fn long(count: usize) -> Participant {
    let mut long = reader(1);
    long.source = Some("x".repeat(250).into());
    (0..count).fold(long, |long, number| {
        let constraints = Constraints::default();
        let name = format!("{number:0>250}");
        long.function(Function::new(&name, constraints))
    })
}

#[test]
fn who_declares_and_leaves_again_and_again_fills_the_set_and_no_more() {
    // Few long declarations, and many short ones.
    for functions in [50, 1] {
        fill(functions);
    }
}

fn fill(functions: usize) {
    let (mut world, recorder, root) = opened();
    let issuing = [SeatRight::Issue];
    let source = world.seat(recorder, &root.token, &issuing, FailureDomain::Attached);
    let guest = world.client_of(GUEST, "guest");
    let mut stayed = 0;
    let mut refusal = None;
    for _ in 0..1000 {
        let seat = world.issue(guest, &source, &[], FailureDomain::Attached);
        let sat = seat.and_then(|seat| world.sit(guest, &seat.token, long(functions)));
        match sat {
            Ok(chair) => leave(&mut world, guest, &chair.token),
            Err(error) => {
                refusal = Some(error);
                break;
            }
        }
        stayed += 1;
    }
    assert!(
        matches!(refusal, Some(BrokerError::SetFull { .. })),
        "after {stayed}: {refusal:?}"
    );
    let each = serde_json::to_vec(&long(functions)).unwrap().len();
    let most = MAX_PARTICIPANTS.min(MAX_DECLARED_BYTES / each);
    assert!(stayed <= most, "{stayed} are in force");
    world.everybody_goes();
}

#[test]
fn declarations_that_are_short_to_send_and_long_to_keep_fill_the_set() {
    let (mut world, recorder, root) = opened();
    let ways = |number: u64| {
        let function = Function {
            name: number.to_string().into(),
            alternatives: Vec::new(),
        };
        (0..48).fold(function, |function, way: u32| {
            function.or(&way.to_string(), way, Constraints::default())
        })
    };
    let versatile = (0..48).fold(reader(1), |versatile, number| versatile.function(ways(number)));
    assert!(serde_json::to_vec(&versatile).unwrap().len() < MAX_CALL_BYTES);
    let mut seated = 0;
    let refusal = loop {
        let seat = world.seat(recorder, &root.token, &[], FailureDomain::Attached);
        match world.sit(recorder, &seat, versatile.clone()) {
            Ok(_) => seated += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, BrokerError::SetFull { .. }), "{refusal}");
    assert!(seated < 3, "{seated} of them take a megabyte each");
    world.everybody_goes();
}

/// Declares little, of which much has to be said: many functions, each of which states much of everything.
fn talkative(most_bytes: u64) -> Participant {
    let mut talkative = reader(1);
    talkative.device = Some("d".repeat(250).into());
    talkative.label = "l".repeat(250).into();
    (0..63).fold(talkative, |talkative, number: u64| {
        let constraints = Constraints::builder()
            .with(key::MAX_SIZE, Bytes(most_bytes))
            .with(key::MIN_SIZE, Bytes(4096))
            .with(key::MIN_CHUNK, Bytes(4096))
            .with(key::MAX_BUFFERS, Buffers(64))
            .with(key::MIN_BUFFERS, Buffers(1))
            .with(key::MAX_TOTAL, Bytes(1 << 40));
        let images = (0..2).map(|format| {
            let modifier = Modifier::from_raw(format);
            let plane = Record::new()
                .with(key::STRIDE_ALIGN, Bytes(1))
                .with(key::MIN_STRIDE, Bytes(1));
            let image = Record::new()
                .with(key::ROWS_ALIGN, Rows(1))
                .with(key::MIN_WIDTH, Pixels(1));
            let sizes = [Size {
                width: 16,
                height: 16,
            }]
            .into_iter()
            .collect();
            let image = image
                .with(key::REQUIRED_SIZES, sizes)
                .with(key::MIN_HEIGHT, Pixels(1));
            ImageConstraints::new(Fourcc::XRGB8888, modifier)
                .image(image)
                .every_plane(plane)
        });
        let constraints = images.fold(constraints, |constraints, image| constraints.image(image));
        talkative.function(Function::new(&format!("{number}"), constraints.build().unwrap()))
    })
}

#[test]
fn who_has_much_to_say_leaves_room_in_what_others_are_told() {
    for is_possible in [true, false] {
        let (mut world, recorder, root) = opened();
        let rights = [SeatRight::Write];
        let camera = world.seat(recorder, &root.token, &rights, FailureDomain::Normal);
        let mut guests = Vec::new();
        for number in 0..10 {
            let seat = world.seat(recorder, &root.token, &[], FailureDomain::Normal);
            guests.push((world.client_of(GUEST + number, "guest"), seat));
        }
        for (guest, token) in guests {
            let talkative = talkative(if is_possible { 1 << 30 } else { 1 << 13 });
            assert!(serde_json::to_vec(&talkative).unwrap().len() < MAX_CALL_BYTES);
            world.sit(guest, &token, talkative).unwrap();
        }
        let needs = needs("camera", if is_possible { 4096 } else { 1 << 14 }, 1 << 30, 1);
        let camera = world.sit(recorder, &camera, needs.access(AccessMode::ReadWrite));
        let told = camera.and_then(|camera| world.buffers(&camera));
        let explained = world.explain(recorder, root.set).unwrap();
        let most = MAX_REPLY_BYTES / 2;
        if let Ok((reply, _)) = &told {
            assert!(is_possible);
            assert!(
                wharf_protocol::codec::encode_reply(&Reply::AwaitBuffers(reply.clone()))
                    .unwrap()
                    .len()
                    < most
            );
            assert!(
                reply
                    .plan
                    .0
                    .choices
                    .iter()
                    .any(|choice| choice.participant.0 == 2),
                "its own"
            );
        } else {
            assert!(!is_possible, "{told:?}");
            let error = told.unwrap_err();
            assert!(
                wharf_protocol::codec::encode_error(&error).unwrap().len() < most,
                "{error}"
            );
        }
        assert!(
            wharf_protocol::codec::encode_reply(&Reply::ExplainSet(explained))
                .unwrap()
                .len()
                < 2 * most
        );
        world.everybody_goes();
    }
}
