//! Use cases: one function each, one transaction each. They take checked values and return what is
//! shown; who may call them was asked before.

pub mod account;
pub mod address_set;
pub mod api_key;
pub mod audit;
pub mod authority;
pub mod credential;
pub mod event;
pub mod flavor;
pub mod group;
pub mod host;
pub mod identity_provider;
pub mod image;
pub mod image_store;
pub mod instance;
pub mod login_attempt;
pub mod me;
pub mod network;
pub mod oidc;
pub mod organization;
pub mod port;
pub mod project;
pub mod quota;
pub mod role;
pub mod role_binding;
pub mod security_group;
pub mod security_group_rule;
pub mod service_account;
pub mod session;
pub mod signing_key;
pub mod ssh_key;
pub mod subnet;
pub mod suspension;
pub mod totp;
pub mod upkeep;
pub mod user;
