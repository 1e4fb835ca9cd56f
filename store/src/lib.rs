//! The only crate with SQL. What is wanted, what was last seen, and the rules that a constraint
//! holds, in PostgreSQL 15.
//!
//! One module a noun, functions noun first, each over a [`Tx`]: the caller decides what belongs
//! into one transaction. Every change that somebody else must look at is written to the outbox
//! ([`change`]) in the same transaction; after the commit [`Store::commit`] sends a signal that only
//! says "look again". Reports are accepted only if newer ([`report`]), capacity is given away by one
//! guarded statement ([`placement`]), addresses and VNIs by unique constraints ([`port`], [`network`]).
//! There are no counters to resynchronise: usage is always counted from the rows themselves.

pub mod account;
pub mod action;
pub mod address_set;
pub mod api_key;
pub mod audit;
pub mod authority;
pub mod change;
pub mod cloud_instance;
mod conn;
pub mod connection_log;
pub mod console;
pub mod credential;
pub mod custom_role;
pub mod desired;
mod error;
pub mod event;
pub mod flavor;
pub mod gauge;
pub mod group;
mod guest;
pub mod host;
pub mod idempotency;
pub mod identity_provider;
pub mod image;
pub mod instance;
pub mod invariant;
pub mod login_attempt;
pub mod login_challenge;
pub mod network;
pub mod noun;
mod number;
pub mod organization;
pub mod orphan;
mod page;
pub mod placement;
pub mod port;
pub mod project;
pub mod qos_policy;
pub mod quota;
pub mod report;
pub mod request;
pub mod role_binding;
pub mod security_group;
pub mod security_group_rule;
pub mod service_account;
pub mod session;
pub mod signing_key;
pub mod silence;
pub mod ssh_key;
pub mod statistics;
pub mod stuck;
pub mod subnet;
pub mod suspension;
pub mod totp;
mod tx;
pub mod user;
mod wake;

pub use error::{Error, Result};
pub use page::{Filter, Page, PageQuery};
pub use tx::{Bound, Connection, LEASE_S, Store, Tx, bind_below};
pub use wake::{Signals, Wake};
