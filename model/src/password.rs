//! What a new password may be (NIST SP 800-63B section 5.1.1.2): long, not on a list of known ones, not
//! made of what everybody knows of its owner. No rules about digits and signs, no expiry.

use crate::Invalid;

/// Shortest password, in characters.
pub const MIN_CHARS: usize = 12;
/// Longest password, in octets.
pub const MAX_OCTETS: usize = 1024;
/// Fewest characters that must be left when the owner's names are struck out.
const OWN_CHARS: usize = 8;
/// Fewest different characters.
const DIFFERENT_CHARS: usize = 5;
/// Lower case, one a line, sorted; what is shorter than [`MIN_CHARS`] needs no list. Gathered from the
/// lists of Django (BSD) and zxcvbn (MIT), and from what people here are known to choose.
const COMMON: &str = include_str!("common_passwords.txt");

/// Checks a new password by everything but the operator's list. `names` are the user name and the
/// organization's name.
pub fn check(password: &str, names: &[&str]) -> Result<(), Invalid> {
    if password.chars().count() < MIN_CHARS {
        return Err(Invalid::new("password_short", format!("a password has at least {MIN_CHARS} characters")));
    }
    if password.len() > MAX_OCTETS {
        return Err(Invalid::new("password_long", format!("a password has at most {MAX_OCTETS} octets")));
    }
    let lower = password.to_lowercase();
    if is_common(&lower) {
        return Err(Invalid::new("password_common", "this password is on every list of common ones; choose another"));
    }
    if is_simple(&lower) {
        let text = "a password is not a few characters repeated or counted; choose several words";
        return Err(Invalid::new("password_simple", text));
    }
    if is_made_of(&lower, names) {
        let text = "a password is not made of the user name or the organization's name; choose other words";
        return Err(Invalid::new("password_name", text));
    }
    Ok(())
}

fn is_common(lower: &str) -> bool {
    let list: Vec<&str> = COMMON.lines().collect();
    list.binary_search(&lower).is_ok()
}

/// Few different characters, a short piece repeated, or a run along the alphabet or the digits.
fn is_simple(lower: &str) -> bool {
    let chars: Vec<char> = lower.chars().collect();
    let different: std::collections::BTreeSet<_> = chars.iter().collect();
    let repeats = |length: usize| chars.iter().skip(length).eq(chars.iter().take(chars.len() - length));
    let steps = |step: i64| chars.windows(2).filter(|pair| pair[1] as i64 - pair[0] as i64 == step).count();
    let run = chars.len() - 3;
    different.len() < DIFFERENT_CHARS || (1..=4).any(repeats) || steps(1) >= run || steps(-1) >= run
}

fn is_made_of(lower: &str, names: &[&str]) -> bool {
    let names = names.iter().map(|name| name.to_lowercase()).filter(|name| name.chars().count() >= 3);
    let left = names.fold(lower.to_owned(), |left, name| left.replace(&name, ""));
    left.len() < lower.len() && left.chars().count() < OWN_CHARS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_long_enough() {
        let list: Vec<&str> = COMMON.lines().collect();
        assert!(list.is_sorted() && list.len() > 400);
        assert!(list.iter().all(|line| line.chars().count() >= MIN_CHARS && *line == line.to_lowercase()));
    }

    #[test]
    fn passwords_are_refused_for_a_reason() {
        let long = "xy ".repeat(342);
        let table: [(&str, Option<&str>); 17] = [
            ("a long pass phrase", None),
            ("tr0ub4dor&3xy", None),
            ("éléphant bleu", None),
            ("elevenchars", Some("password_short")),
            ("éééééé", Some("password_short")),
            (&long, Some("password_long")),
            ("1Q2w3e4r5t6y", Some("password_common")),
            ("Change-Me-Please", Some("password_common")),
            ("aaaaaaaaaaaaaaaa", Some("password_simple")),
            ("abcabcabcabcabc", Some("password_simple")),
            ("koffkoffkoffkoff", Some("password_simple")),
            ("abcdefghijklmn", Some("password_simple")),
            ("9876543210987", Some("password_simple")),
            ("ama.mensah2026", Some("password_name")),
            ("AMA.MENSAHama.mensah", Some("password_name")),
            ("ministere-ama.mensah", Some("password_name")),
            ("ama.mensah likes yams", None),
        ];
        for (password, rule) in table {
            assert_eq!(check(password, &["ama.mensah", "Ministere"]).err().map(|e| e.rule), rule, "{password:?}");
        }
        assert!(check("a password for ab", &["ab", ""]).is_ok(), "a name too short to matter");
    }
}
