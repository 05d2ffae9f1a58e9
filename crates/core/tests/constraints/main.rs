//! The vocabulary: files, checks, and the laws of merging.

mod files;
