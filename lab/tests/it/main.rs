//! Scenarios on real hosts: libvirt, guests, VXLAN. One binary; each test has a lab of its own.
#![allow(clippy::unwrap_used, clippy::large_futures, reason = "tests")]

mod failover;
mod fixture;
mod kill;
mod main_job;
mod outage;
mod own_will;
mod secrets;
mod security_group;
