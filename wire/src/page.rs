//! Pages of lists, and their filters.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use iroko_model::Invalid;
use iroko_model::text::nfc;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A page of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// The items, oldest first.
    pub items: Vec<T>,
    /// Send it as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// How many there are on all pages together, where `total=true` asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
}

impl<T> List<T> {
    /// A list that is one page.
    pub const fn all(items: Vec<T>) -> Self {
        Self { items, next_cursor: None, total: None }
    }
}

/// Items on a page unless asked otherwise.
pub const LIMIT_DEFAULT: i32 = 100;
/// Most items on a page.
pub const LIMIT_MAX: i32 = 1000;

/// Query of every list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Most items on the page, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100, example = 100)]
    pub limit: Option<i32>,
    /// `next_cursor` of the page before; the first page without.
    pub cursor: Option<String>,
    /// Only items of exactly this name.
    pub name: Option<String>,
    /// Only items with these labels: `key=value`, several separated by commas.
    #[param(example = "role=web,stage=test")]
    pub label: Option<String>,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The last item.
    pub id: Uuid,
    /// Its name, where the list is sorted by names.
    pub name: Option<String>,
}

/// The cursor that goes on after an item.
pub fn cursor_of(id: Uuid) -> String {
    cursor(&Place { id, name: None })
}

/// The cursor that goes on behind a place.
pub fn cursor(place: &Place) -> String {
    let name = place.name.as_deref().unwrap_or("");
    let mark: &[u8] = if place.name.is_some() { &[0] } else { &[] };
    BASE64_URL_SAFE_NO_PAD.encode([place.id.as_bytes().as_slice(), mark, name.as_bytes()].concat())
}

/// The place that a cursor names.
///
/// # Errors
/// Where it is no cursor.
pub fn place_of(cursor: &str) -> Result<Place, Invalid> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    let place = bytes.as_deref().and_then(|bytes| bytes.split_at_checked(16)).and_then(|(id, rest)| {
        let name = match rest.split_first() {
            None => None,
            Some((0, name)) => Some(String::from_utf8(name.to_vec()).ok()?),
            Some(_) => return None,
        };
        Some(Place { id: Uuid::from_slice(id).ok()?, name })
    });
    place.ok_or_else(|| Invalid::new("cursor_form", "cursor is not the next_cursor of a page; start without one"))
}

/// The item after which a cursor of a list without another order goes on.
///
/// # Errors
/// As [`place_of`].
pub fn id_of(cursor: &str) -> Result<Uuid, Invalid> {
    Ok(place_of(cursor)?.id)
}

/// The labels of a filter, `key=value`, several separated by commas, as a JSON object.
///
/// # Errors
/// Where it has another form.
pub fn labels_of(text: &str) -> Result<Value, Invalid> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        Some((key.replace('\0', ""), Value::String(nfc(&value.replace('\0', "")))))
    };
    let pairs: Option<serde_json::Map<_, _>> = text.split(',').map(pair).collect();
    let told = "label is key=value, several separated by commas";
    pairs.map(Value::Object).ok_or_else(|| Invalid::new("label_filter_form", told))
}
