//! Blame by a judge of its own, far simpler than the real one: what is merged is what the table says.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::core::core_of;
use super::shrink::Ended;
use crate::constraints::{Field, Value, merge};
use crate::negotiation::FieldPath;
use crate::negotiation::needs::{Need, Speaker, Stated};

fn need(participant: usize, field: Field, value: Value) -> Need {
    Need {
        who: Speaker {
            participant,
            function: 0,
            alternative: 0,
        },
        path: field.into(),
        what: Stated::Value(value),
    }
}

/// Merges field by field; bounds must not cross, and shares not be more than there may be.
pub(in crate::negotiation) fn judge(needs: &[&Need]) -> Option<FieldPath> {
    let mut merged: BTreeMap<Field, Value> = BTreeMap::new();
    for need in needs {
        let Stated::Value(value) = &need.what else {
            continue;
        };
        let field = need.path.field;
        let value = match merged.get(&field) {
            Some(before) => match merge(field, before, value) {
                Ok(value) => value,
                Err(_) => return Some(field.into()),
            },
            None => value.clone(),
        };
        merged.insert(field, value);
    }
    let number = |field| merged.get(&field).and_then(Value::number);
    let crossing = |least, most| {
        number(least)
            .zip(number(most))
            .is_some_and(|(least, most)| least > most)
    };
    if crossing(Field::MinSize, Field::MaxSize) {
        return Some(Field::MinSize.into());
    }
    // The system's own limit.
    let most = number(Field::MaxBuffers).unwrap_or(64).min(64);
    if number(Field::Camping).unwrap_or(0) + number(Field::DedicatedSlack).unwrap_or(0) > most {
        return Some(Field::Camping.into());
    }
    None
}

/// What is found, and after how many evaluations.
fn blamed(needs: &[Need]) -> Option<(Vec<Need>, usize)> {
    let mut needs: Vec<&Need> = needs.iter().collect();
    let order = |need: &&Need| (need.who, need.path.clone());
    needs.sort_by_key(order);
    let path = judge(&needs)?;
    let mut count = 0;
    let mut counted = |some: &[&Need]| {
        count += 1;
        let mut some = some.to_vec();
        some.sort_by_key(order);
        Ok::<_, Ended>(judge(&some))
    };
    let found = core_of(
        &needs,
        &path,
        &|participant| (0, Reverse(participant)),
        &mut counted,
    );
    assert!(found.minimal);
    Some((found.items.into_iter().cloned().collect(), count))
}

fn any_need() -> impl Strategy<Value = Need> {
    let names = prop::collection::btree_set("[abcd]", 1..4);
    let value = prop_oneof![
        (1_u64..9).prop_map(|size| (Field::MinSize, Value::Bytes(size))),
        (1_u64..9).prop_map(|size| (Field::MaxSize, Value::Bytes(size))),
        "[ab]".prop_map(|scheme| (Field::Protection, Value::Text(scheme.into()))),
        names.prop_map(|names| (Field::Heaps, Value::Names(names.into_iter().collect()))),
        (0_u64..40).prop_map(|count| (Field::Camping, Value::Buffers(count))),
        (0_u64..9).prop_map(|count| (Field::DedicatedSlack, Value::Buffers(count))),
        (8_u64..70).prop_map(|count| (Field::MaxBuffers, Value::Buffers(count))),
        (0_u64..8, 1_u64..3).prop_map(|(first, many)| {
            let windows = [first..=first + many].into_iter().collect();
            (Field::Windows, Value::Windows(windows))
        }),
    ];
    (0_usize..12, value).prop_map(|(participant, (field, value))| need(participant, field, value))
}

proptest! {
    #[test]
    fn a_core_fails_and_every_smaller_one_holds(needs in prop::collection::vec(any_need(), 1..30)) {
        if let Some((core, _)) = blamed(&needs) {
            prop_assert!(judge(&core.iter().collect::<Vec<_>>()).is_some());
            for left_out in 0..core.len() {
                let fewer: Vec<&Need> = core.iter().enumerate().filter(|(number, _)| *number != left_out).map(|(_, need)| need).collect();
                prop_assert!(judge(&fewer).is_none());
            }
        }
    }

    #[test]
    fn the_order_of_needs_does_not_matter(needs in prop::collection::vec(any_need(), 1..20).prop_shuffle(), seed in any::<u64>()) {
        // One participant states a field once.
        let mut seen = std::collections::BTreeSet::new();
        let needs: Vec<Need> = needs.into_iter().filter(|need| seen.insert((need.who, need.path.field))).collect();
        let mut other = needs.clone();
        other.sort_by_key(|need| (need.who.participant as u64 + 1).wrapping_mul(seed | 1) ^ (need.path.field as u64));
        prop_assert_eq!(blamed(&needs).map(|(core, _)| core), blamed(&other).map(|(core, _)| core));
    }
}

fn who(core: &[Need]) -> Vec<usize> {
    core.iter().map(|need| need.who.participant).collect()
}

#[test]
fn crossing_bounds_are_pointed_at() {
    let mut needs: Vec<Need> = (0..128)
        .map(|who| need(who, Field::MinSize, Value::Bytes(who as u64)))
        .collect();
    needs.push(need(200, Field::MaxSize, Value::Bytes(100)));
    needs.push(need(201, Field::MaxSize, Value::Bytes(120)));
    let (core, evaluations) = blamed(&needs).expect("127 is more than 100");
    assert_eq!(who(&core), [127, 200]);
    // The pair, and each of the two without the other.
    assert_eq!(evaluations, 3);
}

#[test]
fn different_names_are_pointed_at_with_blame_on_the_latest() {
    let scheme = |who: usize, name: &str| need(who, Field::Protection, Value::Text(name.into()));
    let mut needs: Vec<Need> = (0..100).map(|who| scheme(who, "none")).collect();
    needs[40] = scheme(40, "secure");
    needs[60] = scheme(60, "secure");
    let (core, evaluations) = blamed(&needs).expect("none is not secure");
    assert_eq!(who(&core), [60, 99]);
    // The pair, and each of the two without the other.
    assert_eq!(evaluations, 3);
}

#[test]
fn shares_that_add_up_to_too_much_are_the_fewest_and_largest() {
    let share = |who: usize, count| need(who, Field::Camping, Value::Buffers(count));
    let mut needs: Vec<Need> = (0..64).map(|who| share(who, 1)).collect();
    needs[5] = share(5, 30);
    needs[9] = share(9, 20);
    needs[33] = share(33, 15);
    let (core, evaluations) = blamed(&needs).expect("65 and more");
    assert_eq!(who(&core), [5, 9, 33]);
    assert!(evaluations <= 12, "{evaluations}");
    needs.push(need(70, Field::MaxBuffers, Value::Buffers(40)));
    needs.push(need(71, Field::MaxBuffers, Value::Buffers(60)));
    let (core, _) = blamed(&needs).expect("more than 40");
    assert_eq!(who(&core), [5, 9, 70]);
}

#[test]
fn evaluations_for_what_cannot_be_pointed_at_grow_with_the_logarithm() {
    // Any two of the three share an address, all three do not.
    let windows =
        |ranges: &[(u64, u64)]| Value::Windows(ranges.iter().map(|(first, last)| *first..=*last).collect());
    for count in [8_usize, 16, 32, 64, 128] {
        let mut needs: Vec<Need> = (0..count)
            .map(|who| need(who, Field::Windows, windows(&[(0, 9)])))
            .collect();
        let (one, two, three) = (1, count / 2, count - 2);
        needs[one] = need(one, Field::Windows, windows(&[(0, 1), (2, 3)]));
        needs[two] = need(two, Field::Windows, windows(&[(2, 3), (5, 6)]));
        needs[three] = need(three, Field::Windows, windows(&[(0, 1), (5, 6)]));
        for who in 0..count {
            needs.push(need(who, Field::MinSize, Value::Bytes(4096)));
            needs.push(need(who, Field::Locked, Value::Needed));
            needs.push(need(who, Field::Protection, Value::Text("none".into())));
        }
        let (core, evaluations) = blamed(&needs).expect("no address is in all three");
        assert_eq!(who(&core), [one, two, three]);
        let log = count.ilog2() as usize;
        assert!(
            evaluations <= 6 * log + 12,
            "{evaluations} evaluations for {count}"
        );
    }
}

#[test]
fn of_several_conflicts_the_one_that_showed_is_told() {
    let names = |name: &str| Value::Names([name].into_iter().collect());
    let needs = [
        need(1, Field::CacheModes, names("cached")),
        need(1, Field::Heaps, names("cma")),
        need(2, Field::Heaps, names("system")),
        need(2, Field::CacheModes, names("uncached")),
    ];
    let needs: Vec<&Need> = needs.iter().collect();
    // No pair is pointed at for names, so that all are searched.
    for field in [Field::Heaps, Field::Windows, Field::CacheModes] {
        let mut counted = |some: &[&Need]| Ok::<_, Ended>(judge(some));
        let found = core_of(
            &needs,
            &field.into(),
            &|participant| (0, Reverse(participant)),
            &mut counted,
        );
        let expected = if field == Field::Windows {
            Field::Heaps
        } else {
            field
        };
        assert!(
            found.items.iter().all(|need| need.path.field == expected),
            "{field}"
        );
    }
}
