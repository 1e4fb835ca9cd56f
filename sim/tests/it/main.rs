//! Tests on a simulated cloud. One binary.
#![allow(clippy::unwrap_used, clippy::large_futures, reason = "tests")]

mod chaos;
