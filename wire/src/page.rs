//! Pages of lists, and their filters.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use iroko_model::Invalid;
use serde::{Deserialize, Serialize};
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

/// The cursor that goes on after an item.
pub fn cursor_of(id: Uuid) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(id.as_bytes())
}

/// The item after which a cursor goes on.
pub fn id_of(cursor: &str) -> Result<Uuid, Invalid> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| Uuid::from_slice(&bytes).ok());
    bytes.ok_or_else(|| Invalid::new("cursor_form", "cursor is not the next_cursor of a page; start without one"))
}
