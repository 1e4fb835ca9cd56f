//! What every HTTP operation does alike, whatever it is about: problems and their French, taking requests apart, layers,
//! pages, and the rules that complete the OpenAPI document. It knows no noun and nobody's rights.

pub mod connection;
pub mod extract;
pub mod layers;
pub mod locale;
pub mod openapi;
pub mod problem;

use iroko_store::Page;
use iroko_wire::List;
use iroko_wire::page::cursor_of;

/// Shows a page of rows.
pub fn list<R, T>(page: Page<R>, show: impl FnMut(R) -> T) -> List<T> {
    let page = page.map(show);
    List { items: page.items, next_cursor: page.next.map(cursor_of), total: None }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
