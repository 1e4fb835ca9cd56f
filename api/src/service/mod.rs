//! Use cases: one function each, one transaction each. They take checked values and return what is
//! shown; who may call them was asked before.

pub mod account;
pub mod flavor;
pub mod host;
pub mod image;
pub mod image_store;
pub mod instance;
pub mod network;
pub mod port;
pub mod ssh_key;
pub mod subnet;
