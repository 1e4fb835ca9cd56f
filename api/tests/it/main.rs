//! The API as its callers see it: a whole process over a real PostgreSQL, a database for each test.
#![allow(clippy::unwrap_used, reason = "a test")]

mod account;
mod agent_link;
mod api_key;
mod authorisation;
mod credential;
mod flavor;
mod host;
mod image;
mod instance;
mod isolation;
mod network;
mod oidc;
mod page;
mod port;
mod request;
mod service;
mod session;
mod signing_key;
mod ssh_key;
mod totp;
mod world;
