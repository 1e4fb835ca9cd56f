//! Use cases: one function each, one transaction each. They take checked values and return what is
//! shown; who may call them was asked before.

pub mod account;
pub mod api_key;
pub mod authority;
pub mod carrier;
pub mod credential;
pub mod group;
pub mod identity_provider;
pub mod login_attempt;
pub mod me;
pub mod oidc;
pub mod organization;
pub mod project;
pub mod quota;
pub mod role_binding;
pub mod session;
pub mod session_cookie;
pub mod signing_key;
pub mod suspension;
pub mod totp;
pub mod upkeep;
pub mod user;
