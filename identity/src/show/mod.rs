//! Rows of the store as the API shows them.

pub mod api_key;
pub mod identity_provider;
pub mod me;
pub mod organization;
pub mod permission;
pub mod project;
pub mod quota;
pub mod role_binding;
pub mod session;
pub mod signing_key;

/// A row that can be shown.
pub trait Show<T> {
    /// As the API shows it.
    fn show(self) -> T;
}
