//! Texts that people are shown: names, labels, descriptions. One check for all of them.
//!
//! A text is kept in Unicode's form NFC, so that one that looks the same is the same, whatever keyboard or
//! file system it came from. It has no character that nobody can see, that changes how others are shown, or whose meaning
//! is not agreed on: with those, two names that look alike differ, and a name reads as another.
//!
//! Categories and properties are those of the Unicode Character Database, by ICU4X, which the Unicode Consortium
//! itself keeps.

use crate::Invalid;
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{
    BinaryProperty, CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji, EmojiModifier, EnumeratedProperty,
    ExtendedPictographic, GeneralCategory, GeneralCategoryGroup, Ideographic, JoiningType, PrependedConcatenationMark,
    Script,
};

/// Combining marks behind one letter. Vietnamese needs two, pointed Hebrew four.
const MARKS_MAX: usize = 6;
const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
const KEYCAP: char = '\u{20e3}';
/// Symbols that are blank: the empty Braille cell, the empty note head, and what stands for an object.
const BLANK: [char; 3] = ['\u{2800}', '\u{1d159}', '\u{fffc}'];

/// The text in NFC.
pub fn nfc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

/// The text in NFC, if people can read all of it.
///
/// # Errors
/// For control characters, hidden, blank, private and unassigned ones, and for marks without a letter.
pub fn readable(text: &str) -> Result<String, Invalid> {
    let text = nfc(text);
    let characters: Vec<char> = text.chars().collect();
    let mut marks = 0;
    for (index, c) in characters.iter().enumerate() {
        let (before, after) = characters.split_at(index);
        check(*c, before, after.get(1..).unwrap_or_default())?;
        marks = if is_mark(*c) { marks + 1 } else { 0 };
        if marks > MARKS_MAX {
            return Err(marked(*c));
        }
    }
    Ok(text)
}

fn check(c: char, before: &[char], after: &[char]) -> Result<(), Invalid> {
    use GeneralCategory as G;
    match GeneralCategory::for_char(c) {
        _ if DefaultIgnorableCodePoint::for_char(c) => {
            if is_needed(c, before, after) {
                Ok(())
            } else {
                Err(hidden(c))
            }
        }
        G::Format if !PrependedConcatenationMark::for_char(c) => Err(hidden(c)),
        G::Control => Err(Invalid::new("text_control", "a text has no control characters (tab, line end, NUL)")),
        G::Unassigned | G::PrivateUse | G::Surrogate | G::LineSeparator | G::ParagraphSeparator => Err(hidden(c)),
        G::SpaceSeparator if c != ' ' => Err(blank(c)),
        _ if BLANK.contains(&c) => Err(blank(c)),
        _ if is_mark(c) && !before.last().is_some_and(|base| carries_marks(*base)) => Err(marked(c)),
        _ => Ok(()),
    }
}

/// True where a character that is not seen by itself changes what is seen: it joins emoji or letters (RFC 5892,
/// appendix A), or chooses how the one before it is drawn.
fn is_needed(c: char, before: &[char], after: &[char]) -> bool {
    let (Some(last), next) = (before.last().copied(), after.first().copied()) else { return false };
    match c {
        ZERO_WIDTH_JOINER => is_virama(last) || joins_emoji(last, next),
        ZERO_WIDTH_NON_JOINER => is_virama(last) || joins_letters(before, after),
        '\u{fe0e}' | '\u{fe0f}' => Emoji::for_char(last) && (!last.is_ascii() || next == Some(KEYCAP)),
        '\u{e0100}'..='\u{e01ef}' => Ideographic::for_char(last),
        '\u{180b}'..='\u{180d}' | '\u{180f}' => Script::for_char(last) == Script::Mongolian,
        _ => false,
    }
}

fn is_virama(c: char) -> bool {
    CanonicalCombiningClass::for_char(c) == CanonicalCombiningClass::Virama
}

fn joins_emoji(last: char, next: Option<char>) -> bool {
    let is_emoji = |c| ExtendedPictographic::for_char(c);
    next.is_some_and(is_emoji) && (is_emoji(last) || EmojiModifier::for_char(last) || last == '\u{fe0f}')
}

fn joins_letters(before: &[char], after: &[char]) -> bool {
    let of = |c: &&char| JoiningType::for_char(**c) != JoiningType::Transparent;
    let side =
        |c: Option<&char>, wanted: [JoiningType; 2]| c.is_some_and(|c| wanted.contains(&JoiningType::for_char(*c)));
    side(before.iter().rev().find(of), [JoiningType::LeftJoining, JoiningType::DualJoining])
        && side(after.iter().find(of), [JoiningType::RightJoining, JoiningType::DualJoining])
}

fn is_mark(c: char) -> bool {
    GeneralCategoryGroup::Mark.contains(GeneralCategory::for_char(c))
}

fn carries_marks(c: char) -> bool {
    let category = GeneralCategory::for_char(c);
    [
        GeneralCategoryGroup::Letter,
        GeneralCategoryGroup::Number,
        GeneralCategoryGroup::Mark,
        GeneralCategoryGroup::Symbol,
    ]
    .iter()
    .any(|group| group.contains(category))
}

fn hidden(c: char) -> Invalid {
    let text = format!("the character U+{:04X} cannot be seen or has no agreed meaning: leave it out", u32::from(c));
    Invalid::new("text_hidden", text)
}

fn blank(c: char) -> Invalid {
    Invalid::new("text_blank", format!("the character U+{:04X} is blank: write a plain space", u32::from(c)))
}

fn marked(c: char) -> Invalid {
    let text =
        format!("the mark U+{:04X} needs a letter before it, and at most {MARKS_MAX} stand behind one", u32::from(c));
    Invalid::new("text_mark", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_write_is_taken() {
        for text in [
            "",
            "Archives de l'état civil",
            "Ẹ̀kọ́ Yorùbá",
            "Đường số 1",
            "東京 ﾃｽﾄ",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "العربية",
            "👩\u{200d}💻 web",
            "❤\u{fe0f}\u{200d}🔥",
            "1\u{fe0f}\u{20e3}",
            "👋🏽",
            "🇹🇬 Togo",
            "辻\u{e0100}",
            "ɖɛɔŋ",
            "a²  b",
            "~!@#$%^&*()",
        ] {
            assert_eq!(readable(text).as_deref(), Ok(nfc(text).as_str()), "{text:?}");
        }
        assert_eq!(readable("E\u{301}conomie").unwrap(), "Économie", "composed");
        assert_eq!(readable("ﬁ").unwrap(), "ﬁ", "no compatibility form: it is another text");
    }

    #[test]
    fn what_nobody_can_see_is_refused() {
        for (text, rule) in [
            ("a\u{0}", "text_control"),
            ("a\tb", "text_control"),
            ("a\u{85}b", "text_control"),
            ("a\u{9b}b", "text_control"),
            ("\u{200b}", "text_hidden"),
            ("we\u{200b}b", "text_hidden"),
            ("we\u{200c}b", "text_hidden"),
            ("we\u{200d}b", "text_hidden"),
            ("\u{200d}", "text_hidden"),
            ("👩\u{200d}", "text_hidden"),
            ("\u{202e}gpj.exe", "text_hidden"),
            ("a\u{2066}b\u{2069}", "text_hidden"),
            ("a\u{200e}", "text_hidden"),
            ("a\u{61c}", "text_hidden"),
            ("\u{feff}web", "text_hidden"),
            ("web\u{ad}site", "text_hidden"),
            ("\u{3164}", "text_hidden"),
            ("\u{115f}\u{1160}", "text_hidden"),
            ("\u{ffa0}", "text_hidden"),
            ("\u{2060}web", "text_hidden"),
            ("web\u{fe0f}", "text_hidden"),
            ("\u{fe0f}", "text_hidden"),
            ("1\u{fe0f}", "text_hidden"),
            ("web\u{e0101}", "text_hidden"),
            ("web\u{e0067}", "text_hidden"),
            ("web\u{34f}", "text_hidden"),
            ("web\u{180e}", "text_hidden"),
            ("a\u{fff9}b", "text_hidden"),
            ("a\u{e000}", "text_hidden"),
            ("a\u{10fffd}", "text_hidden"),
            ("a\u{ffff}", "text_hidden"),
            ("a\u{378}", "text_hidden"),
            ("a\u{2028}b", "text_hidden"),
            ("a\u{2029}b", "text_hidden"),
            ("a\u{a0}b", "text_blank"),
            ("a\u{3000}b", "text_blank"),
            ("\u{2800}", "text_blank"),
            ("\u{fffc}", "text_blank"),
            ("\u{301}", "text_mark"),
            ("a \u{301}", "text_mark"),
            ("\u{301}a", "text_mark"),
            ("e\u{323}\u{302}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}", "text_mark"),
        ] {
            assert_eq!(readable(text).map_err(|error| error.rule), Err(rule), "{text:?}");
        }
    }

    proptest! {
        /// Whatever is taken is its own NFC, and taken again as it is.
        #[test]
        fn what_is_taken_stays(text in any::<String>()) {
            if let Ok(taken) = readable(&text) {
                prop_assert_eq!(nfc(&taken), taken.clone());
                prop_assert_eq!(readable(&taken), Ok(taken));
            }
        }
    }
}
