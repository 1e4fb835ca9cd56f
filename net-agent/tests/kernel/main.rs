//! The agent on the real kernel: hosts are threads in namespaces of their own.

#![allow(clippy::unwrap_used, reason = "a test's own tools may panic as its cases do")]

mod frame;
mod guest;
mod lab;
mod passes;
mod service;
mod traffic;
