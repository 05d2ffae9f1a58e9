//! Buffers and exporters, from outside.

mod cpu_access;
mod export;
mod prop_lifetime;
mod recorder;
mod untrusted_exporter;
