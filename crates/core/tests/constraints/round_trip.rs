//! What is written is read as it was, in JSON and in TOML.

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wharf_core::constraints::{Constraints, FormatKey, ImageConstraints, Record, Scope, Tiling, Value};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{Function, Participant, ParticipantId, Presence};

use crate::random::{for_every_field, record, value};

fn json<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn toml<T: Serialize + DeserializeOwned>(value: &T) -> T {
    toml::from_str(&toml::to_string(value).unwrap()).unwrap()
}

#[test]
fn values_of_every_field_come_back() {
    for_every_field(value, |field, value| {
        prop_assert_eq!(&json(&value), &value);
        if field.scope() != Scope::Derived {
            let record: Record = [(field, value)].into_iter().collect();
            prop_assert_eq!(&json(&record), &record);
            prop_assert_eq!(&toml(&record), &record);
        }
        Ok(())
    });
}

fn key() -> impl Strategy<Value = FormatKey> {
    let fourcc = prop_oneof![
        Just(Fourcc::NV12),
        Just(Fourcc::R8),
        any::<u32>().prop_map(Fourcc::from_raw)
    ];
    let tiling = prop_oneof![
        any::<u64>().prop_map(|raw| Tiling::Explicit(Modifier::from_raw(raw))),
        Just(Tiling::Explicit(Modifier::LINEAR)),
        "[a-z():*]{1,6}".prop_map(|driver| Tiling::Implicit(driver.into())),
    ];
    (prop::option::of(fourcc), prop::option::of(tiling))
        .prop_map(|(fourcc, tiling)| FormatKey { fourcc, tiling })
}

fn of_scopes(record: &Record, scopes: &[Scope]) -> Record {
    let fields = record.iter().filter(|(field, _)| scopes.contains(&field.scope()));
    fields.map(|(field, value)| (field, value.clone())).collect()
}

/// Constraints that pass the checks: each field that does not is left out.
fn constraints() -> impl Strategy<Value = Constraints> {
    (record(), key(), record(), prop::collection::vec(record(), 0..3)).prop_map(
        |(whole, key, of_image, planes)| {
            let image = ImageConstraints::of(key)
                .image(of_scopes(&of_image, &[Scope::Image]))
                .every_plane(of_scopes(&of_image, &[Scope::Plane]))
                .planes(
                    planes
                        .iter()
                        .map(|plane| of_scopes(plane, &[Scope::Plane, Scope::Memory]))
                        .collect(),
                );
            let mut builder = Constraints::builder();
            if Constraints::builder().image(image.clone()).build().is_ok() {
                builder = builder.image(image);
            }
            for (field, value) in whole.iter() {
                let more = builder.clone().set(field, value.clone());
                if more.clone().build().is_ok() {
                    builder = more;
                }
            }
            builder.build().unwrap()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn formats_come_back(key in key()) {
        prop_assert_eq!(key.to_string().parse::<FormatKey>().ok(), Some(key.clone()));
        prop_assert_eq!(&json(&key), &key);
    }

    #[test]
    fn constraints_come_back(constraints in constraints()) {
        prop_assert_eq!(&json(&constraints), &constraints);
        prop_assert_eq!(&toml(&constraints), &constraints);
    }

    #[test]
    fn participants_come_back(one in constraints(), other in constraints(), priority in any::<u32>()) {
        let participant = Participant::new(ParticipantId(7), "display")
            .device("display0")
            .pid(4711)
            .presence(Presence::Optional { priority })
            .function(Function::new("primary", one.clone()).or("copy", 3, other.clone()))
            .function(Function::new("cursor", other))
            .checked()
            .unwrap();
        prop_assert_eq!(&json(&participant), &participant);
        prop_assert_eq!(&toml(&participant), &participant);
    }

    #[test]
    fn any_json_is_read_or_refused_in_one_line(text in "[\\[\\]{}\",:a-z_0-9 ]{0,80}") {
        if let Err(error) = serde_json::from_str::<Constraints>(&text) {
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }
}

#[test]
fn largest_numbers_come_back() {
    for value in [
        Value::Bytes(u64::MAX),
        Value::Mask(u64::MAX),
        Value::Pixels(1 << 63),
    ] {
        assert_eq!(json(&value), value);
    }
}
