//! A program that ends as it is told, for the tests of the guest: `guest-probe WHAT [ARGUMENT]`.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a program of tests")]

use std::env;
use std::fs;
use std::io::{Write, stderr, stdout};
use std::process::{Command, abort, exit};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[1..] {
        ["exit", code] => exit(code.parse().expect("a code")),
        ["abort"] => abort(),
        // The first is taken for a stack that ran over, and looked into.
        ["segv"] => (0..2).for_each(|_| kill_process(getpid(), Signal::SEGV).unwrap()),
        ["hang"] => sleep(Duration::from_secs(3600)),
        ["panic"] => fs::write("/proc/sysrq-trigger", "c").unwrap(),
        ["skip", reason] => {
            let log = env::var_os("WHARF_SKIP_LOG").expect("where to say what is skipped");
            fs::write(log, format!("{reason}\n")).unwrap();
        }
        // Somebody stays behind who has the output open.
        ["leave"] => drop(Command::new(arguments[0]).arg("hang").spawn().unwrap()),
        ["write", bytes] => {
            let bytes: usize = bytes.parse().expect("a number");
            stdout().write_all(&vec![b'o'; bytes]).unwrap();
            stderr().write_all(&vec![b'e'; bytes]).unwrap();
        }
        ["list", ref directories @ ..] => {
            for directory in directories {
                for entry in fs::read_dir(directory).unwrap() {
                    println!("{}", entry.unwrap().path().display());
                }
            }
        }
        _ => panic!("guest-probe cannot do {arguments:?}"),
    }
}
