//! `wharf devices`: what it says is what can be seen in other ways.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where it cannot go on"
)]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{run, wharf};
use wharf_testkit::skip;

/// The findings of an area.
fn of<'v>(report: &'v Value, area: &str) -> Vec<&'v Value> {
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .filter(|finding| finding["area"] == area)
        .collect()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn here() -> Value {
    parse(run(wharf(&["devices", "--json"])).output())
}

const AREAS: [&str; 11] = [
    "dma-heap",
    "udmabuf",
    "sync-file",
    "drm",
    "v4l2",
    "user-namespaces",
    "system-call-listener",
    "wharf-run",
    "user-faults",
    "fuse-passthrough",
    "memory",
];

#[test]
fn every_area_has_an_answer_and_every_no_a_reason() {
    let report = here();
    assert_eq!(report["schema"], 1);
    for area in AREAS {
        assert!(!of(&report, area).is_empty(), "{area}");
    }
    for finding in report["findings"].as_array().unwrap() {
        let refusal = &finding["refusal"];
        match finding["state"].as_str() {
            Some("no") => {
                assert!(
                    refusal["errno"].as_i64().is_some_and(|errno| errno > 0),
                    "{finding}"
                );
                assert!(
                    refusal["reason"]
                        .as_str()
                        .is_some_and(|reason| !reason.is_empty()),
                    "{finding}"
                );
            }
            Some("yes" | "stand-in") => assert!(refusal.is_null(), "{finding}"),
            other => panic!("{other:?} in {finding}"),
        }
    }
}

#[test]
fn kernel_is_the_one_that_runs() {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(here()["kernel"]["release"], release.trim());
    let text = run(wharf(&["devices"])).output().to_owned();
    assert!(
        text.starts_with(&format!("Linux {} on ", release.trim())),
        "{text}"
    );
}

#[test]
fn what_is_not_there_is_not_found() {
    let report = here();
    for (area, path) in [
        ("udmabuf", "/dev/udmabuf"),
        ("dma-heap", "/dev/dma_heap"),
        ("drm", "/dev/dri"),
    ] {
        let found = of(&report, area);
        if !Path::new(path).exists() {
            assert_eq!(
                (found.len(), &found[0]["refusal"]["errno"]),
                (1, &Value::from(2)),
                "{area}"
            );
        }
    }
    let works = of(&report, "memory")
        .into_iter()
        .any(|heap| heap["name"] == "memfd" && heap["state"] == "yes");
    assert!(works, "memory files work everywhere");
}

/// Under `wharf run` there are devices, and `wharf run` itself cannot be had again.
#[test]
fn stand_ins_are_found_and_named_as_such() {
    let outside = here();
    if of(&outside, "wharf-run")[0]["state"] != "yes" {
        return skip("wharf run does not work here");
    }
    let mut command = wharf(&["run", "--heap", "system", "--heap", "linux,cma", "--"]);
    command
        .arg(env!("CARGO_BIN_EXE_wharf"))
        .args(["devices", "--json"]);
    let report = parse(run(command).output());
    let heaps = of(&report, "dma-heap");
    let named: Vec<_> = heaps
        .iter()
        .map(|heap| (heap["name"].as_str().unwrap(), heap["state"].as_str().unwrap()))
        .collect();
    assert_eq!(named, [("linux,cma", "stand-in"), ("system", "stand-in")]);
    for area in ["udmabuf", "sync-file"] {
        assert_eq!(of(&report, area)[0]["state"], "stand-in", "{area}");
    }
    let again = of(&report, "wharf-run")[0];
    assert_eq!(
        (&again["state"], &again["refusal"]["error"]),
        (&"no".into(), &"EBUSY (16)".into()),
        "{again}"
    );
    let uses = report["uses"].as_array().unwrap();
    let programs = uses
        .iter()
        .find(|used| used["purpose"].as_str().unwrap().starts_with("programs"))
        .unwrap();
    assert!(
        programs["with"]
            .as_str()
            .unwrap()
            .contains("no stand-in is needed"),
        "{programs}"
    );
}

/// Without descriptors nothing can be opened: that is said, and nothing breaks.
#[test]
fn absence_of_everything_is_told() {
    let wharf = env!("CARGO_BIN_EXE_wharf");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("ulimit -n 4 && exec {wharf} devices")]);
    support::without_environment(&mut command);
    let ended = run(command);
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stdout.contains("EMFILE (24)"), "{}", ended.stdout);
}
