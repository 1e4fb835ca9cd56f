//! The agent on the real kernel: hosts are threads in namespaces of their own.

mod frame;
mod guest;
mod lab;
mod passes;
mod service;
mod traffic;
