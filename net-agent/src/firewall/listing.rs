//! What nft lists -> tables and elements. Pure.

use super::{FirewallError, to_element};
use crate::object::{Key, State};
use serde_json::Value as Json;

/// The tables without their elements and handles, in a form that can be compared.
pub fn skeleton(listing: &str) -> Result<String, FirewallError> {
    let mut objects = objects(listing)?;
    for object in &mut objects {
        for body in object.as_object_mut().into_iter().flat_map(|object| object.values_mut()) {
            if let Some(body) = body.as_object_mut() {
                body.remove("elem");
                body.remove("handle");
            }
        }
    }
    let lines: Vec<String> = objects.iter().map(Json::to_string).collect();
    Ok(lines.join("\n"))
}

/// The elements of all sets and maps.
pub fn elements(listing: &str) -> Result<State, FirewallError> {
    let mut state = State::new();
    for object in objects(listing)? {
        let Some(body) = object.get("set").or_else(|| object.get("map")) else { continue };
        let Some(name) = body.get("name").and_then(Json::as_str) else { continue };
        let items = body.get("elem").and_then(Json::as_array).into_iter().flatten();
        state.extend(
            items.filter_map(|item| to_element(name, item)).map(|(element, value)| (Key::Element(element), value)),
        );
    }
    Ok(state)
}

fn objects(listing: &str) -> Result<Vec<Json>, FirewallError> {
    let unreadable = || FirewallError::Unreadable(listing.chars().take(200).collect());
    let mut root: Json = serde_json::from_str(listing).map_err(|_| unreadable())?;
    let Some(Json::Array(objects)) = root.get_mut("nftables").map(Json::take) else { return Err(unreadable()) };
    Ok(objects.into_iter().filter(|object| object.get("metainfo").is_none()).collect())
}
