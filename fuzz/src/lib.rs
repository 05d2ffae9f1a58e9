//! The bodies of the fuzz targets. Each takes bytes, and panics if what they lead to breaks a promise.

pub mod attachments;
pub mod broker;
pub mod sets;
pub mod y4m;
