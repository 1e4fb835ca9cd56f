//! The API as its callers see it: a whole process over a real PostgreSQL, a database for each test.
#![allow(clippy::unwrap_used, reason = "a test")]

mod account;
mod address_set;
mod agent_link;
mod api_key;
mod audit;
mod authorisation;
mod connection_log;
mod conventions;
mod credential;
mod event;
mod flavor;
mod fuzz;
mod host;
mod image;
mod instance;
mod isolation;
mod name;
mod network;
mod oidc;
mod page;
mod port;
mod qos_policy;
mod quota;
mod request;
mod security_group;
mod service;
mod session;
mod signing_key;
mod ssh_key;
mod statistics;
mod suspension;
mod tenancy;
mod totp;
mod world;
