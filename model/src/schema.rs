//! Schemas of checked texts and ids for the API's document. Only with the feature `schema`.

use crate::cidr::{CIDRS_MAX, Cidrs};
use crate::reason::Code as ReasonCode;
use crate::ssh_key::PublicKey;
use crate::{Cidr, Description, Labels, Name, Username};
use std::borrow::Cow;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

fn text(least: usize, most: usize, about: &str) -> ObjectBuilder {
    Object::builder().schema_type(Type::String).min_length(Some(least)).max_length(Some(most)).description(Some(about))
}

macro_rules! texts {
    ($($name:ident: $schema:expr;)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> { $schema.into() }
        }
        impl ToSchema for $name {
            fn name() -> Cow<'static, str> { stringify!($name).into() }
        }
    )*};
}

texts! {
    Name: text(1, crate::name::NAME_MAX_CHARS, "A name: characters of any script that people can read, no space at the ends.")
        .examples(["web-1"]);
    Description: text(0, crate::naming::DESCRIPTION_MAX_CHARS, "One line of text; may be empty.").examples(["the web servers"]);
    PublicKey: text(1, crate::ssh_key::SSH_KEY_MAX_OCTETS, "A line of `authorized_keys` without options.")
        .examples(["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ama@lome"]);
    Cidr: text(3, 49, "A range of addresses of either family; the host bits are zero.").examples(["198.51.100.0/24"]);
    Username: text(1, crate::name::USERNAME_MAX_CHARS, "A log-in name.").pattern(Some("^[a-z0-9._@+-]+$")).examples(["ama"]);
    ReasonCode: Object::builder().schema_type(Type::String).enum_values(Some(ReasonCode::WORDS.iter().copied()))
        .description(Some("Why something is as it is, in one word that programs compare.")).examples(["no_host_fits"]);
    Labels: Object::builder()
        .schema_type(Type::Object)
        .additional_properties(Some(text(0, crate::label::LABEL_VALUE_MAX_CHARS, "The value of a label.")))
        .max_properties(Some(crate::label::LABELS_MAX))
        .description(Some("Up to 64 pairs; a key is 1 to 63 letters, digits and -_./"))
        .examples([serde_json::json!({"role": "web"})]);
}

impl PartialSchema for Cidrs {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(Cidr::schema())
            .max_items(Some(CIDRS_MAX))
            .examples([serde_json::json!(["198.51.100.0/24"])])
            .into()
    }
}

impl ToSchema for Cidrs {
    fn name() -> Cow<'static, str> {
        "Cidrs".into()
    }
}

/// The schema of a typed id.
pub(crate) fn id() -> RefOr<Schema> {
    let uuid = SchemaFormat::KnownFormat(KnownFormat::Uuid);
    Object::builder()
        .schema_type(Type::String)
        .format(Some(uuid))
        .examples(["0198c0de-0000-7000-8000-000000000001"])
        .into()
}
