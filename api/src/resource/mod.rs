//! The nouns whose operations are alike ([`iroko_identity::resource`]): one file each, with what only it knows.

mod address_set;
mod flavor;
pub mod image;
mod network;
mod qos_policy;
mod security_group;
mod ssh_key;
mod subnet;

pub use qos_policy::known as qos_policy_known;
pub use security_group::{must_know, of_port};

use crate::App;
use iroko_identity::noun::common;
use iroko_identity::resource::naming;
use iroko_model::{Description, Labels, Name, Naming};
use utoipa_axum::router::OpenApiRouter;

/// Their routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(flavor::router())
        .merge(image::router())
        .merge(ssh_key::router())
        .merge(network::router())
        .merge(subnet::router())
        .merge(security_group::router())
        .merge(address_set::router())
        .merge(qos_policy::router())
}

/// What people write on a noun, from the fields of a request.
const fn written(name: Name, description: Description, labels: Labels) -> Naming {
    Naming { name, description, labels }
}
