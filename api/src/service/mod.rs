//! Use cases: one function each, one transaction each. They take checked values and return what is
//! shown; who may call them was asked before.

pub mod account;
pub mod api_key;
pub mod credential;
pub mod flavor;
pub mod host;
pub mod identity_provider;
pub mod image;
pub mod image_store;
pub mod instance;
pub mod login_attempt;
pub mod network;
pub mod oidc;
pub mod port;
pub mod session;
pub mod signing_key;
pub mod ssh_key;
pub mod subnet;
pub mod totp;
pub mod upkeep;
