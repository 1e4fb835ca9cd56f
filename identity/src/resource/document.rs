//! What the API's document says of the operations that are written once.

use super::{Change, Create, Delete, Resource};
use iroko_store::noun::{Noun, Of};
use iroko_web::openapi::IfMatch;
use iroko_web::openapi::patch::optional;
use iroko_wire::List;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Content, Paths, Ref, RefOr, Required, ResponseBuilder, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// Schemas and paths of an operation.
pub(super) type Described = (Vec<(String, RefOr<Schema>)>, Paths);

/// The parameters in a path's template.
pub(super) fn parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

fn path_of<R: Resource>(list: &str) -> String {
    format!("{list}/{{{}}}", R::PARAMETER)
}

/// An operation of a noun, named and put under its tag.
fn operation<R: Resource>(verb: &str, summary: String, about: &str) -> OperationBuilder {
    OperationBuilder::new()
        .operation_id(Some(format!("{}_{verb}", R::WORDS.id)))
        .tag(R::WORDS.tag)
        .summary(Some(summary))
        .description(Some(about).filter(|about| !about.is_empty()))
}

fn described<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) -> Content {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
    Content::new(Some(RefOr::Ref(Ref::from_schema_name(T::name()))))
}

fn at(method: HttpMethod, path: String, operation: Operation, schemas: Vec<(String, RefOr<Schema>)>) -> Described {
    let mut paths = Paths::new();
    paths.paths.insert(path, PathItem::new(method, operation));
    (schemas, paths)
}

fn answer(content: Content, about: String) -> utoipa::openapi::Response {
    ResponseBuilder::new().description(about).content("application/json", content).build()
}

pub(super) fn list<R: Resource>() -> Described {
    let mut schemas = Vec::new();
    let item = described::<R::Shown>(&mut schemas);
    drop(item);
    let name = format!("{}List", R::Shown::name());
    schemas.push((name.clone(), list_of(&R::Shown::name())));
    let about = format!("Oldest first, in pages, unless `sort` says otherwise. {}", R::ABOUT);
    let many = R::WORDS.many;
    let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name(name))));
    let mut operation = operation::<R>("list", format!("List {many}"), about.trim())
        .response("200", answer(content, "A page".to_owned()));
    for parameter in filters::<R::Row>() {
        operation = operation.parameter(parameter);
    }
    at(HttpMethod::Get, R::PATH.to_owned(), operation.build(), schemas)
}

/// The schema of a page of these.
fn list_of(item: &str) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut list)) = List::<String>::schema() else { return List::<String>::schema() };
    let items = Ref::from_schema_name(item);
    let items = utoipa::openapi::schema::ArrayBuilder::new().items(RefOr::Ref(items)).description(Some("The items."));
    list.properties.insert("items".to_owned(), items.into());
    list.into()
}

pub(super) fn get<R: Resource>() -> Described {
    let mut schemas = Vec::new();
    let content = described::<R::Shown>(&mut schemas);
    let operation = operation::<R>("get", format!("Show {}", R::WORDS.a), R::ABOUT)
        .response("200", answer(content, format!("The {}", R::WORDS.one())));
    at(HttpMethod::Get, path_of::<R>(R::PATH), operation.build(), schemas)
}

pub(super) fn create<R: Create>() -> Described {
    let mut schemas = Vec::new();
    let (request, shown) = (described::<R::Request>(&mut schemas), described::<R::Shown>(&mut schemas));
    let body = RequestBodyBuilder::new().content("application/json", request).required(Some(Required::True)).build();
    let operation = operation::<R>("create", format!("Create {}", R::WORDS.a), R::CREATE)
        .request_body(Some(body))
        .response("201", answer(shown, "Made".to_owned()));
    at(HttpMethod::Post, R::WRITTEN_AT.to_owned(), operation.build(), schemas)
}

pub(super) fn change<R: Change>() -> Described {
    let mut schemas = Vec::new();
    drop(described::<R::Settings>(&mut schemas));
    let shown = described::<R::Shown>(&mut schemas);
    schemas.push((R::UPDATE.to_owned(), patch_of::<R>()));
    let content = || Content::new(Some(RefOr::Ref(Ref::from_schema_name(R::UPDATE))));
    let body = RequestBodyBuilder::new()
        .content("application/merge-patch+json", content())
        .content("application/json", content())
        .required(Some(Required::True))
        .build();
    let about =
        format!("{} A merge patch (RFC 7396): what is absent stays, null takes away what may be absent.", R::CHANGE);
    let operation = operation::<R>("update", format!("Change {}", R::WORDS.a), about.trim())
        .request_body(Some(body))
        .parameters(compared())
        .response("200", answer(shown, format!("The {}", R::WORDS.one())));
    at(HttpMethod::Patch, path_of::<R>(R::WRITTEN_AT), operation.build(), schemas)
}

/// The settings with nothing required: what may stand in a merge patch of them.
fn patch_of<R: Change>() -> RefOr<Schema> {
    let RefOr::T(Schema::Object(settings)) = R::Settings::schema() else { return R::Settings::schema() };
    optional(&settings, &format!("What changes of {}; what is absent stays.", R::WORDS.a)).into()
}

pub(super) fn delete<R: Delete>() -> Described {
    let gone = ResponseBuilder::new().description("Deleted").build();
    let operation = operation::<R>("delete", format!("Delete {}", R::WORDS.a), R::DELETE)
        .parameters(compared())
        .response("204", gone);
    at(HttpMethod::Delete, path_of::<R>(R::WRITTEN_AT), operation.build(), Vec::new())
}

/// `If-Match`: the rows of nouns are locked and compared before they change.
fn compared() -> Option<Vec<Parameter>> {
    Some(IfMatch::into_params(|| None))
}

/// The query of a list.
pub(super) fn filters<N: Noun>() -> Vec<Parameter> {
    let text = || Object::builder().schema_type(Type::String);
    let flag = || Object::builder().schema_type(Type::Boolean);
    let uuid = || text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    let limit =
        Object::builder().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(1000)).default(Some(100.into()));
    let sorts =
        text().enum_values(Some(["created_at", "-created_at", "name", "-name"])).default(Some("created_at".into()));
    let common = [
        ("limit", "Most items on the page, 1 to 1000.", limit),
        ("cursor", "`next_cursor` of the page before; the first page without.", text()),
        ("sort", "The order; `-` turns it round.", sorts),
        ("total", "Count the items of all pages together, too.", flag().default(Some(false.into()))),
        ("name", "Only items of exactly this name.", text()),
        ("name_contains", "Only items in whose name this stands, in capital letters or small ones.", text()),
        ("label", "Only items with these labels: `key=value`, several separated by commas.", text()),
        ("id", "Only the items with these ids, at most 100, separated by commas.", text()),
    ];
    let own = N::FILTERS.iter().map(|by| {
        let schema = match by.of {
            Of::Id => uuid(),
            Of::Flag => flag(),
            Of::Number { most, unless_given } => Object::builder()
                .schema_type(Type::Integer)
                .minimum(Some(0))
                .maximum(Some(most))
                .default(Some(unless_given.into())),
            Of::Word(words) => text().enum_values(Some(words.iter().copied())),
        };
        (by.name, by.about, schema)
    });
    common.into_iter().chain(own).map(|(name, about, schema)| parameter(name, about, schema)).collect()
}

fn parameter(name: &str, about: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}
