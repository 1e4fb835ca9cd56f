//! The query of a list.

use iroko_model::Invalid;
use iroko_model::text::nfc;
use iroko_store::PageQuery;
use iroko_store::noun::{By, Listing, Noun, Of, Sort, Value};
use iroko_web::problem::Faults;
use iroko_wire::page::{self, LIMIT_DEFAULT, LIMIT_MAX, Place, labels_of};
use uuid::Uuid;

/// Most ids that a list may be asked for.
const IDS_MAX: usize = 100;

/// Reads the query of a list of a noun.
///
/// # Errors
/// All parameters that are at fault. Those that the list does not know were refused before.
pub fn listing_of<N: Noun>(query: &str) -> Result<Listing, Faults> {
    let mut listing = Listing::of(PageQuery { limit: LIMIT_DEFAULT, after: None });
    let mut faults = Faults::default();
    let mut cursor = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        // NUL cannot be in a text of the database.
        let value = nfc(&value.replace('\0', ""));
        match name.as_ref() {
            "limit" => listing.page.limit = faults.take("limit", limit(&value)).unwrap_or(LIMIT_DEFAULT),
            "cursor" => cursor = faults.take("cursor", page::place_of(&value)),
            "name" => listing.name = Some(value),
            "name_contains" => listing.name_contains = Some(value),
            "label" => listing.labels = faults.take("label", labels_of(&value)),
            "id" => listing.ids = faults.take("id", ids(&value)),
            "sort" => listing.sort = faults.take("sort", sort(&value)).unwrap_or_default(),
            "total" => listing.total = faults.take("total", flag(&value)).unwrap_or_default(),
            name => {
                let by = N::FILTERS.iter().enumerate().find(|(_, by)| by.name == name);
                listing.by.extend(by.and_then(|(index, by)| Some((index, faults.take(name, of(by, &value))?))));
            }
        }
    }
    for (index, by) in N::FILTERS.iter().enumerate() {
        if let Of::Number { unless_given, .. } = by.of
            && listing.by.iter().all(|(given, _)| *given != index)
        {
            listing.by.push((index, Value::Number(unless_given)));
        }
    }
    if let Some(Place { id, name }) = cursor {
        if matches!(listing.sort, Sort::Name | Sort::NameBackwards) != name.is_some() {
            let told = "cursor is of a list in another order; start without one, or sort as before";
            faults.note("cursor", Invalid::new("cursor_order", told));
        }
        (listing.page.after, listing.after_name) = (Some(id), name);
    }
    faults.finish()?;
    Ok(listing)
}

fn limit(text: &str) -> Result<i32, Invalid> {
    let told = || Invalid::new("value_type", format!("give a whole number from 1 to {LIMIT_MAX}, not {text:?}"));
    let limit = text.parse().map_err(|_| told())?;
    let told = || Invalid::new("limit_range", format!("limit is a number from 1 to {LIMIT_MAX}"));
    (1..=LIMIT_MAX).contains(&limit).then_some(limit).ok_or_else(told)
}

fn number(text: &str, most: i64) -> Result<i64, Invalid> {
    let told = || Invalid::new("value_range", format!("give a whole number from 0 to {most}, not {text:?}"));
    text.parse().ok().filter(|number| (0..=most).contains(number)).ok_or_else(told)
}

fn flag(text: &str) -> Result<bool, Invalid> {
    text.parse().map_err(|_| Invalid::new("value_type", format!("give true or false, not {text:?}")))
}

fn id(text: &str) -> Result<Uuid, Invalid> {
    text.parse().map_err(|_| Invalid::new("value_type", format!("give an id, not {text:?}")))
}

fn ids(text: &str) -> Result<Vec<Uuid>, Invalid> {
    let ids = text.split(',').map(id).collect::<Result<Vec<_>, _>>()?;
    if ids.len() > IDS_MAX {
        return Err(Invalid::new("ids_too_many", format!("ask for at most {IDS_MAX} ids at a time")));
    }
    Ok(ids)
}

fn sort(text: &str) -> Result<Sort, Invalid> {
    match text {
        "created_at" => Ok(Sort::Oldest),
        "-created_at" => Ok(Sort::Newest),
        "name" => Ok(Sort::Name),
        "-name" => Ok(Sort::NameBackwards),
        _ => Err(unknown(text, &["created_at", "-created_at", "name", "-name"])),
    }
}

fn of(by: &By, text: &str) -> Result<Value, Invalid> {
    match by.of {
        Of::Id => id(text).map(Value::Id),
        Of::Flag => flag(text).map(Value::Flag),
        Of::Number { most, .. } => number(text, most).map(Value::Number),
        Of::Word(words) if words.contains(&text) => Ok(Value::Word(text.to_owned())),
        Of::Word(words) => Err(unknown(text, words)),
    }
}

fn unknown(text: &str, words: &[&str]) -> Invalid {
    Invalid::new("value_unknown", format!("{text:?} is not known here; give one of {}", words.join(", ")))
}
