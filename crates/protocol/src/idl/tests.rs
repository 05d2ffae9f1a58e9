//! The interface descriptions and the Rust types say the same.

use std::collections::BTreeMap;

use zlink::idl::{CustomType, Interface, Type};
use zlink::introspect::{CustomType as DescribeCustomType, ReplyError as DescribeErrors};

use super::{
    INTERFACE, INTERFACE_DESCRIPTION, SERVICE_DESCRIPTION, SERVICE_INTERFACE, interface_description,
};
use crate::method::METHODS;
use crate::{
    Amounts, BrokerError, BrokerState, EndReason, FailureDomain, FirstMap, Hindrance, LatePolicy, Member,
    MoveBlocker, MoveContract, MoveState, NegotiationState, ObjectKind, OldMemory, Policy, Resource, Role,
    Rotation, Seat, SeatRight, SeatState, SeatStatus, SessionState, SetContents, SetState, SetStatus,
    StreamState, Target, TimelineImport, TimelineState, UserState,
};

const CUSTOM_TYPES: &[&CustomType<'static>] = &[
    Amounts::CUSTOM_TYPE,
    BrokerState::CUSTOM_TYPE,
    EndReason::CUSTOM_TYPE,
    FailureDomain::CUSTOM_TYPE,
    FirstMap::CUSTOM_TYPE,
    Hindrance::CUSTOM_TYPE,
    LatePolicy::CUSTOM_TYPE,
    Member::CUSTOM_TYPE,
    MoveBlocker::CUSTOM_TYPE,
    MoveContract::CUSTOM_TYPE,
    Rotation::CUSTOM_TYPE,
    NegotiationState::CUSTOM_TYPE,
    ObjectKind::CUSTOM_TYPE,
    Policy::CUSTOM_TYPE,
    Resource::CUSTOM_TYPE,
    Role::CUSTOM_TYPE,
    Seat::CUSTOM_TYPE,
    SeatRight::CUSTOM_TYPE,
    SeatState::CUSTOM_TYPE,
    SeatStatus::CUSTOM_TYPE,
    SessionState::CUSTOM_TYPE,
    SetContents::CUSTOM_TYPE,
    SetState::CUSTOM_TYPE,
    SetStatus::CUSTOM_TYPE,
    MoveState::CUSTOM_TYPE,
    OldMemory::CUSTOM_TYPE,
    StreamState::CUSTOM_TYPE,
    Target::CUSTOM_TYPE,
    TimelineImport::CUSTOM_TYPE,
    TimelineState::CUSTOM_TYPE,
    UserState::CUSTOM_TYPE,
];

/// Fields as `name: type`, in order.
fn signature<'a>(fields: impl Iterator<Item = &'a zlink::idl::Field<'a>>) -> Vec<String> {
    fields
        .map(|field| format!("{}: {}", field.name(), field.ty()))
        .collect()
}

fn object_signature(ty: &Type<'static>) -> Vec<String> {
    let fields = ty.as_object().expect("parameters and replies are objects");
    signature(fields.iter())
}

fn custom_signature(ty: &CustomType<'_>) -> Vec<String> {
    match ty {
        CustomType::Object(object) => signature(object.fields()),
        CustomType::Enum(words) => words.variants().map(|word| word.name().to_string()).collect(),
    }
}

/// Full name of each described method, with the signatures of its parameters and its reply.
fn described_methods() -> BTreeMap<String, (Vec<String>, Vec<String>)> {
    let mut methods = BTreeMap::new();
    for text in [INTERFACE_DESCRIPTION, SERVICE_DESCRIPTION] {
        let interface = Interface::try_from(text).expect("the description is valid");
        for method in interface.methods() {
            let name = format!("{}.{}", interface.name(), method.name());
            methods.insert(name, (signature(method.inputs()), signature(method.outputs())));
        }
    }
    methods
}

#[test]
fn descriptions_are_found_by_the_name_they_declare() {
    for name in [INTERFACE, SERVICE_INTERFACE] {
        let text = interface_description(name).unwrap();
        assert_eq!(Interface::try_from(text).unwrap().name(), name);
    }
    assert_eq!(interface_description("dev.wharf.Nothing"), None);
}

#[test]
fn methods_are_those_of_the_rust_types() {
    let coded: BTreeMap<_, _> = METHODS
        .iter()
        .map(|(name, call, reply)| {
            (
                (*name).to_owned(),
                (object_signature(call), object_signature(reply)),
            )
        })
        .collect();

    assert_eq!(described_methods(), coded);
}

#[test]
fn errors_are_those_of_the_rust_type() {
    let mut described = BTreeMap::new();
    for text in [INTERFACE_DESCRIPTION, SERVICE_DESCRIPTION] {
        let interface = Interface::try_from(text).unwrap();
        for error in interface.errors() {
            described.insert(error.name().to_string(), signature(error.fields()));
        }
    }
    let coded: BTreeMap<_, _> = <BrokerError as DescribeErrors>::VARIANTS
        .iter()
        .map(|error| (error.name().to_string(), signature(error.fields())))
        .collect();

    assert_eq!(described, coded);
}

#[test]
fn custom_types_are_those_of_the_rust_types() {
    let interface = Interface::try_from(INTERFACE_DESCRIPTION).unwrap();
    let described: BTreeMap<_, _> = interface
        .custom_types()
        .map(|ty| (ty.name().to_string(), custom_signature(ty)))
        .collect();
    let coded: BTreeMap<_, _> = CUSTOM_TYPES
        .iter()
        .map(|ty| (ty.name().to_string(), custom_signature(ty)))
        .collect();

    assert_eq!(described, coded);
}

#[test]
fn every_member_is_commented() {
    for text in [INTERFACE_DESCRIPTION, SERVICE_DESCRIPTION] {
        let interface = Interface::try_from(text).unwrap();
        for method in interface.methods() {
            assert!(method.comments().next().is_some(), "method {}", method.name());
        }
        for error in interface.errors() {
            assert!(error.comments().next().is_some(), "error {}", error.name());
        }
    }
}

#[test]
fn stated_limits_are_those_of_the_code() {
    use crate::limits::*;

    let calls = format!("A call is at most {MAX_CALL_BYTES} bytes");
    let fds = format!("brings at most {MAX_CALL_FDS} file descriptors");
    let label = format!("1 to {MAX_LABEL_BYTES} bytes");
    let name = format!("name has at most {MAX_NAME_BYTES} bytes");
    let count = format!("count is 1 to {MAX_BUFFERS}");
    let consumers = format!("max_consumers is 1 to {MAX_CONSUMERS}");
    let uses = format!("uses is 1 to {MAX_TOKEN_USES}");
    let imports = format!("imported at most {MAX_IMPORTS} times at once");
    let cells = format!("will say what it waits for, {FIRST_WAITER_CELL} to\n# {LAST_WAITER_CELL}.");
    for stated in [calls, fds, label, name, count, consumers, uses, imports, cells] {
        assert!(INTERFACE_DESCRIPTION.contains(&stated), "{stated}");
    }
    assert_eq!((MAX_REPLY_BYTES, MAX_BUFFER_BYTES), (1 << 20, 1 << 40));
}
