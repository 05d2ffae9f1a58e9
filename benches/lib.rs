//! Benchmarks of Wharf against its peers and limits. Each is a program: `cargo bench -p wharf-benches`.
