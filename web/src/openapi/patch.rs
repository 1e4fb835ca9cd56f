//! What stands in a merge patch of settings, in the document.

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Object, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Schema};

/// Settings as a merge patch has them: nothing is required, and null takes away what need not be there.
pub fn optional(settings: &Object, about: &str) -> Object {
    let mut patch = settings.clone();
    let required = std::mem::take(&mut patch.required);
    for (_, property) in patch.properties.iter_mut().filter(|(name, _)| !required.contains(name)) {
        *property = or_null(property.clone());
    }
    patch.description = Some(about.to_owned());
    patch
}

fn or_null(property: RefOr<Schema>) -> RefOr<Schema> {
    match property {
        RefOr::T(Schema::Object(mut object)) => {
            object.schema_type = match object.schema_type {
                SchemaType::Type(one) => SchemaType::Array(vec![one, Type::Null]),
                more => more,
            };
            object.into()
        }
        other => OneOfBuilder::new().item(Object::builder().schema_type(Type::Null)).item(other).into(),
    }
}

/// Gives operations that are written out, and whose patch is of `XSettings`, the body `XUpdate`.
pub(super) fn patches(document: &mut OpenApi) {
    let Some(components) = document.components.as_mut() else { return };
    for item in document.paths.paths.values_mut() {
        let Some(name) = item.patch.as_ref().and_then(settings_of) else { continue };
        let Some(RefOr::T(Schema::Object(settings))) = components.schemas.get(&format!("{name}Settings")) else {
            continue;
        };
        let patch = optional(settings, "What changes; what is absent stays.");
        components.schemas.insert(format!("{name}Update"), patch.into());
        let content = || RefOr::T(Content::new(Some(RefOr::Ref(Ref::from_schema_name(format!("{name}Update"))))));
        let body = item.patch.as_mut().and_then(|operation| operation.request_body.as_mut());
        if let Some(RefOr::T(body)) = body {
            body.content.clear();
            body.content.insert("application/merge-patch+json".to_owned(), content());
            body.content.insert("application/json".to_owned(), content());
        }
    }
}

/// The `X` of the `XSettings` that an operation takes.
fn settings_of(operation: &Operation) -> Option<String> {
    let Some(RefOr::T(body)) = &operation.request_body else { return None };
    let RefOr::T(content) = body.content.get("application/json")? else { return None };
    let Some(RefOr::Ref(schema)) = &content.schema else { return None };
    let name = schema.ref_location.rsplit('/').next()?;
    name.strip_suffix("Settings").map(str::to_owned)
}
