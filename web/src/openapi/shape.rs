//! The shape of the document's schemas: what code generators read well.

use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AllOf, ArrayItems, KnownFormat, Object, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{Components, OpenApi, Ref, RefOr, Schema};

type Schemas = BTreeMap<String, RefOr<Schema>>;

/// Gives all schemas their shape.
///
/// - What all nouns show stands in each of them, in place of `allOf`.
/// - A number with bounds and an id stand where they are used: a name such as `From1To10` says nothing in a client.
/// - A page of a list refers to its items.
/// - A page of a list of `X` is named `XList`.
/// - A text that is one of several words is an enumeration.
/// - Bytes are binary, not a list of numbers.
/// - What nothing refers to is left out.
pub(super) fn shape(document: &mut OpenApi) {
    let Some(components) = document.components.as_mut() else { return };
    flatten(components);
    numbers(components);
    let names: Vec<String> = components.schemas.keys().cloned().collect();
    for (name, schema) in &mut components.schemas {
        let item = name.strip_prefix("List_").filter(|item| names.iter().any(|name| name == item));
        if let (Some(item), RefOr::T(Schema::Object(list))) = (item, &mut *schema) {
            refer(list, item);
        }
        words(schema);
    }
    components.schemas = std::mem::take(&mut components.schemas).into_iter().map(|(n, s)| (page(&n), s)).collect();
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        operations.into_iter().flatten().for_each(shape_operation);
    }
    prune(document);
}

/// The name of a page of a list: `XList` for the `List_X` of a generic type.
fn page(name: &str) -> String {
    name.strip_prefix("List_").map_or_else(|| name.to_owned(), |item| format!("{item}List"))
}

fn shape_operation(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && let Some(schema) = &mut parameter.schema
        {
            words(schema);
        }
    }
    let body = match &mut operation.request_body {
        Some(RefOr::T(body)) => Some(&mut body.content),
        _ => None,
    };
    for (media, content) in body.into_iter().flatten() {
        if let (RefOr::T(content), "application/octet-stream") = (content, media.as_str()) {
            let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
            content.schema = Some(Object::builder().schema_type(Type::String).format(Some(binary)).build().into());
        }
    }
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        for content in response.content.values_mut() {
            if let RefOr::T(content) = content
                && let Some(RefOr::Ref(to)) = &mut content.schema
                && let Some((_, name)) = to.ref_location.rsplit_once('/')
            {
                *to = Ref::from_schema_name(page(name));
            }
        }
    }
}

/// Takes out the schemas that nothing refers to: those whose fields stand in others.
fn prune(document: &mut OpenApi) {
    let text = document.to_json().unwrap_or_default();
    if let Some(components) = document.components.as_mut() {
        components.schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
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

fn together(all: &AllOf, known: &Schemas) -> Option<Object> {
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

/// Puts numbers and ids in place of the references to them.
fn numbers(components: &mut Components) {
    let uuid = Some(SchemaFormat::KnownFormat(KnownFormat::Uuid));
    let is_plain = |schema: &RefOr<Schema>| match schema {
        RefOr::T(Schema::Object(object)) => object.schema_type == Type::Integer.into() || object.format == uuid,
        _ => false,
    };
    let mut plain = components.schemas.clone();
    plain.retain(|_, schema| is_plain(schema));
    for schema in components.schemas.values_mut() {
        let RefOr::T(Schema::Object(object)) = schema else { continue };
        object.properties.values_mut().for_each(|property| place(property, &plain));
    }
}

fn place(schema: &mut RefOr<Schema>, numbers: &Schemas) {
    match schema {
        RefOr::Ref(to) => {
            let Some(RefOr::T(Schema::Object(number))) =
                to.ref_location.rsplit('/').next().and_then(|name| numbers.get(name))
            else {
                return;
            };
            let mut number = number.clone();
            number.description = Some(std::mem::take(&mut to.description)).filter(|about| !about.is_empty());
            *schema = number.into();
        }
        RefOr::T(Schema::OneOf(one)) => one.items.iter_mut().for_each(|item| place(item, numbers)),
        RefOr::T(_) => {}
    }
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
                let nothing = match &object.schema_type {
                    SchemaType::Array(types) if types.contains(&Type::Null) => Some(Value::Null),
                    _ => None,
                };
                object.enum_values = Some(list.split('|').map(Into::into).chain(nothing).collect());
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
