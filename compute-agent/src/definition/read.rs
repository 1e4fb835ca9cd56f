//! The elements of a domain's XML that parts are read from. Everything else is passed over.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element with its path below `domain`, attributes and text, in the order of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Names joined by `/`: `devices/disk/source`.
    pub path: String,
    /// Attributes.
    pub attributes: Vec<(String, String)>,
    /// Text directly inside.
    pub text: String,
}

impl Element {
    /// An attribute's value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// All elements; `None` where the text is no XML.
pub fn elements(xml: &str) -> Option<Vec<Element>> {
    let (mut reader, mut found, mut open) = (Reader::from_str(xml), Vec::new(), Vec::new());
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                open.push((name(&start)?, found.len()));
                found.push(element(&open, &start)?);
            }
            Event::Empty(start) => {
                open.push((name(&start)?, found.len()));
                found.push(element(&open, &start)?);
                open.pop();
            }
            Event::Text(text) => {
                if let Some((_, at)) = open.last() {
                    found.get_mut(*at)?.text.push_str(&text.decode().ok()?);
                }
            }
            Event::End(_) => drop(open.pop()?),
            Event::Eof => return Some(found),
            _ => {}
        }
    }
}

/// The elements of each part that begins with `path`: the element itself, and those inside it.
pub fn each<'a>(all: &'a [Element], path: &str) -> Vec<&'a [Element]> {
    let inside = format!("{path}/");
    let starts = all.iter().enumerate().filter(|(_, element)| element.path == path).map(|(at, _)| at);
    let end = |at: usize| all[at + 1..].iter().position(|other| !other.path.starts_with(&inside));
    starts.map(|at| &all[at..end(at).map_or(all.len(), |length| at + 1 + length)]).collect()
}

/// The first element with a path.
pub fn first<'a>(all: &'a [Element], path: &str) -> Option<&'a Element> {
    all.iter().find(|element| element.path == path)
}

fn name(start: &BytesStart<'_>) -> Option<String> {
    String::from_utf8(start.name().as_ref().to_vec()).ok()
}

fn element(open: &[(String, usize)], start: &BytesStart<'_>) -> Option<Element> {
    let path = open.iter().skip(1).map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("/");
    let attribute = |attribute: quick_xml::events::attributes::Attribute<'_>| {
        let key = String::from_utf8(attribute.key.as_ref().to_vec()).ok()?;
        Some((key, attribute.unescape_value().ok()?.into_owned()))
    };
    let attributes = start.attributes().map(|one| one.ok().and_then(attribute)).collect::<Option<_>>()?;
    Some(Element { path, attributes, text: String::new() })
}
