//! Who asks, and what they may do.

pub mod password;
pub mod policy;
pub mod token;
