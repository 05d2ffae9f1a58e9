//! The data plane beside its peers and limits. The benchmark is a program: `cargo bench --manifest-path benches/dataplane/Cargo.toml`.
