//! The agent on the real kernel: hosts are threads in namespaces of their own.

#![allow(clippy::unwrap_used, reason = "a test's own tools may panic as its cases do")]

mod attacks;
mod connection_log;
mod flows;
mod frame;
mod groups;
mod guest;
mod instance;
mod lab;
mod limits;
mod link_local;
mod moved;
mod passes;
mod property;
mod resolver;
mod service;
mod shared;
mod statistics;
mod traffic;
