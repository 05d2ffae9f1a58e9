//! What must not compile, one program per file of `tests/ui`.
#![cfg(not(any(loom, shuttle)))]

#[test]
fn misuse_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
