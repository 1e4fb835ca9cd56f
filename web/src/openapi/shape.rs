//! The shape of the document's schemas: what code generators read well.

use utoipa::openapi::schema::{AllOf, ArrayItems, Object};
use utoipa::openapi::{Components, OpenApi, Ref, RefOr, Schema};

/// Gives all schemas their shape.
///
/// - What all nouns show stands in each of them, in place of `allOf`.
/// - A page of a list refers to its items.
/// - A text that is one of several words is an enumeration.
pub(super) fn shape(document: &mut OpenApi) {
    let Some(components) = document.components.as_mut() else { return };
    flatten(components);
    let names: Vec<String> = components.schemas.keys().cloned().collect();
    for (name, schema) in &mut components.schemas {
        let item = name.strip_prefix("List_").filter(|item| names.iter().any(|name| name == item));
        if let (Some(item), RefOr::T(Schema::Object(list))) = (item, &mut *schema) {
            refer(list, item);
        }
        words(schema);
    }
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter
                    && let Some(schema) = &mut parameter.schema
                {
                    words(schema);
                }
            }
        }
    }
}

/// Puts the parts of an `allOf` of objects together.
fn flatten(components: &mut Components) {
    let known = components.schemas.clone();
    for schema in components.schemas.values_mut() {
        if let RefOr::T(Schema::AllOf(all)) = schema
            && let Some(object) = together(all, &known)
        {
            *schema = RefOr::T(Schema::Object(object));
        }
    }
    // It stands in all of them now.
    components.schemas.remove("Common");
}

fn together(all: &AllOf, known: &std::collections::BTreeMap<String, RefOr<Schema>>) -> Option<Object> {
    let mut object = Object::default();
    object.description = all.description.clone();
    object.schema_type = utoipa::openapi::schema::Type::Object.into();
    object.examples = all.examples.clone();
    object.example = all.example.clone();
    for part in &all.items {
        let part = match part {
            RefOr::Ref(part) => known.get(part.ref_location.rsplit('/').next()?)?,
            part => part,
        };
        let RefOr::T(Schema::Object(part)) = part else { return None };
        object.properties.extend(part.properties.clone());
        object.required.extend(part.required.clone());
        object.additional_properties = part.additional_properties.clone().or(object.additional_properties);
        object.example = object.example.or_else(|| part.example.clone());
        object.description = object.description.or_else(|| part.description.clone());
    }
    Some(object)
}

fn refer(list: &mut Object, item: &str) {
    if let Some(RefOr::T(Schema::Array(items))) = list.properties.get_mut("items") {
        items.items = ArrayItems::RefOrSchema(Box::new(RefOr::Ref(Ref::from_schema_name(item))));
    }
}

/// Makes enumerations of patterns that are lists of words, wherever they stand.
fn words(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            let list = object.pattern.as_deref().and_then(|p| p.strip_prefix("^(")?.strip_suffix(")$"));
            let is_list = |list: &&str| list.chars().all(|c| c.is_ascii_alphanumeric() || "_|.-".contains(c));
            if let Some(list) = list.filter(is_list) {
                object.enum_values = Some(list.split('|').map(Into::into).collect());
                object.pattern = None;
            }
            object.properties.values_mut().for_each(words);
        }
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                words(items);
            }
        }
        Schema::OneOf(one) => one.items.iter_mut().for_each(words),
        Schema::AllOf(all) => all.items.iter_mut().for_each(words),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(words),
        _ => {}
    }
}
