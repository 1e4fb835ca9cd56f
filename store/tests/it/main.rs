//! The store against a real PostgreSQL, a database for each test.
#![allow(clippy::unwrap_used, reason = "a test")]

mod allocation;
mod cloud;
mod connect;
mod connection_log;
mod growth;
mod host;
mod instance;
mod instance_host;
mod instance_status;
mod invariant;
mod isolation;
mod migration;
mod noun;
mod outbox;
mod placement;
mod qos_policy;
mod registration;
mod report;
mod request;
mod security_group;
mod statistics;
mod subnet;
mod world;
