//! The words of refusals in French. The catalogue `locale/fr.po` has a template for each English text,
//! with a number in braces for each part that differs; code knows English only, and translators need no
//! compiler. A text without a translation stays English: the tests of the API fail for each that they meet.

use polib::po_file;
use regex::{Regex, RegexSet};
use std::sync::LazyLock;

const CATALOGUE: &str = include_str!("locale/fr.po");

/// Templates, in the order of the catalogue: among several that fit, one that begins with words of its own, then
/// the one with most of them.
struct Templates {
    all: RegexSet,
    each: Vec<Template>,
}

struct Template {
    english: Regex,
    french: String,
    /// It begins with words of its own.
    is_led: bool,
    /// Characters that are not a part that differs.
    own: usize,
}

/// Longer texts, in octets, stay English: they repeat at length what a caller sent.
const TEXT_MAX: usize = 2048;
/// How deep texts of the catalogue stand in each other.
const DEPTH_MAX: usize = 2;

static FRENCH: LazyLock<Templates> = LazyLock::new(|| Templates::of(CATALOGUE));

impl Templates {
    /// Unreadable parts of the catalogue are left out, and told by the tests.
    fn of(catalogue: &str) -> Self {
        let messages = po_file::parse_from_reader(catalogue.as_bytes());
        let pairs = messages.iter().flat_map(|catalogue| catalogue.messages()).filter_map(|message| {
            let (pattern, own) = pattern(message.msgid());
            let french = message.msgstr().ok()?.to_owned();
            let is_led = !message.msgid().starts_with('{');
            Some((Template { english: Regex::new(&pattern).ok()?, french, is_led, own }, pattern))
        });
        let (each, patterns): (Vec<_>, Vec<_>) = pairs.unzip();
        Self { all: RegexSet::new(patterns).unwrap_or_else(|_| RegexSet::empty()), each }
    }

    /// `depth`: how many more levels of parts may be texts of the catalogue. Parts hold what callers send:
    /// without a bound on both, a text that imitates templates within templates would keep a processor busy.
    fn translate(&self, english: &str, depth: usize) -> Option<String> {
        if english.len() > TEXT_MAX {
            return None;
        }
        let fitting = self.all.matches(english).into_iter().filter_map(|index| self.each.get(index));
        let template = fitting.max_by_key(|template| (template.is_led, template.own))?;
        let parts = template.english.captures(english)?;
        let mut french = String::with_capacity(template.french.len() + english.len());
        let mut rest = template.french.as_str();
        while let Some((before, number, after)) = next_part(rest) {
            french.push_str(before);
            let part = parts.get(number + 1).map_or("", |part| part.as_str());
            let told =
                depth.checked_sub(1).and_then(|depth| self.list(part, depth).or_else(|| self.translate(part, depth)));
            french.push_str(told.as_deref().unwrap_or(part));
            rest = after;
        }
        french.push_str(rest);
        Some(french)
    }

    /// A list of texts of the catalogue; none where one of them is not.
    fn list(&self, english: &str, depth: usize) -> Option<String> {
        let (between, et) = BETWEEN.into_iter().find(|(between, _)| english.contains(between))?;
        let items: Vec<&str> = english.splitn(LIST_MAX + 1, between).collect();
        if items.len() > LIST_MAX {
            return None;
        }
        let told = |item: &&str| self.list(item, depth).or_else(|| self.translate(item, depth));
        Some(items.iter().map(told).collect::<Option<Vec<_>>>()?.join(et))
    }
}

/// Between the texts of a list, in English and in French.
const BETWEEN: [(&str, &str); 3] = [("; ", " ; "), (", ", ", "), (" and ", " et ")];
/// Texts of a list, at most.
const LIST_MAX: usize = 16;

/// The French of a text of a refusal; none where the catalogue has no template for it.
pub fn french(english: &str) -> Option<String> {
    FRENCH.translate(english, DEPTH_MAX)
}

/// A template as a regular expression, and how much of it is fixed.
fn pattern(template: &str) -> (String, usize) {
    let (mut pattern, mut own, mut rest) = (String::from("(?s)^"), 0, template);
    while let Some((before, _, after)) = next_part(rest) {
        own += before.len();
        pattern += &regex::escape(before);
        pattern += "(.+)";
        rest = after;
    }
    pattern += &regex::escape(rest);
    pattern.push('$');
    (pattern, own + rest.len())
}

/// What stands before the next number in braces, the number, and the rest.
fn next_part(text: &str) -> Option<(&str, usize, &str)> {
    let mut from = 0;
    while let Some(open) = text[from..].find('{').map(|at| from + at) {
        let close = open + text[open..].find('}')?;
        if let Ok(number) = text[open + 1..close].parse() {
            return Some((&text[..open], number, &text[close + 1..]));
        }
        from = open + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_whole() {
        let catalogue = po_file::parse_from_reader(CATALOGUE.as_bytes()).unwrap();
        assert_eq!(FRENCH.each.len(), catalogue.messages().count());
        assert_eq!(FRENCH.all.len(), FRENCH.each.len());
        for message in catalogue.messages() {
            let numbers = |mut text: &str| {
                let mut found = Vec::new();
                while let Some((_, number, rest)) = next_part(text) {
                    found.push(number);
                    text = rest;
                }
                found
            };
            let (english, french) = (message.msgid(), message.msgstr().unwrap());
            let given = numbers(english);
            assert_eq!(given, (0..given.len()).collect::<Vec<_>>(), "numbered from 0 in order: {english}");
            assert!(!french.is_empty() && numbers(french).iter().all(|number| given.contains(number)), "{english}");
            assert_eq!(
                FRENCH
                    .all
                    .matches(english)
                    .into_iter()
                    .filter(|index| { FRENCH.each[*index].own == pattern(english).1 })
                    .count(),
                1,
                "no two alike: {english}"
            );
        }
    }

    #[test]
    fn texts_are_translated_with_their_parts() {
        for (english, expected) in [
            ("a name needs at least one character", Some("un nom a au moins un caractère")),
            ("a name has at most 128 characters", Some("un nom a au plus 128 caractères")),
            ("\"x\" is not an IP address", Some("\"x\" n'est pas une adresse IP")),
            (
                "the quota api_requests_per_minute of the project is 8, for all its callers together; wait as long as Retry-After says, or ask whoever is above the project for more",
                Some(
                    "le quota api_requests_per_minute (projet) est de 8, pour tous ses appelants ensemble ; attendez le temps indiqué par Retry-After, ou demandez davantage à qui est au-dessus (projet)",
                ),
            ),
            (
                "none of 3 hosts fits: 1 disabled by the operator, 2 without 4 free vCPUs; the nearest lacks 2 vCPUs and 5 MiB of memory. Choose an image of another architecture",
                Some(
                    "aucun des 3 hôtes ne convient : 1 désactivé(s) par l'opérateur, 2 sans 4 vCPU libres ; au plus proche il manque 2 vCPU et 5 Mio de mémoire. Choisissez une image d'une autre architecture",
                ),
            ),
            // What a caller sent looks like more of the same; it is not followed further down.
            (
                "a is not an IP address is not an IP address is not an IP address is not an IP address",
                Some(
                    "a is not an IP address n'est pas une adresse IP n'est pas une adresse IP n'est pas une adresse IP",
                ),
            ),
            (&"x".repeat(3000), None),
            ("quite something else", None),
            ("", None),
        ] {
            assert_eq!(french(english).as_deref(), expected, "{english}");
        }
    }
}
